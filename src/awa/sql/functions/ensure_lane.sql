-- ensure_lane: a lane (and its queue) exists.
--   spec      Storage!EnsureLane            event    ensure_lane (only when it was created)
--   requires  queue of 1 to 200 characters, priority 1 to 4
--   outcome   the lane's number; with the first shard's lane those of its other shards are made
--   touches   insert queue_settings (0 or 1), lanes (0, or 1 per shard); a new sequence for each
--   one step  creators take turns on one lock; whoever comes second sees the first one's row.
--             Clients and workers call it in a short transaction of their own: a business
--             transaction that creates a lane makes the lane's other producers wait for its end.
create function ensure_lane(queue text, priority int default 2, shard int default 0) returns int
language plpgsql security definer set search_path from current as $$
declare
    v_lane int;
    v_queue_id int;
begin
    select l.lane into v_lane from lanes l
    where l.queue = ensure_lane.queue and l.priority = ensure_lane.priority and l.shard = ensure_lane.shard;
    if found then
        return v_lane;
    end if;
    if queue is null or char_length(queue) not between 1 and 200 then
        perform refuse_input('queue', 'must be a string of 1 to 200 characters');
    elsif priority is null or priority not between 1 and 4 then
        perform refuse_input('priority', format('must be an integer from 1 to 4, not %s', priority));
    elsif shard is null or shard not between 0 and 63 then
        perform refuse_input('shard', format('must be an integer from 0 to 63, not %s', shard));
    end if;
    perform pg_advisory_xact_lock(lk_declare(), 0);
    select l.lane into v_lane from lanes l
    where l.queue = ensure_lane.queue and l.priority = ensure_lane.priority and l.shard = ensure_lane.shard;
    if found then
        return v_lane;
    end if;
    insert into queue_settings (queue) values (ensure_lane.queue) on conflict do nothing;
    select q.queue_id into v_queue_id from queue_settings q where q.queue = ensure_lane.queue;
    v_lane := nextval(pg_get_serial_sequence(format('%I.lanes', awa_name()), 'lane'));
    execute format('create sequence lane_%s_seq', v_lane);
    insert into lanes (lane, queue, queue_id, priority, shard, seq) overriding system value
    values (v_lane, ensure_lane.queue, v_queue_id, ensure_lane.priority, ensure_lane.shard,
            format('lane_%s_seq', v_lane)::regclass);
    -- Always: a worker may have gone to sleep without knowing this lane.
    if coalesce(current_setting('awa.notify', true), 'on') <> 'off' then
        perform pg_notify(awa_name(), ensure_lane.queue);
    end if;
    if tracing() then
        perform emit(jsonb_build_object('a', 'ensure_lane', 'queue', ensure_lane.queue,
            'priority', ensure_lane.priority, 'shard', ensure_lane.shard, 'lane', v_lane));
    end if;
    -- Of a queue with shards all: an enqueue would make them, in a business transaction.
    if shard = 0 then
        perform ensure_lane(ensure_lane.queue, ensure_lane.priority, s)
        from queue_settings q, generate_series(1, q.enqueue_shards - 1) s where q.queue = ensure_lane.queue;
    end if;
    return v_lane;
end $$;
