-- The parts of prune: who is in the way, the proof that a slot is finished, what outlives it. Prune has a
-- lock_timeout of 30 ms; its answer for whoever is slower is in prune itself.

-- rows_outside: numbers of a lane's rows in a slot that p_known does not name, up to p_limit of them. It reads
-- the gaps between what is known, so what is known costs nothing.
create function rows_outside(p_slot smallint, p_lane int, p_known int8multirange, p_limit int) returns setof bigint
language sql stable as $$
    select n from unnest('{(,)}'::int8multirange - p_known) g
    cross join lateral ready_numbers(p_slot, p_lane, coalesce(lower(g), 0), coalesce(upper(g), 9223372036854775807), p_limit) n
    limit p_limit
$$;

create type lane_numbers as (lane int, seqs int8multirange);

-- live_rows: of the lanes in a slot, numbers of rows that no closure of the slot names: they are pending, or
-- open. Up to p_each of a lane, and p_all in all. Lanes are found by hopping along the index.
create function live_rows(p_slot smallint, p_each int, p_all int) returns setof lane_numbers
language plpgsql as $$
begin
    return query execute format($q$
        with recursive hop as (
            (select r.lane from ready_%1$s r order by r.lane limit 1)
            union all
            select (select r.lane from ready_%1$s r where r.lane > h.lane order by r.lane limit 1) from hop h where h.lane is not null
        ), known as (
            select u.lane, range_agg(u.seqs) as seqs from (
                select h.lane, '{}'::int8multirange as seqs from hop h where h.lane is not null
                union all select x.lane, x.seqs from closures_%1$s x) u
            group by u.lane
        )
        select n.lane, as_set(array_agg(n.seq order by n.seq)) from (
            select k.lane, r.seq from known k cross join lateral rows_outside(%1$s::smallint, k.lane, k.seqs, $1) r (seq) limit $2) n
        group by n.lane
        $q$, p_slot)
    using p_each, p_all;
end $$;

-- Transactions of others that hold a lock on a slot's tables, prepared ones included.
create function holders_of(p_slot smallint) returns text[]
language sql volatile as $$
    select coalesce(array_agg(distinct h.virtualtransaction), '{}')
    from pg_locks h
    where h.locktype = 'relation' and h.granted and h.relation = any (slot_tables(p_slot)::oid[])
      and h.database = (select d.oid from pg_database d where d.datname = current_database())
      and h.pid is distinct from pg_backend_pid()
$$;

-- has_old_holder: a dump, a vacuum, a forgotten reader. Whoever waits for an exclusive lock makes all others
-- wait behind it, so we do not begin while one is there. Two looks, because nobody shows since when.
create function has_old_holder(p_slot smallint) returns boolean
language plpgsql as $$
declare
    v_first text[] := holders_of(p_slot);
begin
    if v_first = '{}' then
        return false;
    end if;
    perform pg_sleep(0.05);
    return holders_of(p_slot) && v_first;
end $$;

-- Some attempt of the slot ended after p_instant. Withdrawn entries are no history: what was withdrawn is
-- kept elsewhere. The last page of the file says nearly always, and without reading the others.
create function ended_after(p_slot smallint, p_instant timestamptz) returns boolean
language plpgsql as $$
declare
    v_young boolean;
    v_pages bigint := pg_relation_size(format('closures_%s', p_slot)::regclass, 'main') / current_setting('block_size')::int;
    v_look constant text := 'select exists (select from closures_%s x where x.token is not null and x.closed_at > $1 and x.ctid >= $2)';
begin
    execute format(v_look, p_slot) into v_young using p_instant, format('(%s,0)', greatest(v_pages - 1, 0))::tid;
    if not v_young then
        execute format(v_look, p_slot) into v_young using p_instant, '(0,0)'::tid;
    end if;
    return v_young;
end $$;

-- stragglers: rows below their lane's cursor, in no hole, that no claim and no closure of the slot knows:
-- nobody would ever claim them. The states are read before the claims: a claim that commits in between
-- leaves its rows at or above the cursor we know. Some at a time, the rest at the next call.
create function stragglers(p_slot smallint, p_lanes int[]) returns table (lane int, seqs int8multirange)
language plpgsql as $$
declare
    v_states lane_state[] := array(select s from lane_states(p_lanes, lock_live_slots()) s);
