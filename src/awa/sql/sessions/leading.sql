-- What leaders and observers ask. Not actions: none of these changes a job.

-- lead: this session is the leader, from now on until it ends; false when another is.
create function lead() returns boolean
language plpgsql security definer set search_path from current as $$
begin
    return exists (select from pg_locks l where l.locktype = 'advisory' and l.classid = lk_leader()::oid and l.objsubid = 2
                   and l.pid = pg_backend_pid() and l.granted)
        or pg_try_advisory_lock(lk_leader(), 0);
end $$;

-- led: some session is the leader. The test may make a try to lead at the same moment fail, which is tried again.
create function led() returns boolean
language sql volatile security definer set search_path from current as $$
    select not case when pg_try_advisory_lock(lk_leader(), 0) then pg_advisory_unlock(lk_leader(), 0) else false end
        -- a session never stands in its own way
        or exists (select from pg_locks l where l.locktype = 'advisory' and l.classid = lk_leader()::oid and l.objsubid = 2
                   and l.pid = pg_backend_pid() and l.granted)
$$;

-- observe: every worker's counter, and whether some session of it holds its liveness lock. The test takes
-- and drops the lock in one expression; a session that comes meanwhile waits for microseconds. A worker whose
-- sessions do not last, behind a pooler, has no lock that could be missed. beaten: this run of the server has
-- taken a beat of it, which came over a session that held the lock; then nothing but its holder's end frees it.
create function observe() returns table (worker bigint, beat bigint, alive boolean, beaten boolean)
language sql volatile security definer set search_path from current as $$
    select w.worker, w.beat, coalesce(w.info ->> 'poll_only' = 'true', false)
                             or not case when pg_try_advisory_lock(lk_alive(), hashint8(w.worker))
                                         then pg_advisory_unlock(lk_alive(), hashint8(w.worker)) else false end,
           coalesce(w.run = server_run(), false)
    from workers w order by w.worker
$$;

-- strays: workers that claims name and that have no row: stopped, or removed. What they left open belongs to
-- nobody; most left nothing. One look per worker and slot.
create function strays() returns setof bigint
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    v_slot smallint;
    v_worker bigint;
begin
    foreach v_slot in array lock_live_slots() loop
        v_worker := -9223372036854775808;
        loop
            select w into v_worker from workers_of_slot(v_slot, v_worker) w;
            exit when v_worker is null;
            if not exists (select from workers x where x.worker = v_worker) then
                return next v_worker;
            end if;
        end loop;
    end loop;
end $$;

-- arm_timer: from now on whoever defers a job tells the leader; true when nobody is just doing it who read
-- the timer before. Then look for due jobs, and set_timer to the next.
create function arm_timer() returns boolean
language plpgsql security definer set search_path from current as $$
begin
    perform setval('timer_seq', 9223372036854775807);
    return case when pg_try_advisory_lock(lk_deferring(), 0) then pg_advisory_unlock(lk_deferring(), 0) else false end;
end $$;

create function set_timer(at timestamptz) returns void
language plpgsql security definer set search_path from current as $$
begin
    perform setval('timer_seq', case when set_timer.at is null or set_timer.at = 'infinity' then 9223372036854775807
                                     else greatest(0, ceil(extract(epoch from set_timer.at) * 1000))::bigint end);
end $$;

-- ended_elsewhere: of these claim calls of the worker, the attempts that were ended for it: cancelled by an
-- operator, or rescued. Some may be of its own doing.
create function ended_elsewhere(worker bigint, calls int8multirange)
returns table (token bigint, part smallint, seqs int8multirange, outcome text)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    v_slot smallint;
begin
    if ended_elsewhere.calls is null or lower_inf(ended_elsewhere.calls) or upper_inf(ended_elsewhere.calls) then
        perform refuse_input('calls', 'must be a bounded set of call numbers');
    end if;
    foreach v_slot in array lock_live_slots() loop
        return query execute format(
            'select c.token, c.part, x.seqs, x.outcome::text from claims_%1$s c join closures_%1$s x on x.token = c.token and x.part = c.part '
            'where c.worker = $1 and c.call >= lower($2) and c.call < upper($2) and $2 @> c.call and x.outcome in (''cancelled'', ''expired'', ''lost'')', v_slot)
        using ended_elsewhere.worker, ended_elsewhere.calls;
    end loop;
end $$;
