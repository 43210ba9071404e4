-- What becomes of a job whose attempt was closed: the one place that decides it, for every action.

-- A job whose worker lost it more often than this ends: it may be what kills the workers.
create function losses_max() returns int language sql immutable as $$ select 5 $$;

create type fate as (
    becomes text,            -- 'again' (available now), 'scheduled', 'retryable', 'failed', 'cancelled'
    reason text, attempt smallint, losses smallint, delay_s double precision
);

-- The pause before the next attempt: min(2^attempt * (1 + 0.25 u), 24 h), u drawn from [0, 1).
create function backoff_s(p_attempt int) returns double precision
language sql volatile as $$ select least(power(2, least(p_attempt, 30)) * (1 + 0.25 * random()), 86400) $$;

-- p_delay_s: the caller's choice, null for the usual one. A loss is not the job's fault: it costs no attempt,
-- has a bound of its own, and waits from the second on.
create function fate_of(p_outcome outcome, p_attempt smallint, p_max_attempts smallint, p_losses smallint, p_delay_s double precision)
returns fate
language plpgsql volatile as $$
begin
    case p_outcome
    when 'released' then
        return row ('again', null, p_attempt, p_losses, 0)::fate;
    when 'snoozed' then
        return row ('scheduled', null, p_attempt, p_losses, p_delay_s)::fate;
    when 'failed' then
        return row ('failed', 'terminal', p_attempt, p_losses, 0)::fate;
    when 'cancelled' then
        return row ('cancelled', null, p_attempt, p_losses, 0)::fate;
    when 'lost' then
        if p_losses >= losses_max() then
            return row ('failed', 'crash_loop', p_attempt, p_losses + 1, 0)::fate;
        elsif p_losses = 0 then
            return row ('again', null, p_attempt, 1, 0)::fate;
        end if;
        return row ('retryable', null, p_attempt, p_losses + 1, least(power(2, p_losses + 1), 300))::fate;
    else    -- 'retried', 'expired'
        if p_attempt >= p_max_attempts then
            return row ('failed', 'exhausted', p_attempt, p_losses, 0)::fate;    -- by whomever it was ended: the last error says how
        end if;
        return row ('retryable', null, p_attempt + 1, p_losses, coalesce(p_delay_s, backoff_s(p_attempt)))::fate;
    end case;
end $$;

