-- storage_status: what the tables hold and who is at work on them, for people. Sizes are those of files, so
-- nothing is counted; `pending` of a lane is as in the view `queues`.
create function slot_status() returns jsonb
language sql volatile as $$
    select jsonb_agg(jsonb_build_object('slot', s.slot, 'current', s.slot = current_slot(), 'bytes', slot_bytes(s.slot),
                                        'live', pg_relation_size(s.ready, 'main') > 0, 'opened_at', s.opened_at) order by s.slot)
    from ring_slots s
$$;

create function lane_status() returns jsonb
language sql volatile as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'lane', n.lane, 'queue', n.queue, 'priority', n.priority, 'shard', n.shard, 'next', n.next, 'last', n.last_number,
        'pending', numbers_in(pending_numbers(n.lane, n.next, n.last_number, '{}')), 'holes', numbers_in(n.holes + n.young)) order by n.lane), '[]')
    from lane_now n
$$;

-- Whoever leads holds the leader's lock on a session that also holds its own liveness lock.
create function worker_status() returns jsonb
language sql volatile as $$
    with held as (
        select l.pid, l.classid, l.objid from pg_locks l
        where l.locktype = 'advisory' and l.granted and l.objsubid = 2 and l.classid in (lk_leader()::oid, lk_alive()::oid)
          and l.database = (select d.oid from pg_database d where d.datname = current_database())
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'worker', w.worker, 'name', w.info -> 'name', 'host', w.info -> 'host', 'pid', w.info -> 'pid', 'version', w.info -> 'version',
        'queues', w.info -> 'queues', 'poll_only', coalesce(w.info ->> 'poll_only' = 'true', false),
        'role', coalesce(w.info ->> 'role', 'all'), 'started_at', w.started_at, 'beat', w.beat,
        'beat_age_s', round(extract(epoch from clock_timestamp() - w.beat_at)::numeric, 1),
        'alive', exists (select from held h where h.classid = lk_alive()::oid and h.objid::bigint = hashint8(w.worker)::bigint & 4294967295),
        'leads', exists (select from held h join held a on a.pid = h.pid and a.classid = lk_alive()::oid
                         where h.classid = lk_leader()::oid and a.objid::bigint = hashint8(w.worker)::bigint & 4294967295))
        order by w.started_at), '[]')
    from workers w
$$;

create function storage_status() returns jsonb
language sql volatile security definer set search_path from current set jit = off as $$
    select jsonb_build_object(
        'schema_version', m.schema_version, 'installed_at', m.installed_at, 'dead_letters', m.dead_letters,
        'slots', slot_status(), 'lanes', lane_status(), 'workers', worker_status(),
        'bytes', (select jsonb_object_agg(t, pg_total_relation_size(t::regclass))
                  from unnest('{deferred,finals,dlq,unique_keys,acts}'::text[]) t))
    from meta m
$$;
