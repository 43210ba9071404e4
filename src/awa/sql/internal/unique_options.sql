-- What `unique` among the options means for one job.

create function unique_states(p_unique jsonb) returns text[]
language plpgsql immutable as $$
declare
    v_states text[];
begin
    if p_unique ? 'states' then
        if p_unique ? 'until' or jsonb_typeof(p_unique -> 'states') <> 'array' then
            perform refuse_input('unique', 'states must be a list, and until is a name for one: give one of them');
        end if;
        v_states := array(select jsonb_array_elements_text(p_unique -> 'states'));
        perform check_mask(v_states);
        return v_states;
    end if;
    case coalesce(p_unique ->> 'until', 'finished')
    when 'started' then return '{started}';
    when 'finished' then return '{scheduled,available,running,retryable,waiting_external}';
    when 'window' then return '{scheduled,available,running,retryable,waiting_external,completed,failed,cancelled}';
    else perform refuse_input('unique', 'until must be started, finished or window');
    end case;
    return null;
end $$;

-- A job moves between the states of its life and may return to each; only the ends are left for good. So a
-- set that holds some of them and not others would lose the key and want it back.
create function check_mask(p_states text[]) returns void
language plpgsql immutable as $$
declare
    v_life constant text[] := '{scheduled,available,running,retryable,waiting_external}';
begin
    if not p_states <@ (v_life || '{completed,failed,cancelled}'::text[]) then
        perform refuse_input('unique', 'states must be states of a job');
    elsif not v_life <@ p_states then
        perform refuse_input('unique', format('a job that is retried or snoozed would leave these states and come back, when another may have its key: add %s, or say until = started',
            (select string_agg(l, ', ') from unnest(v_life) l where l <> all (p_states))));
    end if;
end $$;

-- The period that now is in, by its ordinal; null without a period.
create function unique_period(p_unique jsonb) returns bigint
language plpgsql volatile as $$
begin
    if not p_unique ? 'period_s' then
        return null;
    elsif jsonb_typeof(p_unique -> 'period_s') <> 'number' or (p_unique ->> 'period_s')::numeric not between 1 and 3153600000 then
        perform refuse_input('unique', 'period_s must be a number of seconds from 1 to 3153600000');
    end if;
    return floor(extract(epoch from clock_timestamp()) / (p_unique ->> 'period_s')::numeric);
end $$;

-- keyed_opts: the options with the key spelt out, and the end of a window. That is what is kept with the job: a
-- dead letter that returns wants the key it had, whatever the period and its queue are by then.
create function keyed_opts(p_opts jsonb, p_kind text, p_args jsonb) returns jsonb
language plpgsql volatile as $$
declare
    u jsonb := p_opts -> 'unique';
    v_by jsonb := coalesce(u -> 'by', '["args"]');
    v_period bigint;
begin
    if jsonb_typeof(u) is distinct from 'object' then
        return p_opts;
    end if;
    v_period := unique_period(u);
    if not u ? 'key' then
        if jsonb_typeof(v_by) <> 'array' or not v_by <@ '["args", "queue", "period"]' then
            perform refuse_input('unique', 'by must be a list of args, queue and period');
        elsif v_by ? 'period' and v_period is null then
            perform refuse_input('unique', 'by period needs period_s, its length');
        end if;
        u := u || jsonb_build_object('key', encode(unique_key(
            p_kind, case when v_by ? 'args' then p_args end, case when v_by ? 'queue' then coalesce(p_opts ->> 'queue', 'default') end, v_period), 'hex'));
    end if;
    if u ->> 'until' = 'window' and not u ? 'until_at' then
        if v_period is null then
            perform refuse_input('unique', 'until = window needs period_s: the window');
        end if;
        u := u || jsonb_build_object('until_at', (v_period + 1) * (u ->> 'period_s')::numeric);
    end if;
    return p_opts || jsonb_build_object('unique', u - '{by,period_s}'::text[]);
end $$;

create function read_unique(p_unique jsonb, p_on_conflict text) returns unique_option
language plpgsql stable as $$
declare
    v unique_option;
begin
    if jsonb_typeof(p_unique -> 'key') <> 'string' or p_unique ->> 'key' !~ '^[0-9a-f]{32}$' then
        perform refuse_input('unique', 'key must be 32 hexadecimal digits');
    elsif p_unique ? 'until_at' and (jsonb_typeof(p_unique -> 'until_at') <> 'number' or (p_unique ->> 'until_at')::numeric not between 0 and 253402300799
                                     or p_unique ->> 'until' is distinct from 'window') then
        perform refuse_input('unique', 'until_at must be seconds since 1970, and is for until = window');
    end if;
    v.on_conflict := p_on_conflict;
    v.key := decode(p_unique ->> 'key', 'hex');
    v.states := unique_states(p_unique);
    v.until := to_timestamp((p_unique ->> 'until_at')::double precision);
    return v;
end $$;
