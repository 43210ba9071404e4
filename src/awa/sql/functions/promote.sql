-- promote: jobs whose time has come become entries.
--   spec      Storage!Promote               event    promote (when there were any)
--   requires  since: jobs due before it were promoted before; the caller looks at all (the default) from time
--             to time, because a row may be committed long after its time. job_ids: these jobs, now
--   outcome   how many, and when the next one is due (in the past when there are more); null for none
--   touches   delete deferred, insert ready (one each per job)
--   one step  the rows are locked first, those locked by others left alone: two leaders share the work. In-flight
--             locks come before any number is drawn. A job returns to its own lane, in the order of its time.
create function promote(max_jobs int default 1000, since timestamptz default '-infinity', job_ids bigint[] default null)
returns table (promoted int, next_at timestamptz)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_now timestamptz := clock_timestamp();
    v_ids bigint[];
    v_count int := 0;
    v_event jsonb;
begin
    perform require_read_committed('promote');
    perform check_count('max_jobs', promote.max_jobs, 10000);
    if promote.job_ids is null then
        v_ids := array(select d.job_id from deferred d where d.run_at >= coalesce(promote.since, '-infinity') and d.run_at <= v_now
                       order by d.run_at, d.job_id limit promote.max_jobs for update skip locked);
    else
        v_ids := array(select d.job_id from deferred d where d.job_id = any (promote.job_ids) limit promote.max_jobs for update skip locked);
    end if;
    if v_ids <> '{}' then
        perform begin_append_all(array(select distinct d.lane from deferred d where d.job_id = any (v_ids)));
        with due as (
            delete from deferred d where d.job_id = any (v_ids) returning *
        ), written as (
            insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
            select (select last_value from ring_seq), d.lane, nextval(d.seq), d.job_id, d.run_lease + 1, d.attempt,
                   d.max_attempts, d.losses, d.kind, d.args, case when d.run_lease = 0 then apart(d.extra) else d.extra end, d.enqueued_at
            from (select u.*, l.seq from due u join lanes l on l.lane = u.lane order by u.lane, u.run_at, u.job_id) d
            returning slot, lane, seq, job_id, run_lease, attempt
        )
        select count(*), case when tracing() then jsonb_agg(jsonb_build_array(w.lane, w.slot, w.seq, w.job_id, w.run_lease, w.attempt)
                                                            order by w.lane, w.seq) end
        into v_count, v_event from written w;
        if tracing() then
            perform emit(jsonb_build_object('a', 'promote', 'entries', v_event));
        end if;
    end if;
    return query select v_count, (select min(d.run_at) from deferred d where d.run_at >= coalesce(promote.since, '-infinity'));
end $$;
