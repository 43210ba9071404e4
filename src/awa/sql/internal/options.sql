-- The options of an enqueue, checked before anything is written.

-- shard_key: null spreads jobs over the queue's shards.
create type enqueue_options as (queue text, priority smallint, max_attempts smallint, extra jsonb, shard_key text,
                                run_at timestamptz, delay_s double precision, unique_job jsonb, on_conflict text);

-- A unique job's key, the states in which it holds it ({started}: until it is claimed), or until when.
create type unique_option as (key bytea, states text[], until timestamptz, on_conflict text);

create function refuse_kind(p_kind text) returns void
language plpgsql as $$
begin
    perform refuse_input('kind', 'must be a string of 1 to 200 characters');
end $$;

-- An integer option within bounds, or its default.
create function int_option(p_opts jsonb, p_name text, p_lo int, p_hi int, p_default int) returns int
language plpgsql immutable as $$
declare
    v jsonb := p_opts -> p_name;
begin
    if v is null then
        return p_default;
    end if;
    if jsonb_typeof(v) <> 'number' or v::numeric <> trunc(v::numeric) or v::numeric not between p_lo and p_hi then
        perform refuse_input(p_name, format('must be an integer from %s to %s, not %s', p_lo, p_hi, v));
    end if;
    return v::int;
end $$;

-- A span of time that 0 turns off. It is counted from a claim, whose answer takes longer than a millisecond to
-- reach anybody: less fails every attempt before it begins. Bounded above so that every language can hold it.
create function check_span(p_opts jsonb, p_name text) returns void
language plpgsql immutable as $$
begin
    if jsonb_typeof(p_opts -> p_name) <> 'number' or (p_opts ->> p_name)::numeric <> 0 and (p_opts ->> p_name)::numeric not between 0.001 and 3153600000 then
        perform refuse_input(p_name, format('must be a number of seconds from 0.001 to 3153600000, or 0 for none, not %s', p_opts -> p_name));
    end if;
end $$;

-- What few jobs have: tags, metadata, deadline_s.
create function extra_options(p_opts jsonb) returns jsonb
language plpgsql immutable as $$
declare
    v_extra jsonb := '{}';
    v jsonb;
begin
    if p_opts ? 'tags' then
        v := p_opts -> 'tags';
        if jsonb_typeof(v) <> 'array' or jsonb_array_length(v) > 20
           or exists (select from jsonb_array_elements(v) t where jsonb_typeof(t) <> 'string') then
            perform refuse_input('tags', 'must be a list of at most 20 strings');
        end if;
        v_extra := v_extra || jsonb_build_object('tags', v);
    end if;
    if p_opts ? 'metadata' then
        if jsonb_typeof(p_opts -> 'metadata') <> 'object' then
            perform refuse_input('metadata', 'must be an object');
        end if;
        v_extra := v_extra || jsonb_build_object('metadata', p_opts -> 'metadata');
    end if;
    if p_opts ? 'deadline_s' then
        perform check_span(p_opts, 'deadline_s');
        v_extra := v_extra || jsonb_build_object('deadline_s', p_opts -> 'deadline_s');
    end if;
    if p_opts ? 'ordering_key' then
        if jsonb_typeof(p_opts -> 'ordering_key') <> 'string' or char_length(p_opts ->> 'ordering_key') not between 1 and 200 then
            perform refuse_input('ordering_key', 'must be a string of 1 to 200 characters');
        end if;
        v_extra := v_extra || jsonb_build_object('ordering_key', p_opts -> 'ordering_key');
    end if;
    return v_extra;
end $$;

-- When the job is to run first.
create function with_time(p_options enqueue_options, p_opts jsonb) returns enqueue_options
language plpgsql stable as $$
declare
    v enqueue_options := p_options;
begin
    if p_opts ?& '{run_at,delay_s}' then
        perform refuse_input('delay_s', 'and run_at say the same thing: give one of them');
    elsif p_opts ? 'delay_s' then
        if jsonb_typeof(p_opts -> 'delay_s') <> 'number' or (p_opts ->> 'delay_s')::numeric not between 0 and 3153600000 then
            perform refuse_input('delay_s', 'must be a number of seconds from 0 to 3153600000');
        end if;
        v.delay_s := (p_opts ->> 'delay_s')::double precision;
        return v;
    elsif jsonb_typeof(p_opts -> 'run_at') <> 'string' or p_opts ->> 'run_at' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9]{2}:?[0-9]{2})$' then
        perform refuse_input('run_at', 'must be a date and time with its offset, such as 2030-01-31T12:00:00+00:00');
    end if;
    begin
        v.run_at := (p_opts ->> 'run_at')::timestamptz;
    exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
        perform refuse_input('run_at', format('is no date and time: %s', sqlerrm));
    end;
    return v;
end $$;

-- Whether the job is unique, and what an older one of its key does to it.
create function with_unique(p_options enqueue_options, p_opts jsonb) returns enqueue_options
language plpgsql stable as $$
declare
    v enqueue_options := p_options;
    v_unknown text;
begin
    v.on_conflict := coalesce(p_opts ->> 'on_conflict', 'raise');
    if v.on_conflict not in ('raise', 'return', 'replace', 'skip') then
        perform refuse_input('on_conflict', 'must be raise, return, replace or skip');
    elsif not p_opts ? 'unique' then
        perform refuse_input('on_conflict', 'is for unique jobs: give unique as well');
    elsif jsonb_typeof(p_opts -> 'unique') <> 'object' then
        perform refuse_input('unique', 'must be an object such as {"by": ["args"]}');
    end if;
    select min(k) into v_unknown from jsonb_object_keys(p_opts -> 'unique') k
    where k not in ('key', 'until', 'states', 'until_at');    -- by and period_s are in the key by now
    if v_unknown is not null then
        perform refuse_input('unique', format('%s is not a part of it', v_unknown));
    end if;
    v.unique_job := p_opts -> 'unique';
    v.extra := v.extra || jsonb_build_object('unique', v.unique_job);
    return v;
end $$;

create function read_options(p_opts jsonb) returns enqueue_options
language plpgsql stable as $$
declare
    v enqueue_options := row ('default', 2, 25, '{}', null, null, null, null, 'raise');
    v_unknown text;
begin
    if p_opts = '{}' then
        return v;
    end if;
    if p_opts is null or jsonb_typeof(p_opts) <> 'object' then
        perform refuse_input('opts', 'must be an object');
    end if;
    select min(k) into v_unknown from jsonb_object_keys(p_opts) k
    where k not in ('queue', 'priority', 'max_attempts', 'tags', 'metadata', 'deadline_s',
                    'ordering_key', 'run_at', 'delay_s', 'unique', 'on_conflict');
    if v_unknown is not null then
        perform refuse_input(v_unknown, 'is not an option of this version');
    end if;
    if p_opts ? 'queue' then
        v.queue := p_opts ->> 'queue';
        if jsonb_typeof(p_opts -> 'queue') <> 'string' or char_length(v.queue) not between 1 and 200 then
            perform refuse_input('queue', 'must be a string of 1 to 200 characters');
        end if;
    end if;
    v.priority := int_option(p_opts, 'priority', 1, 4, 2);
    v.max_attempts := int_option(p_opts, 'max_attempts', 1, 1000, 25);
    v.extra := extra_options(p_opts);
    v.shard_key := p_opts ->> 'ordering_key';
    if p_opts ?| '{run_at,delay_s}' then
        v := with_time(v, p_opts);
    end if;
    if p_opts ?| '{unique,on_conflict}' then
        v := with_unique(v, p_opts);
    end if;
    return v;
end $$;

