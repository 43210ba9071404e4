-- retire: what was kept long enough is deleted: ended jobs, dead letters, operators' acts, past unique keys.
--   spec      Storage!Retire                event    retire (when a job was)
--   requires  READ COMMITTED; keep_s and dlq_keep_s: for how many seconds ended jobs and dead letters stay
--   outcome   how many of each; max_jobs means that there may be more
--   touches   delete finals, dlq, unique_keys, acts (older than seven days)
--   one step  rows locked by others are left for the next time; a job goes together with its unique key.
create function retire(max_jobs int default 1000, keep_s double precision default 259200, dlq_keep_s double precision default 2592000)
returns table (finals int, dead_letters int)
language plpgsql security definer set search_path from current as $$
declare
    v_finals bigint[];
    v_dead bigint[];
    v_event jsonb;
begin
    perform require_read_committed('retire');
    perform check_count('max_jobs', retire.max_jobs, 10000);
    perform check_seconds('keep_s', array[retire.keep_s]);
    perform check_seconds('dlq_keep_s', array[retire.dlq_keep_s]);
    v_finals := array(select f.job_id from finals f where f.finished_at < clock_timestamp() - make_interval(secs => retire.keep_s)
                      order by f.finished_at limit retire.max_jobs for update skip locked);
    v_dead := array(select q.job_id from dlq q where q.dead_at < clock_timestamp() - make_interval(secs => retire.dlq_keep_s)
                    order by q.dead_at limit retire.max_jobs for update skip locked);
    with f as (delete from finals where job_id = any (v_finals) returning lane, job_id),
         d as (delete from dlq where job_id = any (v_dead) returning lane, job_id)
    select jsonb_build_object(
        'finals', (select coalesce(jsonb_agg(jsonb_build_array(f.lane, f.job_id) order by f.job_id), '[]') from f),
        'dead', (select coalesce(jsonb_agg(jsonb_build_array(d.lane, d.job_id) order by d.job_id), '[]') from d))
    into v_event;
    perform drop_keys(v_finals || v_dead);
    perform sweep_keys(100);
    delete from acts a where a.at < clock_timestamp() - interval '7 days';
    if tracing() and v_finals || v_dead <> '{}' then
        perform emit(jsonb_build_object('a', 'retire') || v_event);
    end if;
    return query select cardinality(v_finals), cardinality(v_dead);
end $$;
