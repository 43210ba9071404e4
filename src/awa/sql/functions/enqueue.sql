-- enqueue: one job, in the caller's transaction.
--   spec      Storage!Enqueue               event    enqueue
--   requires  kind of 1 to 200 characters; opts with known keys and values in their bounds
--   outcome   the job's id and state. A unique job whose key is held: by on_conflict an error (AW008), the
--             older job ('existing'), nothing ('skipped'), or the new job in its place ('replaced')
--   touches   insert ready or deferred (1); with unique: insert or update unique_keys (1), and what
--             cancel_pending touches for a replaced job
--   one step  any isolation level, savepoints and two-phase commit: begin_append makes the number
--             known as in flight before it is drawn, and only the caller's commit shows the row.
--             Never waits for another transaction, unless the lane does not exist yet or the job is
--             unique: two of one key take turns. Keys come before lanes.
create function enqueue(kind text, args jsonb, opts jsonb default '{}')
returns table (id bigint, state text, duplicate boolean, answer text)
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    v_opts enqueue_options;
    v_lane lanes;
    v_shards int;
    v_job bigint;
    v_slot smallint;
    v_seq bigint;
begin
    if enqueue.kind is null or char_length(enqueue.kind) not between 1 and 200 then
        perform refuse_kind(enqueue.kind);
    elsif enqueue.args is null or enqueue.args = 'null' then
        perform refuse_input('args', 'must not be null');
    elsif enqueue.opts ?| '{unique,on_conflict,run_at,delay_s,ordering_key}' then
        return query select * from enqueue_specially(enqueue.kind, enqueue.args, enqueue.opts);
        return;
    end if;
    v_opts := read_options(enqueue.opts);
    select l.*, q.enqueue_shards into v_lane.lane, v_lane.queue, v_lane.queue_id, v_lane.seq, v_shards
    from (select x.lane, x.queue, x.queue_id, x.seq from lanes x where x.queue = v_opts.queue and x.priority = v_opts.priority and x.shard = 0) l
    join queue_settings q on q.queue_id = l.queue_id;
    if v_shards is distinct from 1 then
        return query select * from enqueue_specially(enqueue.kind, enqueue.args, enqueue.opts);
        return;
    end if;
    perform begin_append(v_lane.lane, v_lane.queue_id, v_lane.queue);
    insert into ready (slot, lane, job_id, seq, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
    values (coalesce(pg_sequence_last_value('ring_seq'), 0), v_lane.lane, nextval('job_id_seq'), nextval(v_lane.seq), 1, 1,
            v_opts.max_attempts, 0, enqueue.kind, enqueue.args, marked(v_opts.extra, currval('job_id_seq')), clock_timestamp())
    returning slot, seq, job_id into v_slot, v_seq, v_job;
    if tracing() then
        perform emit(enqueue_event('[]', jsonb_build_array(jsonb_build_array(v_lane.lane, v_slot, v_seq, v_job, 1, 1)), '{}'));
    end if;
    return query select v_job, 'available'::text, false, 'inserted'::text;
end $$;
