-- What a claim looks at. All of it runs under the lane's lock, after the live slots are locked.

create type lane_state as (
    lane int, queue text, priority smallint, seq regclass, deadline_s double precision, aging_s double precision,
    no bigint, next bigint,
    holes int8multirange, holes_xid xid8,   -- the old generation, and the xid it waits for
    young int8multirange, young_xid xid8    -- noted since; its xid grows until it becomes the old one
);

-- xmin is that of the very snapshot that looked. `seen` is all it saw (up to the fetch limit), the
-- first `n` of it in number order are taken, as sets per slot; `top` is the greatest taken.
create type picked as (xmin xid8, n int, top bigint, taken int8multirange, seen int8multirange,
                       slots smallint[], seqs int8multirange[]);

-- lane_states: of these lanes, the state after the newest claim. `no` comes from the newest row under
-- the lane lock, never from a sequence (those go back after a failover). The floors are read by the
-- same statement as the rows: its snapshot is newer than the locks, so a prune is either refused or seen.
create function lane_states(p_lanes int[], p_slots smallint[]) returns setof lane_state
language plpgsql as $$
begin
    return query execute format($q$
        select l.lane, l.queue, l.priority, l.seq, q.deadline_s, q.aging_s,
               coalesce(s.no, l.floor_no),
               case when s.no is null then l.floor_next else s.next end,
               case when s.no is null then l.floor_holes else s.holes end,
               case when s.no is null then l.floor_holes_xid else s.holes_xid end,
               case when s.no is null then l.floor_young else s.young end,
               case when s.no is null then l.floor_young_xid else s.young_xid end
        from lanes l join queue_settings q on q.queue_id = l.queue_id
        left join lateral (select * from (%s) c where c.no > l.floor_no order by c.no desc limit 1) s on true
        where l.lane = any ($1)
        $q$,
        (select string_agg(format('(select no, next, holes, holes_xid, young, young_xid from claims_%s c '
                                  'where c.lane = l.lane and c.no is not null order by c.no desc limit 1)', k),
                           ' union all ') from unnest(p_slots) k))
    using p_lanes;
end $$;

-- pick: in ONE statement over the live slots, the visible entries numbered from p_from up to (not
-- including) p_below, and those inside p_holes. Ranges of holes are scanned as ranges.
create function pick(p_lane int, p_from bigint, p_below bigint, p_holes int8multirange,
                     p_slots smallint[], p_fetch int, p_limit int) returns picked
language plpgsql as $$
declare
    v picked;
    v_branches text;
begin
    select string_agg(
        format('(select %1$s::smallint as slot, seq from ready_%1$s where lane = $1 and seq >= $2 and seq < $3 order by seq limit $5)', k)
        || case when isempty(p_holes) then '' else format(
        ' union all (select %1$s::smallint, r.seq from unnest($4) h cross join lateral (select seq from ready_%1$s '
        'where lane = $1 and seq >= lower(h) and seq < upper(h) and seq < $3) r order by r.seq limit $5)', k) end,
        ' union all ')
    into v_branches from unnest(p_slots) k;
    execute format($q$
        with fetched as materialized (select slot, seq from (%s) f order by seq limit $5),
        taken as materialized (select slot, seq from fetched order by seq limit $6),
        sets as (select slot, as_set(array_agg(seq order by seq)) as seqs from taken group by slot)
        select pg_snapshot_xmin(pg_current_snapshot()),
               (select count(*)::int from taken), (select max(seq) from taken),
               coalesce((select range_agg(s.seqs) from sets s), '{}'),
               case when $5 = $6 then null else as_set((select array_agg(seq order by seq) from fetched)) end,
               (select array_agg(s.slot order by s.slot) from sets s),
               (select array_agg(s.seqs order by s.slot) from sets s)
        $q$, v_branches)
    into v using p_lane, p_from, p_below, p_holes, p_fetch, p_limit;
    v.seen := coalesce(v.seen, v.taken);
    return v;
end $$;

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

-- The least xid among the transactions in flight in this lane, prepared ones included; null if none.
-- Unlike a snapshot's xmin it does not wait for strangers. Sound because a holder has its xid before
-- it draws a number. pg_locks shows 32 bits: the rest is that of the nearest full xid.
create function lane_xmin(p_lane int) returns xid8
language sql volatile as $$
    select (min(now_.full_xid + mod(x.transactionid::text::numeric - now_.full_xid + 6442450944, 4294967296) - 2147483648)
           )::text::xid8
    from (select pg_snapshot_xmax(pg_current_snapshot())::text::numeric as full_xid) now_,
         pg_locks i join pg_locks x on x.virtualtransaction = i.virtualtransaction
    where i.locktype = 'advisory' and i.classid = lk_inflight()::oid and i.objid = p_lane::oid and i.objsubid = 2
      and i.database = (select d.oid from pg_database d where d.datname = current_database())
      and x.locktype = 'transactionid' and x.mode = 'ExclusiveLock' and x.granted
$$;
