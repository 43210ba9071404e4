-- The parts of evacuate: which entries of a slot live, whose locks they need, and their move.

create type open_part as (token bigint, part smallint, lane int, seqs int8multirange);

-- Of these live entries, those that a claims row of the slot took: they are open.
create function open_parts(p_slot smallint, p_live lane_numbers[]) returns setof open_part
language plpgsql as $$
begin
    return query execute format($q$
        select c.token, c.part, c.lane, c.seqs * v.seqs
        from unnest($1) v
        cross join lateral (select k.token, k.part, k.lane, k.seqs from claims_%1$s k
                            where k.lane = v.lane and upper(k.seqs) > lower(v.seqs) and k.seqs && v.seqs offset 0) c
        $q$, p_slot)
    using p_live;
end $$;

-- What is live and in no claim, by lane: pending.
create function pending_of(p_live lane_numbers[], p_open open_part[]) returns setof lane_numbers
language sql immutable as $$
    select u.lane, range_agg(u.seqs) filter (where u.live) - coalesce(range_agg(u.seqs) filter (where not u.live), '{}')
    from (select v.lane, v.seqs, true as live from unnest(p_live) v
          union all select o.lane, o.seqs, false from unnest(p_open) o) u
    group by u.lane
    having not range_agg(u.seqs) filter (where u.live) <@ coalesce(range_agg(u.seqs) filter (where not u.live), '{}')
$$;

-- The claims and lanes whose locks we got, at most 500 of each: who settles or rescues an open entry holds its
-- claim's lock, who claims or withdraws a pending one its lane's. By try, so nobody waits for anybody.
create type evacuation_locks as (tokens bigint[], lanes int[]);

create function lock_evacuated(p_live lane_numbers[], p_open open_part[]) returns evacuation_locks
language sql volatile as $$
    select (select coalesce(array_agg(t.token), '{}')
            from (select distinct o.token, hashint8(o.token) as key from unnest(p_open) o order by 2, 1 limit 500) t
            where pg_try_advisory_xact_lock(lk_claim(), t.key)),
           (select coalesce(array_agg(l.lane), '{}')
            from (select q.lane from pending_of(p_live, p_open) q order by 1 limit 500) l
            where pg_try_advisory_xact_lock(lk_lane(), l.lane))
$$;

-- move_entries: the rows change their slot and nothing else; an open part gets a claims row of its own there,
-- without a lane's state, and the old one keeps its state and what is closed. One slot has a (token, part) at
-- most once: all that is open of it moves at a time, and a slot becomes the target only after a prune.
create function move_entries(p_slot smallint, p_to smallint, p_moved lane_numbers[], p_open open_part[]) returns void
language plpgsql as $$
declare
    t text;
begin
    foreach t in array array['ready', 'leases'] loop
        execute format('update %1$s r set slot = %3$s from (select v.lane, unnest(v.seqs) as g from unnest($1) v offset 0) m '
                       'where r.slot = %2$s and r.lane = m.lane and r.seq >= lower(m.g) and r.seq < upper(m.g)', t, p_slot, p_to)
        using p_moved;
    end loop;
    execute format($q$
        insert into claims (token, worker, call, claimed_at, deadline, no, next, holes_xid, young_xid, lane, slot, part, seqs, holes, young)
        select c.token, c.worker, c.call, c.claimed_at, c.deadline, null, c.next, null, null, c.lane, %2$s, c.part, o.seqs, '{}', '{}'
        from unnest($1) o cross join lateral (select * from claims_%1$s k where k.token = o.token and k.part = o.part offset 0) c
        $q$, p_slot, p_to)
    using p_open;
    execute format('update claims_%1$s c set seqs = c.seqs - o.seqs from unnest($1) o where c.token = o.token and c.part = o.part', p_slot)
    using p_open;
end $$;

create type evacuation as (answer text, moved lane_numbers[], open open_part[]);

-- carry_forward: locked first, then looked at again, then moved.
create function carry_forward(p_slot smallint, p_to smallint, p_max int) returns evacuation
language plpgsql as $$
declare
    v_live lane_numbers[] := array(select l from live_rows(p_slot, p_max + 1, p_max + 1) l);
    v_locks evacuation_locks;
    v_open open_part[];
    v evacuation;
begin
    if count_numbers(v_live) > p_max then
        return row ('large', '{}', '{}')::evacuation;
    end if;
    v_open := array(select o from open_parts(p_slot, v_live) o);
    v_locks := lock_evacuated(v_live, v_open);
    v_live := array(select l from live_rows(p_slot, p_max + 1, p_max + 1) l);
    v_open := array(select o from open_parts(p_slot, v_live) o);
    v.open := array(select o from unnest(v_open) o where o.token = any (v_locks.tokens));
    v.moved := array(
        select row (m.lane, range_agg(m.seqs))::lane_numbers
        from (select o.lane, o.seqs from unnest(v.open) o
              union all select q.lane, q.seqs from pending_of(v_live, v_open) q where q.lane = any (v_locks.lanes)) m
        group by m.lane);
    perform move_entries(p_slot, p_to, v.moved, v.open);
    v.answer := case when count_numbers(v.moved) < count_numbers(v_live) then 'busy' else 'moved' end;
    return v;
end $$;

create function count_numbers(p_sets lane_numbers[]) returns int
language sql immutable as $$ select coalesce(sum(upper(g) - lower(g)), 0)::int from unnest(p_sets) s, unnest(s.seqs) g $$;

create function evacuate_event(p_slot smallint, p_to smallint, p_evacuation evacuation) returns jsonb
language sql immutable as $$
    select jsonb_build_object('a', 'evacuate', 'from', p_slot, 'slot', p_to,
        'moved', (select jsonb_agg(jsonb_build_array(m.lane, n) order by m.lane, n)
                  from unnest(p_evacuation.moved) m, unnest(m.seqs) g, generate_series(lower(g), upper(g) - 1) n),
        'rows', coalesce((select jsonb_agg(jsonb_build_array(o.lane, o.token, o.part, o.seqs::text) order by o.token, o.part)
                          from unnest(p_evacuation.open) o), '[]'))
$$;