-- The job's history with one error more: the last five, each bounded.
create function with_error(p_extra jsonb, p_attempt int, p_error jsonb) returns jsonb
language plpgsql stable as $$
declare
    v jsonb := case when jsonb_typeof(p_error) = 'object' then p_error else jsonb_build_object('error', p_error #>> '{}') end;
    v_past jsonb := coalesce(p_extra -> 'errors', '[]');
begin
    if p_error is null then
        return p_extra;
    end if;
    if jsonb_array_length(v_past) >= 5 then
        v_past := jsonb_path_query_array(v_past, '$[last - 3 to last]');
    end if;
    return p_extra || jsonb_build_object('errors', v_past || jsonb_strip_nulls(jsonb_build_object(
        'attempt', p_attempt, 'at', clock_timestamp(), 'type', left(v ->> 'type', 200),
        'error', left(coalesce(v ->> 'error', ''), 2000), 'trace', left(v ->> 'trace', 2000))));
end $$;

-- What a job's next row carries of its progress: that of the attempt, if it noted any. Where no attempt of a slot
-- did, its leases take no room, and nothing is looked for.
create function slots_with_leases(p_closings closing[]) returns smallint[]
language sql volatile as $$
    select coalesce(array_agg(s.slot), '{}')
    from (select distinct c.slot from unnest(p_closings) c) s
    where pg_relation_size(format('leases_%s', s.slot)::regclass) > 0
$$;

create function with_progress(p_extra jsonb, p_slot smallint, p_lane int, p_seq bigint) returns jsonb
language sql stable as $$
    select coalesce((select p_extra || jsonb_build_object('progress', p) from progress_of(p_slot, p_lane, p_seq) p), p_extra)
$$;

-- What a disposal wrote: the lists of its event (null unless traced), and the numbers whose job ended.
create type disposal as (entries jsonb, deferred jsonb, finals jsonb, dead jsonb, ended ended_number[], next_run_at timestamptz);

create function no_disposal() returns disposal
language sql immutable as $$ select row ('[]', '[]', '[]', '[]', '{}', null)::disposal $$;

-- dispose: every settled entry of these closings goes where its fate says. Numbers are drawn through
-- begin_append, in the order of the old ones.
create function dispose(p_closings closing[], p_outcome outcome, p_faults fault[], p_reason text default null) returns disposal
language plpgsql as $$
declare
    v_all disposal;
begin
    if not exists (select from unnest(p_closings) c where not isempty(c.settled)) then
        return no_disposal();
    end if;
    if p_outcome in ('released', 'lost') then
        perform begin_append_all(array(select distinct c.lane from unnest(p_closings) c where not isempty(c.settled)));
    end if;
    if p_outcome not in ('released', 'failed', 'cancelled') then
        perform begin_defer();
    end if;
    v_all := dispose_settled(p_closings, p_outcome, p_faults, p_reason);
    perform tell_timer(v_all.next_run_at);
    return v_all;
end $$;

-- One statement for all slots, whose plan stays: planning it took longer than most disposals. A row that is
-- there already stands: one bad job must not keep a rescue from all others. Faults are found by hash: there
-- may be as many as entries.
create function dispose_settled(p_closings closing[], p_outcome outcome, p_faults fault[], p_reason text) returns disposal
language plpgsql set enable_hashjoin = on as $$
declare
    v_noted smallint[] := slots_with_leases(p_closings);
    v disposal;
begin
    with body as (
        select c.item, r.slot, r.job_id, r.run_lease, r.lane, r.seq, r.attempt, r.max_attempts, r.losses, r.kind, r.args, r.enqueued_at,
               case when r.slot = any (v_noted) then with_progress(r.extra, r.slot, r.lane, r.seq) else r.extra end as extra,
               l.seq as lane_seq, coalesce(f.error, g.error) as error, coalesce(f.delay_s, g.delay_s) as delay_s,
               coalesce(q.dead_letters, m.dead_letters) as to_dlq
        from (select x.item, x.lane, x.slot, x.settled from unnest(p_closings) x where not isempty(x.settled) offset 0) c
        join lanes l on l.lane = c.lane
        join queue_settings q on q.queue_id = l.queue_id
        cross join meta m
        cross join lateral entries_in(c.slot, c.lane, c.settled) r
        left join unnest(p_faults) f on f.item = c.item and f.seq = r.seq
        left join unnest(p_faults) g on g.item = c.item and g.seq is null
        order by r.lane, r.seq
    ), fated as materialized (
        select b.item, b.job_id, b.run_lease, b.lane, b.seq, b.max_attempts, b.kind, b.args, b.enqueued_at,
               case when b.error is null then b.extra else with_error(b.extra, b.attempt, b.error) end as extra, t.becomes, coalesce(t.reason, p_reason, '') as reason,
               t.attempt, t.losses, t.becomes = 'failed' and b.to_dlq as dead,
               case when t.becomes in ('scheduled', 'retryable') then clock_timestamp() + make_interval(secs => t.delay_s) end as run_at,
               case when t.becomes = 'again' then nextval(b.lane_seq) end as number
        from body b cross join lateral fate_of(p_outcome, b.attempt, b.max_attempts, b.losses, b.delay_s) t
    ), again as (
        insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
        select (select last_value from ring_seq), a.lane, a.number, a.job_id, a.run_lease + 1, a.attempt, a.max_attempts,
               a.losses, a.kind, a.args, a.extra, a.enqueued_at
        from fated a where a.becomes = 'again'
        returning slot, lane, seq
    ), waits as (
        insert into deferred (job_id, run_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, kind, args, extra)
        select a.job_id, a.run_at, a.enqueued_at, a.lane, a.run_lease, a.attempt, a.max_attempts, a.losses, a.becomes, a.kind, a.args, a.extra
        from fated a where a.run_at is not null
        on conflict do nothing
    ), ended as (
        insert into finals (job_id, finished_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, reason, kind, args, extra)
        select a.job_id, clock_timestamp(), a.enqueued_at, a.lane, a.run_lease, a.attempt, a.max_attempts, a.losses, a.becomes, a.reason, a.kind, a.args, a.extra
        from fated a where a.becomes in ('failed', 'cancelled') and not a.dead
        on conflict do nothing
    ), died as (
        insert into dlq (job_id, finished_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, reason, kind, args, extra)
        select a.job_id, clock_timestamp(), a.enqueued_at, a.lane, a.run_lease, a.attempt, a.max_attempts, a.losses, a.becomes, a.reason, a.kind, a.args, a.extra
        from fated a where a.dead
        on conflict do nothing
    ), told as (
        select f.*, jsonb_build_array(f.lane, f.job_id, f.run_lease, f.attempt, f.losses, f.seq) as said from fated f where tracing()
    )
    select (select coalesce(jsonb_agg(jsonb_build_array(w.lane, w.slot, w.seq, t.job_id, t.run_lease + 1, t.attempt, t.seq) order by w.lane, w.seq), '[]')
            from again w join told t on t.lane = w.lane and t.number = w.seq),
           coalesce((select jsonb_agg(t.said order by t.lane, t.seq) from told t where t.run_at is not null), '[]'),
           coalesce((select jsonb_agg(t.said || to_jsonb(t.becomes) order by t.lane, t.seq) from told t where t.becomes in ('failed', 'cancelled') and not t.dead), '[]'),
           coalesce((select jsonb_agg(t.said order by t.lane, t.seq) from told t where t.dead), '[]'),
           array(select row (f.item, f.seq, f.dead)::ended_number from fated f where f.becomes = 'failed'),
           (select min(f.run_at) from fated f)
    into v;
    return v;
end $$;

-- The disposal's part of an event.
create function disposed(p_disposal disposal) returns jsonb
language sql immutable as $$
    select jsonb_build_object('entries', p_disposal.entries, 'deferred', p_disposal.deferred,
                              'finals', p_disposal.finals, 'dead', p_disposal.dead)
$$;

create function count_settled(p_closings closing[]) returns int
language sql immutable as $$ select coalesce(sum(upper(g) - lower(g)), 0)::int from unnest(p_closings) c, unnest(c.settled) g $$;
