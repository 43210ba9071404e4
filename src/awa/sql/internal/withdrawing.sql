-- Taking jobs back before anybody runs them.

create type withdrawn_job as (job_id bigint, lane int, slot smallint, seq bigint);    -- slot and seq null: it was deferred

create type withdrawal as (done withdrawn_job[], busy bigint[]);

-- withdraw: these jobs' pending entries and deferred rows end as cancelled. The lanes' claim locks come first
-- (with p_wait by waiting, for a short transaction of its own), so that a look at what is pending stays true;
-- what is locked by others is busy.
create function withdraw(p_job_ids bigint[], p_settle_id bigint, p_reason text, p_wait boolean) returns withdrawal
language plpgsql as $$
declare
    v withdrawal;
    v_lanes int[];
    v_entries withdrawn_job[];
    v_deferred bigint[];
begin
    -- Whoever waits takes the lanes of jobs that are promoted or given back meanwhile too: a job keeps its lane, so
    -- none has to be taken later, out of order.
    v_lanes := array(select distinct p.lane from job_places(p_job_ids) p
                     where p.state = 'available' or p_wait and p.state in ('scheduled', 'retryable', 'running') order by 1);
    if p_wait then
        perform pg_advisory_xact_lock(lk_lane(), l) from (select u from unnest(v_lanes) u order by u offset 0) s (l);
    else
        v_lanes := array(select l from (select u from unnest(v_lanes) u order by u offset 0) s (l) where pg_try_advisory_xact_lock(lk_lane(), l));
    end if;
    if p_wait then
        v_deferred := array(select d.job_id from deferred d where d.job_id = any (p_job_ids) order by 1 for update);
    else
        v_deferred := array(select d.job_id from deferred d where d.job_id = any (p_job_ids) for update skip locked);
    end if;
    select array_agg(row (p.job_id, p.lane, p.slot, p.seq)::withdrawn_job) filter (where p.lane = any (v_lanes)),
           array_agg(p.job_id) filter (where p.lane <> all (v_lanes))
    into v_entries, v.busy
    from job_places(p_job_ids) p where p.state = 'available';
    v_entries := coalesce(v_entries, '{}');
    v.busy := coalesce(v.busy, '{}') || array(select d.job_id from deferred d where d.job_id = any (p_job_ids) and d.job_id <> all (v_deferred));
    perform end_entries(v_entries, p_settle_id, p_reason);
    v.done := v_entries || end_deferred(v_deferred, p_reason);
    return v;
end $$;

-- A withdrawal's row names numbers of one block of 1000 only: a claim then looks no further than that.
create function end_entries(p_entries withdrawn_job[], p_settle_id bigint, p_reason text) returns void
language plpgsql as $$
declare
    v_slot smallint;
begin
    for v_slot in select distinct e.slot from unnest(p_entries) e order by 1 loop
        execute format($q$
            with mine as materialized (select * from unnest($1) e where e.slot = %1$s), closed as (
                insert into closures_%1$s (token, settle_id, closed_at, outcome, lane, slot, part, seqs)
                select null, $2, clock_timestamp(), 'withdrawn', m.lane, %1$s, null, range_agg(int8range(m.seq, m.seq + 1))
                from mine m group by m.lane, m.seq / 1000
            )
            insert into finals (job_id, finished_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, reason, kind, args, extra)
            select r.job_id, clock_timestamp(), r.enqueued_at, r.lane, r.run_lease, r.attempt, r.max_attempts, r.losses, 'cancelled',
                   coalesce($3, ''), r.kind, r.args, r.extra
            from mine m cross join lateral (select * from ready_%1$s e where e.lane = m.lane and e.seq = m.seq offset 0) r
            $q$, v_slot)
        using p_entries, p_settle_id, p_reason;
    end loop;
end $$;

create function end_deferred(p_job_ids bigint[], p_reason text) returns withdrawn_job[]
language plpgsql as $$
declare
    v withdrawn_job[];
begin
    with gone as (
        delete from deferred d where d.job_id = any (p_job_ids) returning *
    ), ended as (
        insert into finals (job_id, finished_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, reason, kind, args, extra)
        select g.job_id, clock_timestamp(), g.enqueued_at, g.lane, g.run_lease, g.attempt, g.max_attempts, g.losses, 'cancelled',
               coalesce(p_reason, ''), g.kind, g.args, g.extra
        from gone g
    )
    select coalesce(array_agg(row (g.job_id, g.lane, null, null)::withdrawn_job), '{}') into v from gone g;
    return v;
end $$;

-- The event's lists of a withdrawal.
create function withdrawn_lists(p_done withdrawn_job[]) returns jsonb
language sql volatile as $$
    select jsonb_build_object(
        'withdrawn', coalesce(jsonb_agg(jsonb_build_array(d.lane, d.slot, d.seq, d.job_id) order by d.lane, d.seq) filter (where d.seq is not null), '[]'),
        'undeferred', coalesce(jsonb_agg(jsonb_build_array(d.lane, d.job_id) order by d.job_id) filter (where d.seq is null), '[]'),
        'finals', coalesce(jsonb_agg(jsonb_build_array(d.lane, d.job_id, f.run_lease, f.attempt, f.losses, d.seq, f.state) order by d.job_id), '[]'))
    from unnest(p_done) d join finals f on f.job_id = d.job_id
$$;
