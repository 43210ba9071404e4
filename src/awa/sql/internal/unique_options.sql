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

create function read_unique(p_unique jsonb, p_on_conflict text, p_kind text, p_args jsonb, p_queue text) returns unique_option
language plpgsql volatile as $$
declare
    v unique_option;
    v_period bigint := unique_period(p_unique);
begin
    v.on_conflict := p_on_conflict;
    v.states := unique_states(p_unique);
    if p_unique ? 'key' then
        if jsonb_typeof(p_unique -> 'key') <> 'string' or p_unique ->> 'key' !~ '^[0-9a-f]{32}$' then
            perform refuse_input('unique', 'key must be 32 hexadecimal digits');
        end if;
        v.key := decode(p_unique ->> 'key', 'hex');
    else
        if p_unique ? 'by' and (jsonb_typeof(p_unique -> 'by') <> 'array' or not (p_unique -> 'by') <@ '["args", "queue"]') then
            perform refuse_input('unique', 'by must be a list of args and queue');
        end if;
        v.key := unique_key(p_kind, case when coalesce(p_unique -> 'by', '["args"]') ? 'args' then p_args end,
                            case when p_unique -> 'by' ? 'queue' then p_queue end, v_period);
    end if;
    if p_unique ->> 'until' = 'window' then
        if v_period is null and not p_unique ? 'until_at' then
            perform refuse_input('unique', 'until = window needs period_s: the window');
        end if;
        v.until := to_timestamp(coalesce((p_unique ->> 'until_at')::double precision, (v_period + 1) * (p_unique ->> 'period_s')::double precision));
    end if;
    return v;
end $$;
