-- A new job's first row.

create type stored as (state text, event jsonb);

create function store_job(p_job_id bigint, p_kind text, p_args jsonb, p_options enqueue_options) returns stored
language plpgsql as $$
declare
    o enqueue_options := p_options;
    v_lane lanes := lane_for(p_options, p_job_id);
    v_now timestamptz := clock_timestamp();
    v_run_at timestamptz := coalesce(o.run_at, v_now + make_interval(secs => o.delay_s));
    v_slot smallint;
    v_seq bigint;
begin
    if v_run_at > v_now then
        perform begin_defer();
        insert into deferred (job_id, run_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, kind, args, extra)
        values (p_job_id, v_run_at, v_now, v_lane.lane, 0, 1, o.max_attempts, 0, 'scheduled', p_kind, p_args, o.extra);
        perform tell_timer(v_run_at);
        return row ('scheduled', jsonb_build_object('entries', '[]'::jsonb,
            'deferred', jsonb_build_array(jsonb_build_array(v_lane.lane, p_job_id, 0, 1, 0, null))))::stored;
    end if;
    perform begin_append(v_lane.lane, v_lane.queue_id, v_lane.queue);
    insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
    values ((select last_value from ring_seq), v_lane.lane, nextval(v_lane.seq), p_job_id, 1, 1, o.max_attempts, 0, p_kind, p_args, o.extra, v_now)
    returning slot, seq into v_slot, v_seq;
    return row ('available', case when tracing() then jsonb_build_object('deferred', '[]'::jsonb,
        'entries', jsonb_build_array(jsonb_build_array(v_lane.lane, v_slot, v_seq, p_job_id, 1, 1))) end)::stored;
end $$;

-- The jobs that a new one took the place of: they are withdrawn and final.
create function replaced_lists(p_replaced withdrawn_job[]) returns jsonb
language sql volatile as $$
    select jsonb_build_object('finals', w -> 'finals', 'replaced',
        coalesce((select jsonb_agg(jsonb_build_array(d.lane, d.job_id, d.seq)) from unnest(p_replaced) d), '[]'))
    from withdrawn_lists(coalesce(p_replaced, '{}')) w
$$;