begin
    return query execute format($q$
        with known as (
            select u.lane, range_agg(u.seqs) as seqs, bool_or(u.asked) as asked from (
                select s.lane, s.holes + s.young + int8multirange(int8range(s.next, null)) as seqs, true as asked from unnest($1) s
                union all select x.lane, x.seqs, false from closures_%1$s x
                union all select c.lane, c.seqs, false from claims_%1$s c) u
            group by u.lane
        )
        select k.lane, as_set(array_agg(r.seq order by r.seq))
        from known k cross join lateral rows_outside(%1$s::smallint, k.lane, k.seqs, 1000) r (seq)
        where k.asked group by k.lane
        $q$, p_slot)
    using v_states;
end $$;

-- drawable: of these lanes, those whose lock we got and whose sequence is not behind the cursor, where a number
-- drawn now would be passed over like the old one. A sequence that is behind is moved, if nobody draws from it.
create function drawable(p_lanes int[]) returns int[]
language plpgsql as $$
declare
    v_lanes int[] := array(select l from unnest(p_lanes) l where pg_try_advisory_xact_lock(lk_lane(), l));
    v_states lane_state[] := array(select s from lane_states(v_lanes, lock_live_slots()) s);
begin
    perform repair_sequences(v_states);
    return array(select s.lane from unnest(v_states) s where coalesce(pg_sequence_last_value(s.seq), 0) >= s.next - 1);
end $$;

-- reappend: stragglers of these lanes come again under new numbers, and their old rows are withdrawn, in one
-- transaction. Under the lane's lock, so that no claim and no withdrawal is on its way. The answer:
-- [lane, slot, seq, job, run_lease, attempt, from] of each.
create function reappend(p_slot smallint, p_lanes int[]) returns jsonb
language plpgsql as $$
declare
    v_lanes int[] := drawable(p_lanes);
    v_found lane_numbers[];
    v_entries jsonb;
begin
    perform begin_append_all(v_lanes);
    v_found := array(select row (s.lane, s.seqs)::lane_numbers from stragglers(p_slot, v_lanes) s);
    execute format($q$
        with old as materialized (
            select r.*, nextval(r.lane_seq) as number from (
                select e.*, l.seq as lane_seq
                from (select f.lane, unnest(f.seqs) as g from unnest($1) f offset 0) f
                join lanes l on l.lane = f.lane
                cross join lateral (select * from ready_%1$s x where x.lane = f.lane and x.seq >= lower(f.g) and x.seq < upper(f.g) offset 0) e
                order by e.lane, e.seq) r
        ), withdrawn as (
            insert into closures (token, settle_id, closed_at, outcome, lane, slot, part, seqs)
            select null, 0, clock_timestamp(), 'withdrawn', o.lane, %1$s, null, range_agg(int8range(o.seq, o.seq + 1))
            from old o group by o.lane, o.seq / 1000
        ), written as (
            insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
            select current_slot(), o.lane, o.number, o.job_id, o.run_lease + 1, o.attempt, o.max_attempts, o.losses,
                   o.kind, o.args, case when o.run_lease = first_lease(o.extra) then with_first_lease(o.extra, o.run_lease + 1) else o.extra end, o.enqueued_at
            from old o
            returning slot, lane, seq
        )
        select coalesce(jsonb_agg(jsonb_build_array(w.lane, w.slot, w.seq, o.job_id, o.run_lease + 1, o.attempt, o.seq) order by w.lane, w.seq), '[]')
        from written w join old o on o.lane = w.lane and o.number = w.seq
        $q$, p_slot)
    into v_entries using v_found;
    if v_entries <> '[]' then
        raise warning 'awa: % entries in slot % were below their cursor and known to nobody; they were enqueued again', jsonb_array_length(v_entries), p_slot
            using detail = v_entries::text;
    end if;
    return v_entries;
end $$;

create type proof as (finished boolean, reappended jsonb);

-- prove_finished: every row of the slot is closed or withdrawn, and its history is old enough. From SHARE on,
-- no row can appear any more (a late producer waits, claims do not), and closures only grow: what is proven
-- stays true. Nothing outside the slot is evidence, so a wrong cursor cannot make it look finished.
create function prove_finished(p_slot smallint, p_keep_s double precision) returns proof
language plpgsql as $$
declare
    v proof := row (false, '[]');
    v_lanes int[];
    v_lost int[];
