-- What a worker's sessions hold. Not actions: they write nothing, and end with the session.

-- hold_alive: this session belongs to a living worker. Free only when all its sessions are gone.
create function hold_alive(worker bigint) returns void
language plpgsql security definer set search_path from current as $$
begin
    perform pg_advisory_lock_shared(lk_alive(), hashint8(hold_alive.worker));
end $$;

-- sleep_on: become the designated sleeper of these queues; the answer names those we are it for. The wait
-- is a real one, with a time-out: a producer's momentary test would make a try fail, and then nobody is
-- the sleeper. Call wake_up before calling it again: session locks count.
create function sleep_on(queues text[], wait_ms int) returns text[]
language plpgsql security definer set search_path from current as $$
declare
    q record;
    v_got text[] := '{}';
    v_theirs text := current_setting('lock_timeout');
begin
    if sleep_on.wait_ms is null or sleep_on.wait_ms < 1 then
        perform refuse_input('wait_ms', 'must be 1 or more: 0 would wait for ever');
    end if;
    perform set_config('lock_timeout', sleep_on.wait_ms || 'ms', true);
    for q in select s.queue, s.queue_id from queue_settings s where s.queue = any (sleep_on.queues) order by s.queue_id loop
        begin
            perform pg_advisory_lock(lk_sleeping(), q.queue_id);
            v_got := v_got || q.queue;
        exception when lock_not_available then
            null;    -- another worker sleeps on it, and will pass the wake-up on
        end;
    end loop;
    perform set_config('lock_timeout', v_theirs, true);
    return v_got;
end $$;

create function wake_up() returns void
language plpgsql security definer set search_path from current as $$
begin
    perform pg_advisory_unlock(lk_sleeping(), l.objid::int)
    from pg_locks l
    where l.locktype = 'advisory' and l.classid = lk_sleeping()::oid and l.objsubid = 2 and l.pid = pg_backend_pid()
      and l.mode = 'ExclusiveLock' and l.granted;
end $$;

-- inflight: some producer is between drawing its numbers and its end, in a lane of these queues.
create function inflight(queues text[]) returns boolean
language sql volatile security definer set search_path from current as $$
    select exists (select from lanes l where l.queue = any (inflight.queues) and not quiet(l.lane))
$$;

-- pass_on: wake whoever listens for these queues; for a worker that cannot take more.
create function pass_on(queues text[]) returns void
language plpgsql security definer set search_path from current as $$
begin
    if coalesce(current_setting('awa.notify', true), 'on') <> 'off' then
        perform pg_notify(awa_name(), q) from unnest(pass_on.queues) q;
    end if;
end $$;
