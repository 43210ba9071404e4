-- What a claim looks at. All of it runs under the lane's lock, after the live slots are locked.

create type lane_state as (
    lane int, queue text, priority smallint, seq regclass, deadline_s double precision, aging_s double precision,
    no bigint, next bigint,
    holes int8multirange, holes_xid xid8,   -- the old generation, and the xid it waits for
    young int8multirange, young_xid xid8    -- noted since; its xid grows until it becomes the old one
);

-- xmin is that of the very snapshot that looked. `seen` is all it saw, up to the fetch limit; `looked` the
-- numbers it looked for; `withdrawn` what of the seen was withdrawn. The first `n` of the rest in number
-- order are taken, as sets per slot (an empty one where all was withdrawn). `top` is the greatest number
-- taken, or seen at all when there was room for more; null when nothing was seen.
create type picked as (xmin xid8, n int, top bigint, taken int8multirange, seen int8multirange, withdrawn int8multirange,
                       looked int8multirange, slots smallint[], seqs int8multirange[]);

-- states_of: of these lanes whose queue is not paused, the state after the newest claim. `no` comes from the newest row under
-- the lane lock, never from a sequence (those go back after a failover). The floors are read by the
-- same statement as the rows: its snapshot is newer than the locks, so a prune is either refused or seen.
create function states_of(p_lanes int[], p_slots smallint[]) returns lane_state[]
language plpgsql as $$
begin
    return array(
        select row (l.lane, l.queue, l.priority, l.seq, q.deadline_now_s, q.aging_now_s,
                    coalesce(s.no, l.floor_no),
                    case when s.no is null then l.floor_next else s.next end,
                    case when s.no is null then l.floor_holes else s.holes end,
                    case when s.no is null then l.floor_holes_xid else s.holes_xid end,
                    case when s.no is null then l.floor_young else s.young end,
                    case when s.no is null then l.floor_young_xid else s.young_xid end)::lane_state
        from lanes l join queue_settings q on q.queue = l.queue
        left join lateral (
            select c.* from unnest(p_slots) k cross join lateral newest_claim(k, l.lane) c
            where c.no > l.floor_no order by c.no desc limit 1) s on true
        where l.lane = any (p_lanes) and q.paused_at is null);
end $$;

-- For queries of others than claim. Volatile, so that it stays a call, which looks after its arguments took locks.
create function lane_states(p_lanes int[], p_slots smallint[]) returns setof lane_state
language sql volatile as $$ select * from unnest(states_of(p_lanes, p_slots)) $$;

-- pick_run: in ONE statement over the live slots, the first p_limit visible entries numbered from p_from up to (not
-- including) p_below, when they are neighbours in one slot, as they mostly are, or when there are none. Null
-- otherwise: then a statement that sorts them is needed, and looks anew.
create function pick_run(p_lane int, p_from bigint, p_below bigint, p_slots smallint[], p_limit int) returns picked
language plpgsql as $$
declare
    v picked;
begin
    select pg_snapshot_xmin(pg_current_snapshot()), coalesce(sum(h.n), 0)::int, max(h.top), coalesce(range_agg(int8range(h.low, h.top + 1)), '{}'),
           null, '{}', '{(,)}', array_agg(k), array_agg(int8multirange(int8range(h.low, h.top + 1)))
    into v from unnest(p_slots) k cross join lateral ready_head(k, p_lane, p_from, p_below, p_limit) h where h.n > 0;
    if v.n = 0 or cardinality(v.slots) = 1 and v.top - lower(v.taken) + 1 = v.n then
        return v;
    end if;
    return null;
end $$;

-- pick_sorted: the same of any entries, and of those inside p_holes. Ranges of holes are scanned as ranges.
create function pick_sorted(p_lane int, p_from bigint, p_below bigint, p_holes int8multirange,
                     p_slots smallint[], p_fetch int, p_limit int) returns picked
language plpgsql as $$
declare
    v picked;
begin
    with fetched as materialized (
        select k as slot, n as seq
        from unnest(p_slots) k cross join lateral ready_numbers(k, p_lane, p_from, p_below, p_fetch) n
        union all
        select k, n
        from unnest(p_slots) k cross join unnest(p_holes) h
             cross join lateral ready_numbers(k, p_lane, lower(h), least(upper(h), p_below), p_fetch) n
        order by 2 limit p_fetch
    ), taken as materialized (
        select f.slot, f.seq from fetched f order by f.seq limit p_limit
    ), sets as (
        select t.slot, count(*)::int as n, max(t.seq) as top, as_set(array_agg(t.seq order by t.seq)) as seqs from taken t group by t.slot
    )
    select pg_snapshot_xmin(pg_current_snapshot()), coalesce(sum(s.n), 0)::int, max(s.top), coalesce(range_agg(s.seqs), '{}'),
           case when p_fetch > p_limit then (select as_set(array_agg(f.seq order by f.seq)) from fetched f) end, '{}', '{(,)}',
           array_agg(s.slot order by s.slot), array_agg(s.seqs order by s.slot)
    into v from sets s;
    return v;
end $$;

