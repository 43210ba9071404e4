-- Kinds that no worker can run: told by workers, read by people. Not actions: neither changes a job.

-- tell_unknown: all that this worker meets and has no handler for, an array of {"queue", "kind", "times"}; an
-- empty one takes back what it told before.
create function tell_unknown(worker bigint, kinds jsonb) returns void
language plpgsql security definer set search_path from current as $$
begin
    if tell_unknown.kinds is null or jsonb_typeof(tell_unknown.kinds) <> 'array' then
        perform refuse_input('kinds', 'must be an array');
    end if;
    update workers w set info = w.info || jsonb_build_object('unknown', tell_unknown.kinds) where w.worker = tell_unknown.worker;
end $$;

-- unknown_kinds: what workers meet and no worker of that queue says it has a handler for.
create function unknown_kinds() returns table (queue text, kind text, workers int, times bigint)
language sql stable security definer set search_path from current as $$
    select u.queue, u.kind, count(*)::int, sum(u.times)::bigint
    from workers w cross join lateral jsonb_to_recordset(coalesce(w.info -> 'unknown', '[]')) u (queue text, kind text, times bigint)
    where not exists (select from workers x where x.info -> 'queues' ? u.queue and x.info -> 'kinds' ? u.kind)
    group by 1, 2
$$;
