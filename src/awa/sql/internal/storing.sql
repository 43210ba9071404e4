-- A new job's first row, where it is more than an entry at the end of a lane.

-- The jobs that a new one took the place of: they are withdrawn and final.
create function replaced_lists(p_replaced withdrawn_job[]) returns jsonb
language sql volatile as $$
    select jsonb_build_object('finals', w -> 'finals', 'replaced',
        coalesce((select jsonb_agg(jsonb_build_array(d.lane, d.job_id, d.seq)) from unnest(p_replaced) d), '[]'))
    from withdrawn_lists(coalesce(p_replaced, '{}')) w
$$;

create function enqueue_event(p_deferred jsonb, p_entries jsonb, p_replaced withdrawn_job[]) returns jsonb
language sql volatile as $$
    select jsonb_build_object('a', 'enqueue', 'entries', p_entries, 'deferred', p_deferred) || replaced_lists(p_replaced)
$$;

-- The job's row: an entry, or a deferred row when it is for later.
create function store_job(p_job_id bigint, p_kind text, p_args jsonb, p_options enqueue_options, p_replaced withdrawn_job[]) returns text
language plpgsql as $$
declare
    o enqueue_options := p_options;
    v_lane lanes := lane_for(p_options, p_job_id);
    v_now timestamptz := clock_timestamp();
    v_run_at timestamptz := coalesce(o.run_at, v_now + make_interval(secs => o.delay_s));
    v_later boolean := coalesce(v_run_at > v_now, false);
    v_deferred jsonb := '[]';
    v_entries jsonb := '[]';
begin
    if v_later then
        perform begin_defer();
        insert into deferred (job_id, run_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, kind, args, extra)
        values (p_job_id, v_run_at, v_now, v_lane.lane, 0, 1, o.max_attempts, 0, 'scheduled', p_kind, p_args, o.extra);
        perform tell_timer(v_run_at);
        v_deferred := jsonb_build_array(jsonb_build_array(v_lane.lane, p_job_id, 0, 1, 0, null));
    else
        perform begin_append(v_lane.lane, v_lane.queue_id, v_lane.queue);
        with written as (
            insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
            values ((select last_value from ring_seq), v_lane.lane, nextval(v_lane.seq), p_job_id, 1, 1, o.max_attempts, 0, p_kind, p_args, marked(o.extra, p_job_id), v_now)
            returning lane, slot, seq, job_id
        )
        select jsonb_build_array(jsonb_build_array(w.lane, w.slot, w.seq, w.job_id, 1, 1)) into v_entries from written w;
    end if;
    if tracing() then
        perform emit(enqueue_event(v_deferred, v_entries, p_replaced));
    end if;
    return case when v_later then 'scheduled' else 'available' end;
end $$;

-- enqueue for a job with a time, a key, or a choice of lanes.
create function enqueue_specially(p_kind text, p_args jsonb, p_opts jsonb)
returns table (id bigint, state text, duplicate boolean, answer text)
language plpgsql as $$
declare
    v_opts enqueue_options := read_options(keyed_opts(p_opts, p_kind, p_args));
begin
    if v_opts.on_conflict = 'replace' then
        perform require_own_transaction('enqueue with on_conflict = replace');
    end if;
    return query select * from store_specially(p_kind, p_args, v_opts);
end $$;

-- The same for a caller who has made sure of that.
create function store_specially(p_kind text, p_args jsonb, p_options enqueue_options)
returns table (id bigint, state text, duplicate boolean, answer text)
language plpgsql as $$
declare
    v_job bigint := nextval('job_id_seq');    -- may assign an xid, so after the test for one
    v_key keyed;
begin
    if p_options.unique_job is not null then
        perform lane_for(p_options, v_job);    -- lanes are made before keys are taken, as enqueue_many does it
        v_key := (take_keys(array[row (1, v_job, read_unique(p_options.unique_job, p_options.on_conflict))::wish]))[1];
    end if;
    if v_key.answer in ('existing', 'skipped') and tracing() then
        perform emit(enqueue_event('[]', '[]', '{}') || told_list(array[v_key.job_id], array[v_key.answer], array[v_key.state]));
    end if;
    if v_key.answer = 'existing' then
        return query select v_key.job_id, v_key.state, true, 'existing'::text;
    elsif v_key.answer = 'skipped' then
        return query select null::bigint, null::text, true, 'skipped'::text;
    else
        return query select v_job, store_job(v_job, p_kind, p_args, p_options, v_key.replaced), false, coalesce(v_key.answer, 'inserted');
    end if;
end $$;
