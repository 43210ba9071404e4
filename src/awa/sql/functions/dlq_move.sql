-- dlq_move: jobs that ended as failed or cancelled become dead letters, to be looked at or run again.
--   spec      Storage!DlqMove               event    dlq_move
--   requires  READ COMMITTED; at most 500 distinct ids
--   outcome   a row per job, in their order: 'settled'; 'already' (by this settle id); 'busy' (somebody else has
--             the row: ask again); 'stale' with the state it is in; 'unknown'
--   touches   delete finals, insert dlq and acts (one each per job)
--   one step  the rows are locked, those locked by others left alone; one statement moves them.
create function dlq_move(settle_id bigint, job_ids bigint[], reason text default null)
returns table (item int, answer text, state text)
language plpgsql security definer set search_path from current as $$
declare
    v_fresh bigint[];
    v_done bigint[];
    v_busy bigint[];
    v_event jsonb;
begin
    perform require_read_committed('dlq_move');
    v_fresh := fresh_jobs(dlq_move.settle_id, dlq_move.job_ids);
    v_done := array(select f.job_id from finals f where f.job_id = any (v_fresh) for update skip locked);
    v_busy := array(select f.job_id from finals f where f.job_id = any (v_fresh) and f.job_id <> all (v_done));
    with gone as (
        delete from finals f where f.job_id = any (v_done) returning *
    ), dead as (
        insert into dlq (job_id, finished_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, reason, kind, args, extra)
        select g.job_id, g.finished_at, g.enqueued_at, g.lane, g.run_lease, g.attempt, g.max_attempts, g.losses, g.state,
               coalesce(dlq_move.reason, g.reason), g.kind, g.args, g.extra from gone g
    )
    select jsonb_build_object(
        'jobs', coalesce(jsonb_agg(jsonb_build_array(g.lane, g.job_id) order by g.job_id), '[]'),
        'dead', coalesce(jsonb_agg(jsonb_build_array(g.lane, g.job_id, g.run_lease, g.attempt, g.losses, null) order by g.job_id), '[]'))
    into v_event from gone g;
    perform log_acts(dlq_move.settle_id, 'dlq_move', 'dead_lettered', v_done, dlq_move.reason);
    return query select * from tell_act('{"a": "dlq_move"}' || v_event, dlq_move.settle_id, dlq_move.job_ids, v_done, 'dead_lettered', v_busy);
end $$;
