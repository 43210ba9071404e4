-- Views for people and programs. They read the partitioned parents: never used on the hot path.

-- A view's functions run with its reader's rights, and nobody is granted a sequence: without rights of
-- its own this would be null to all but the owner.
create function lane_last_number(lane int) returns bigint
language sql volatile security definer set search_path from current as $$
    select coalesce(pg_sequence_last_value(l.seq), 0) from lanes l where l.lane = lane_last_number.lane
$$;

-- Each lane's state after its newest claim.
create view lane_now as
select l.lane, l.queue, l.priority, l.shard,
       coalesce(s.no, l.floor_no) as no,
       case when s.no is null then l.floor_next else s.next end as next,
       case when s.no is null then l.floor_holes else s.holes end as holes,
       case when s.no is null then l.floor_young else s.young end as young,
       lane_last_number(l.lane) as last_number
from lanes l
left join lateral (
    select c.no, c.next, c.holes, c.young from claims c
    where c.lane = l.lane and c.no > l.floor_no order by c.no desc limit 1) s on true;

-- Each entry with the claim that took it and the closure that ended it, if any.
create view attempts as
select r.job_id, r.run_lease, r.attempt, r.losses, r.kind, l.queue, l.priority, r.lane, r.seq, r.slot,
       c.worker, c.token, c.part, c.claimed_at, c.deadline,
       x.outcome::text as outcome, x.closed_at
from ready r
join lanes l on l.lane = r.lane
join lateral (
    select k.worker, k.token, k.part, k.claimed_at, k.deadline from claims k
    where k.slot = r.slot and k.lane = r.lane and upper(k.seqs) > r.seq and k.seqs @> r.seq
    order by upper(k.seqs) limit 1) c on true
left join lateral (
    select k.outcome, k.closed_at from closures k
    where k.slot = r.slot and k.token = c.token and k.part = c.part and k.seqs @> r.seq limit 1) x on true;

-- A job is in exactly one of: the ring (its newest entry), deferred, final. Dead letters are elsewhere. What has
-- completed shows no progress: it is the last that somebody wrote down, and seldom the last that was said.
create view jobs as
select r.job_id as id, r.kind, l.queue, l.priority,
       case when x.outcome = 'completed' then 'completed' when c.token is not null then 'running' else 'available' end as state,
       r.attempt, r.max_attempts, r.run_lease, r.losses, r.args,
       case when x.outcome = 'completed' then r.extra - 'progress' when e.progress is null then r.extra
            else r.extra || jsonb_build_object('progress', e.progress) end as extra, r.enqueued_at,
       null::timestamptz as run_at, c.claimed_at, x.closed_at as finished_at, c.worker, o.result, null::text as reason
from ready r
join lanes l on l.lane = r.lane
left join lateral (
    select k.worker, k.token, k.part, k.claimed_at from claims k
    where k.slot = r.slot and k.lane = r.lane and upper(k.seqs) > r.seq and k.seqs @> r.seq
    order by upper(k.seqs) limit 1) c on true
left join lateral (
    select k.outcome, k.closed_at from closures k
    where k.slot = r.slot and k.token = c.token and k.part = c.part and k.seqs @> r.seq limit 1) x on true
left join lateral (
    select true as is_so from closures k
    where c.token is null and k.slot = r.slot and k.token is null and k.lane = r.lane
      and upper(k.seqs) > r.seq and upper(k.seqs) <= r.seq + 1001 and k.seqs @> r.seq limit 1) w on true
left join results o on o.slot = r.slot and o.lane = r.lane and o.seq = r.seq
left join leases e on e.slot = r.slot and e.lane = r.lane and e.seq = r.seq
where (x.outcome is null or x.outcome = 'completed') and w.is_so is null
union all
select d.job_id, d.kind, l.queue, l.priority, d.state, d.attempt, d.max_attempts, d.run_lease, d.losses, d.args, d.extra,
       d.enqueued_at, d.run_at, null, null, null, null, null
from deferred d join lanes l on l.lane = d.lane
union all
select f.job_id, f.kind, l.queue, l.priority, f.state, f.attempt, f.max_attempts, f.run_lease, f.losses, f.args, f.extra,
       f.enqueued_at, null, null, f.finished_at, null, null, f.reason
from finals f join lanes l on l.lane = f.lane;

