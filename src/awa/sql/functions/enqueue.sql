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
    v_job bigint;
    v_key keyed;
    v_stored stored;
begin
    if enqueue.kind is null or char_length(enqueue.kind) not between 1 and 200 then
        perform refuse_kind(enqueue.kind);
    elsif enqueue.args is null or enqueue.args = 'null' then
        perform refuse_input('args', 'must not be null');
    end if;
    v_opts := read_options(keyed_opts(enqueue.opts, enqueue.kind, enqueue.args));
    if v_opts.on_conflict = 'replace' then
        perform require_own_transaction('enqueue with on_conflict = replace');
    end if;
    v_job := nextval('job_id_seq');
    if v_opts.unique_job is not null then
        v_key := (take_keys(array[row (1, v_job, read_unique(v_opts.unique_job, v_opts.on_conflict))::wish]))[1];
        if v_key.answer = 'existing' then
            return query select v_key.job_id, v_key.state, true, 'existing'::text;
            return;
        elsif v_key.answer = 'skipped' then
            return query select null::bigint, null::text, true, 'skipped'::text;
            return;
        end if;
    end if;
    v_stored := store_job(v_job, enqueue.kind, enqueue.args, v_opts);
    if tracing() then
        perform emit(jsonb_build_object('a', 'enqueue') || v_stored.event || replaced_lists(v_key.replaced));
    end if;
    return query select v_job, v_stored.state, false, coalesce(v_key.answer, 'inserted');
end $$;