begin
    execute format('lock table ready_%s in share mode', p_slot);
    if ended_after(p_slot, clock_timestamp() - make_interval(secs => p_keep_s)) then
        return v;
    end if;
    v_lanes := array(select l.lane from live_rows(p_slot, 1, 100000) l);
    if cardinality(v_lanes) > 0 then
        v_lost := array(select s.lane from stragglers(p_slot, v_lanes) s);
        if cardinality(v_lost) > 0 then
            v.reappended := reappend(p_slot, v_lost);
        end if;
    end if;
    v.finished := cardinality(v_lanes) = 0
        or v.reappended <> '[]' and not exists (select from live_rows(p_slot, 1, 1));
    return v;
end $$;

-- The lanes' newest states in the slot go into their floors; the greater `no` stands. The answer, for the
-- event: [lane, no, next, holes] of those that moved.
create function move_floors(p_slot smallint) returns jsonb
language plpgsql as $$
declare
    v_floors jsonb;
begin
    execute format($q$
        with newest as (
            select c.* from (select k.lane, max(k.no) as no from claims_%1$s k where k.no is not null group by k.lane) m
            cross join lateral (select * from claims_%1$s k where k.lane = m.lane and k.no = m.no limit 1) c
        ), moved as (
            update lanes l set floor_no = n.no, floor_next = n.next, floor_holes = n.holes, floor_holes_xid = n.holes_xid,
                               floor_young = n.young, floor_young_xid = n.young_xid
            from newest n where n.lane = l.lane and n.no > l.floor_no
            returning l.lane, l.floor_no, l.floor_next, (l.floor_holes + l.floor_young)::text as holes
        )
        select coalesce(jsonb_agg(jsonb_build_array(m.lane, m.floor_no, m.floor_next, m.holes) order by m.lane), '[]') from moved m
        $q$, p_slot)
    into v_floors;
    return v_floors;
end $$;

-- Whoever looks for what came after an older entry must know that it may be gone. The floor says it of rows that were
-- claimed here; those that were carried here left their lane's state behind, where it may still be.
create function note_emptied(p_slot smallint) returns void
language plpgsql as $$
begin
    execute format($q$
        with recursive hop as (
            (select r.lane from ready_%1$s r order by r.lane limit 1)
            union all
            select (select r.lane from ready_%1$s r where r.lane > h.lane order by r.lane limit 1) from hop h where h.lane is not null
        ), top as (
            select h.lane, (select r.seq from ready_%1$s r where r.lane = h.lane order by r.seq desc limit 1) as seq from hop h where h.lane is not null
        )
        update lanes l set emptied_to = t.seq from top t
        where l.lane = t.lane and t.seq >= l.floor_next and t.seq > l.emptied_to
        $q$, p_slot);
end $$;

-- The jobs that completed here are forgotten, and with them the keys they held, unless those are for a time.
-- A key that somebody is taking over just now is left to them.
create function forget_keys(p_slot smallint) returns void
language plpgsql as $$
declare
    v_jobs bigint[];
begin
    execute format('select array(select r.job_id from ready_%1$s r where r.extra ? ''unique'' limit 1)', p_slot) into v_jobs;
    if v_jobs = '{}' then
        return;
    end if;
    execute format($q$
        select array(
            select r.job_id
            from (select x.lane, range_agg(x.seqs) as seqs from closures_%1$s x where x.outcome = 'completed' group by x.lane) d
            cross join lateral unnest(d.seqs) g
            cross join lateral (select e.job_id from ready_%1$s e where e.lane = d.lane and e.seq >= lower(g) and e.seq < upper(g)
                                and e.extra ? 'unique' offset 0) r)
        $q$, p_slot)
    into v_jobs;
    perform drop_keys(v_jobs);
end $$;

-- truncate_slot: what outlives the slot is read and moved after the exclusive lock: a claim or a settle that
-- committed just before is in it. In the order everybody keeps. The answer is that of move_floors.
create function truncate_slot(p_slot smallint) returns jsonb
language plpgsql as $$
declare
    v_tables text := format('ready_%1$s, claims_%1$s, closures_%1$s, results_%1$s, leases_%1$s', p_slot);
    v_floors jsonb;
begin
    execute format('lock table %s in access exclusive mode', v_tables);
    v_floors := move_floors(p_slot);
    perform note_emptied(p_slot);
    perform forget_keys(p_slot);
    execute format('truncate %s', v_tables);
    return v_floors;
end $$;
