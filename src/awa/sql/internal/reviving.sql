-- Dead letters that return.

-- Of these dead letters, those whose unique key belongs to another job by now, be it one of these; the others have
-- theirs (again).
create function keys_lost(p_job_ids bigint[]) returns bigint[]
language plpgsql as $$
declare
    v_lost bigint[] := '{}';
    v_given bytea[] := '{}';
    u record;
begin
    for u in
        select q.job_id, read_unique(q.extra -> 'unique', 'raise') as key
        from dlq q where q.job_id = any (p_job_ids) and q.extra ? 'unique' order by 2, 1
    loop
        if (u.key).key = any (v_given) or take_key((u.key).key, u.job_id, (u.key).states, (u.key).until) is not null then
            v_lost := v_lost || u.job_id;
        else
            v_given := v_given || (u.key).key;
        end if;
    end loop;
    return v_lost;
end $$;

-- The lanes they may return to are made where they are missing. Before keys are taken, as enqueue_many does it.
create function make_lanes_for_dead(p_job_ids bigint[], p_queue text, p_priority smallint) returns void
language plpgsql as $$
begin
    perform ensure_shards(coalesce(p_queue, l.queue), coalesce(p_priority, l.priority))
    from (select distinct x.queue, x.priority from dlq q join lanes x on x.lane = q.lane where q.job_id = any (p_job_ids)) l;
end $$;

-- revive: these dead letters become entries, or deferred rows; with no losses and the first attempt of a new life
-- before them. Without a wish they return to the lane they were in.
create function revive(p_job_ids bigint[], p_queue text, p_priority smallint, p_delay_s double precision) returns jsonb
language plpgsql as $$
declare
    v_later boolean := p_delay_s > 0;
    v_run_at timestamptz := clock_timestamp() + make_interval(secs => p_delay_s);
    v_event jsonb;
begin
    if v_later then
        perform begin_defer();
    else
        perform begin_append_all(array(select distinct revived_lane(q, p_queue, p_priority) from dlq q where q.job_id = any (p_job_ids)));
    end if;
    with gone as (
        delete from dlq q where q.job_id = any (p_job_ids) returning q.*, revived_lane(q, p_queue, p_priority) as to_lane
    ), written as (
        insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
        select (select last_value from ring_seq), g.to_lane, nextval(g.seq), g.job_id, g.run_lease + 1, 1, g.max_attempts, 0, g.kind, g.args,
               with_first_lease(g.extra, g.run_lease + 1), g.enqueued_at
        from (select x.*, l.seq from gone x join lanes l on l.lane = x.to_lane where not v_later order by x.to_lane, x.job_id) g
        returning slot, lane, seq, job_id, run_lease
    ), waits as (
        insert into deferred (job_id, run_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, kind, args, extra)
        select g.job_id, v_run_at, g.enqueued_at, g.to_lane, g.run_lease, 1, g.max_attempts, 0, 'scheduled', g.kind, g.args,
               with_first_lease(g.extra, g.run_lease + 1)
        from gone g where v_later
        returning lane, job_id, run_lease
    )
    select jsonb_build_object(
        'jobs', (select coalesce(jsonb_agg(jsonb_build_array(g.lane, g.job_id) order by g.job_id), '[]') from gone g),
        'entries', (select coalesce(jsonb_agg(jsonb_build_array(w.lane, w.slot, w.seq, w.job_id, w.run_lease, 1) order by w.lane, w.seq), '[]') from written w),
        'deferred', (select coalesce(jsonb_agg(jsonb_build_array(w.lane, w.job_id, w.run_lease, 1, 0, null) order by w.job_id), '[]') from waits w),
        'said', (select coalesce(jsonb_agg(jsonb_build_array(g.to_lane, g.job_id, progress_print(g.extra -> 'progress')) order by g.job_id), '[]')
                 from gone g where g.to_lane <> g.lane and g.extra ? 'progress'))
    into v_event;
    if v_later then
        perform tell_timer(v_run_at);
    end if;
    return v_event;
end $$;

create function revived_lane(p_dead dlq, p_queue text, p_priority smallint) returns int
language sql stable as $$
    select case when p_queue is null and p_priority is null then p_dead.lane else (
        select t.lane from lanes l join queue_settings q on q.queue = coalesce(p_queue, l.queue)
        join lanes t on t.queue = q.queue and t.priority = coalesce(p_priority, l.priority)
                    and t.shard = shard_of(p_dead.extra ->> 'ordering_key', p_dead.job_id, q.enqueue_shards)
        where l.lane = p_dead.lane) end
$$;
