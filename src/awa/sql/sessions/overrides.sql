-- What operators say of a queue for now, over what programs said. Not actions: no job changes. Workers read it
-- when they start and when they are told; deadline and aging are generated columns, which claims read.

create function check_override(p_overrides jsonb, p_name text, p_lo numeric, p_hi numeric, p_whole boolean) returns void
language plpgsql immutable as $$
declare
    v jsonb := p_overrides -> p_name;
begin
    if v is null or v = 'null' then
        return;
    elsif jsonb_typeof(v) <> 'number' or (v::numeric not between p_lo and p_hi) or p_whole and v::numeric <> trunc(v::numeric) then
        perform refuse_input(p_name, format('must be %s from %s to %s, not %s',
                                            case when p_whole then 'an integer' else 'a number' end, p_lo, p_hi, v));
    end if;
end $$;

create function check_overrides(p_overrides jsonb) returns void
language plpgsql immutable as $$
declare
    v jsonb := p_overrides;
begin
    if jsonb_typeof(v) <> 'object' or v - '{max_workers,weight,claim_batch_size,poll_interval_ms,rate,burst,deadline_s,aging_s}'::text[] <> '{}' then
        perform refuse_input('overrides', 'must be an object with max_workers, weight, claim_batch_size, poll_interval_ms, rate, burst, deadline_s or aging_s');
    end if;
    perform check_override(v, 'max_workers', 1, 10000, true), check_override(v, 'weight', 1, 1000, true),
            check_override(v, 'claim_batch_size', 1, 1000, true), check_override(v, 'poll_interval_ms', 1, 86400000, true),
            check_override(v, 'rate', 0.000001, 1000000, false), check_override(v, 'burst', 1, 1000000, true),
            check_span(jsonb_strip_nulls(v), 'deadline_s'), check_span(jsonb_strip_nulls(v), 'aging_s');
end $$;

-- override_queue: set what is given, and take back what is given as null; without an object take back all. The
-- answer is what is overridden now. Workers are told at once, over the channel on which they hear of ended
-- attempts: nobody's word there says that something may have changed for everybody.
create function override_queue(queue text, overrides jsonb, by text default null) returns jsonb
language plpgsql security definer set search_path from current as $$
declare
    v_now jsonb;
begin
    if override_queue.overrides is not null then
        perform check_overrides(override_queue.overrides);
    end if;
    update queue_settings q
    set overrides = coalesce(jsonb_strip_nulls(q.overrides || override_queue.overrides), '{}'),
        overridden_at = clock_timestamp(), overridden_by = override_queue.by
    where q.queue = override_queue.queue
    returning q.overrides into v_now;
    if not found then
        perform refuse_queue(override_queue.queue);
    elsif coalesce(current_setting('awa.notify', true), 'on') <> 'off' then
        perform pg_notify(ended_channel(), '');
    end if;
    return v_now;
end $$;

-- overrides_of: what is overridden of these queues; those without are left out.
create function overrides_of(queues text[]) returns table (queue text, overrides jsonb)
language sql stable security definer set search_path from current as $$
    select q.queue, q.overrides from queue_settings q where q.queue = any (overrides_of.queues) and q.overrides <> '{}'
$$;
