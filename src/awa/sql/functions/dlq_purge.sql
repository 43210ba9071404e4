-- dlq_purge: dead letters are deleted for good.
--   spec      Storage!DlqPurge              event    dlq_purge
--   requires  READ COMMITTED; at most 500 distinct ids
--   outcome   a row per job, in their order: 'settled'; 'already' (by this settle id); 'busy'; 'stale' with the
--             state it is in; 'unknown'
--   touches   delete dlq, unique_keys; insert acts (one per job)
--   one step  the rows are locked, those locked by others left alone; then deleted with their unique keys.
create function dlq_purge(settle_id bigint, job_ids bigint[])
returns table (item int, answer text, state text)
language plpgsql security definer set search_path from current as $$
declare
    v_fresh bigint[];
    v_done bigint[];
    v_busy bigint[];
    v_event jsonb;
begin
    perform require_read_committed('dlq_purge');
    v_fresh := fresh_jobs(dlq_purge.settle_id, dlq_purge.job_ids);
    v_done := array(select q.job_id from dlq q where q.job_id = any (v_fresh) for update skip locked);
    v_busy := array(select q.job_id from dlq q where q.job_id = any (v_fresh) and q.job_id <> all (v_done));
    with gone as (
        delete from dlq q where q.job_id = any (v_done) returning *
    )
    select coalesce(jsonb_agg(jsonb_build_array(g.lane, g.job_id) order by g.job_id), '[]') into v_event from gone g;
    perform drop_keys(v_done);
    perform log_acts(dlq_purge.settle_id, 'dlq_purge', 'purged', v_done, null);
    return query select * from tell_act(jsonb_build_object('a', 'dlq_purge', 'jobs', v_event), dlq_purge.settle_id, dlq_purge.job_ids, v_done, 'purged', v_busy);
end $$;