-- pick: what a claim sees, and takes of it. Withdrawals are looked up afterwards, in a snapshot of their own:
-- they need the lane's lock, so there are no new ones.
create function pick(p_lane int, p_from bigint, p_below bigint, p_holes int8multirange,
                     p_slots smallint[], p_fetch int, p_limit int) returns picked
language plpgsql as $$
declare
    v picked;
    v_withdrawn int8multirange;
begin
    if isempty(p_holes) and p_fetch = p_limit then
        v := pick_run(p_lane, p_from, p_below, p_slots, p_limit);
    end if;
    if v.xmin is null then
        v := pick_sorted(p_lane, p_from, p_below, p_holes, p_slots, p_fetch, p_limit);
    end if;
    v.seen := coalesce(v.seen, v.taken);
    if v.n = p_fetch then
        v.looked := numbers_up_to(v.top);
    end if;
    if v.n > 0 then
        select range_agg(w) * v.seen into v_withdrawn
        from unnest(p_slots) k cross join lateral withdrawals(k, p_lane, lower(v.seen), upper(v.seen) - 1) w;
        if not isempty(v_withdrawn) then
            return pick_around(v, v_withdrawn, p_lane, p_slots, p_limit);
        end if;
    end if;
    return v;
end $$;

-- The same pick without what was withdrawn of it: what is left is less, or comes from further on.
create function pick_around(p_picked picked, p_withdrawn int8multirange, p_lane int, p_slots smallint[], p_limit int) returns picked
language plpgsql as $$
declare
    v picked := p_picked;
begin
    v.withdrawn := p_withdrawn;
    with taken as materialized (
        select k as slot, n as seq
        from unnest(p_slots) k cross join unnest(v.seen - p_withdrawn) g
             cross join lateral ready_numbers(k, p_lane, lower(g), upper(g), p_limit) n
        order by 2 limit p_limit
    ), sets as (
        select t.slot, count(*)::int as n, max(t.seq) as top, as_set(array_agg(t.seq order by t.seq)) as seqs from taken t group by t.slot
    )
    select coalesce(sum(s.n), 0)::int, max(s.top), coalesce(range_agg(s.seqs), '{}'), array_agg(s.slot order by s.slot), array_agg(s.seqs order by s.slot)
    into v.n, v.top, v.taken, v.slots, v.seqs from sets s;
    if v.n < p_limit then
        v.top := upper(v.seen) - 1;
    end if;
    if v.n = 0 then
        v.slots := array[(select k from unnest(p_slots) k cross join lateral ready_numbers(k, p_lane, v.top, v.top + 1, 1) limit 1)];
        v.seqs := array['{}'::int8multirange];
    end if;
    return v;
end $$;

create function numbers_up_to(p_top bigint) returns int8multirange
language sql immutable as $$ select int8multirange(int8range(null, p_top + 1)) $$;

-- The set of these numbers (ascending). Neighbours become one range without 500 small ones in between.
create function as_set(p_seqs bigint[]) returns int8multirange
language plpgsql immutable as $$
declare
    n int := coalesce(cardinality(p_seqs), 0);
begin
    if n = 0 then
        return '{}';
    elsif p_seqs[n] - p_seqs[1] + 1 = n then
        return int8multirange(int8range(p_seqs[1], p_seqs[n] + 1));
    end if;
    return (select range_agg(int8range(s, s + 1)) from unnest(p_seqs) s);
end $$;

-- Nobody holds inflight(lane): every transaction that ever drew one of its numbers has ended.
create function quiet(p_lane int) returns boolean
language sql volatile as $$
    select case when pg_try_advisory_lock(lk_inflight(), p_lane)
                then pg_advisory_unlock(lk_inflight(), p_lane)
                else false end
$$;

-- pg_locks shows 32 bits of an xid: of all xids with these, the one nearest to a full one of now.
create function nearest_xid(p_now numeric, p_xid xid) returns numeric
language sql immutable as $$
    select p_now - 2147483648 + mod(p_xid::text::numeric - mod(p_now, 4294967296) + 6442450944, 4294967296)
$$;

-- The least xid among the transactions in flight in this lane, prepared ones included; null if none.
-- Unlike a snapshot's xmin it does not wait for strangers. Sound because a holder has its xid before
-- it draws a number. A holder whose xid does not show has just come, or is being prepared (its locks
-- change hands one by one): it counts as older than all. Exclusive holders are testers, not producers.
create function lane_xmin(p_lane int) returns xid8
language sql volatile as $$
    select min(coalesce(nearest_xid(now_.full_xid, x.transactionid), 0))::text::xid8
    from (select pg_snapshot_xmax(pg_current_snapshot())::text::numeric as full_xid) now_,
         pg_locks i left join pg_locks x on x.virtualtransaction = i.virtualtransaction
                                        and x.locktype = 'transactionid' and x.mode = 'ExclusiveLock' and x.granted
    where i.locktype = 'advisory' and i.classid = lk_inflight()::oid and i.objid = p_lane::oid and i.objsubid = 2
      and i.mode = 'ShareLock' and i.granted
      and i.database = (select d.oid from pg_database d where d.datname = current_database())
$$;
