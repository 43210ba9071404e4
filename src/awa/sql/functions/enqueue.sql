-- enqueue: one job, in the caller's transaction.
--   spec      Storage!Enqueue               event    enqueue
--   requires  kind of 1 to 200 characters; opts with known keys and values in their bounds
--   outcome   the job's id and state, and whether it was there already (never, without unique keys)
--   touches   insert ready (1)
--   one step  any isolation level, savepoints and two-phase commit: begin_append makes the number
--             known as in flight before it is drawn, and only the caller's commit shows the row.
--             Never waits for another transaction, unless the lane does not exist yet.
create function enqueue(kind text, args jsonb, opts jsonb default '{}')
returns table (id bigint, state text, duplicate boolean)
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    v_opts enqueue_options;
    v_lane lanes;
    v_entry record;
begin
    if enqueue.kind is null or char_length(enqueue.kind) not between 1 and 200 then
        perform refuse_kind(enqueue.kind);
    elsif enqueue.args is null or enqueue.args = 'null' then
        perform refuse_input('args', 'must not be null');
    end if;
    v_opts := read_options(enqueue.opts);
    select l.* into v_lane from lanes l where l.queue = v_opts.queue and l.priority = v_opts.priority and l.shard = 0;
    if not found then
        perform ensure_lane(v_opts.queue, v_opts.priority, 0);
        select l.* into v_lane from lanes l where l.queue = v_opts.queue and l.priority = v_opts.priority and l.shard = 0;
    end if;
    perform begin_append(v_lane.lane, v_lane.queue_id, v_lane.queue);
    insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
    values ((select last_value from ring_seq), v_lane.lane, nextval(v_lane.seq), nextval('job_id_seq'), 1, 1,
            v_opts.max_attempts, 0, enqueue.kind, enqueue.args, v_opts.extra, clock_timestamp())
    returning slot, seq, job_id into v_entry;
    if tracing() then
        perform emit(jsonb_build_object('a', 'enqueue', 'entries', jsonb_build_array(
            jsonb_build_array(v_lane.lane, v_entry.slot, v_entry.seq, v_entry.job_id, 1, 1))));
    end if;
    return query select v_entry.job_id, 'available'::text, false;
end $$;