-- Failed jobs that wait for an operator. They are in no other view of jobs.
create view dead_letters as
select d.job_id as id, d.kind, l.queue, l.priority, d.attempt, d.max_attempts, d.run_lease, d.losses, d.args, d.extra,
       d.enqueued_at, d.finished_at, d.dead_at, d.reason
from dlq d join lanes l on l.lane = d.lane;

create function numbers_in(p_seqs int8multirange) returns bigint
language sql immutable as $$ select coalesce(sum(upper(g) - lower(g)), 0)::bigint from unnest(p_seqs) g $$;

-- Open and completed attempts of each lane: what is closed was claimed, and nothing is closed twice, so two sums
-- say it. They read every claim and closure of the ring; most hold one range, which needs no unnest.
create function lane_counts() returns table (lane int, running bigint, completed bigint)
language sql stable security definer set search_path from current set jit = off as $$
    with claimed as (
        select c.lane, sum(case when c.seqs = int8multirange(int8range(lower(c.seqs), upper(c.seqs))) then upper(c.seqs) - lower(c.seqs)
                                else numbers_in(c.seqs) end) as numbers
        from claims c group by c.lane
    ), closed as (
        select x.lane, x.outcome = 'completed' as is_completed,
               sum(case when x.seqs = int8multirange(int8range(lower(x.seqs), upper(x.seqs))) then upper(x.seqs) - lower(x.seqs)
                        else numbers_in(x.seqs) end) as numbers
        from closures x where x.token is not null group by 1, 2
    )
    select c.lane, (c.numbers - coalesce(sum(x.numbers), 0))::bigint,
           coalesce(sum(x.numbers) filter (where x.is_completed), 0)::bigint
    from claimed c left join closed x on x.lane = c.lane group by c.lane, c.numbers
$$;

-- The numbers of a lane that wait to be claimed: those from the cursor on, and these holes, less the withdrawn.
create function pending_numbers(p_lane int, p_next bigint, p_last bigint, p_holes int8multirange) returns int8multirange
language sql stable as $$
    select p_holes + int8multirange(int8range(p_next, greatest(p_next, p_last + 1)))
           - coalesce((select range_agg(x.seqs) from closures x where x.token is null and x.lane = p_lane
                       and upper(x.seqs) > least(p_next, lower(p_holes))), '{}')
$$;

-- available: numbers drawn, not withdrawn, and not yet passed by the cursor; producers in flight are counted in
-- it, rolled-back numbers too until a claim passes them. Exact when nobody is enqueuing. A function, because
-- where jit is on, compiling what the planner expects of partitions takes seconds.
create function queue_counts() returns table (queue text, available bigint, running bigint, completed bigint, deferred bigint, final bigint, dead bigint)
language sql stable security definer set search_path from current set jit = off as $$
    with kept as (
        select k.lane, count(*) filter (where k.what = 1) as deferred, count(*) filter (where k.what = 2) as final,
               count(*) filter (where k.what = 3) as dead
        from (select d.lane, 1 as what from deferred d union all select f.lane, 2 from finals f union all select q.lane, 3 from dlq q) k
        group by k.lane
    )
    select n.queue, sum(numbers_in(pending_numbers(n.lane, n.next, n.last_number, '{}')))::bigint, coalesce(sum(c.running), 0)::bigint,
           coalesce(sum(c.completed), 0)::bigint, coalesce(sum(k.deferred), 0)::bigint, coalesce(sum(k.final), 0)::bigint,
           coalesce(sum(k.dead), 0)::bigint
    from lane_now n left join lane_counts() c on c.lane = n.lane left join kept k on k.lane = n.lane
    group by n.queue
$$;

create view queues as
select q.queue, q.deadline_s, q.aging_s,
       coalesce(n.available, 0) as available, coalesce(n.running, 0) as running, coalesce(n.completed, 0) as completed,
       coalesce(n.deferred, 0) as deferred, coalesce(n.final, 0) as final, coalesce(n.dead, 0) as dead,
       q.enqueue_shards, coalesce(q.dead_letters, m.dead_letters) as dead_letters, q.paused_at, q.paused_by,
       coalesce(u.kinds, '{}') as unknown_kinds,
       q.overrides, q.overridden_at, q.overridden_by
from queue_settings q cross join meta m left join queue_counts() n on n.queue = q.queue
left join (select k.queue, array_agg(k.kind order by k.kind) as kinds from unknown_kinds() k group by k.queue) u on u.queue = q.queue;
