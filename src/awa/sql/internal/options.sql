-- The options of an enqueue, checked before anything is written.

create type enqueue_options as (queue text, priority smallint, max_attempts smallint, extra jsonb);

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
        -- bounded as a queue's is, and so that every worker's language can hold it
        if jsonb_typeof(p_opts -> 'deadline_s') <> 'number' or (p_opts ->> 'deadline_s')::numeric not between 0 and 3153600000 then
            perform refuse_input('deadline_s', 'must be a number of seconds from 0 (none) to 3153600000');
        end if;
        v_extra := v_extra || jsonb_build_object('deadline_s', p_opts -> 'deadline_s');
    end if;
    return v_extra;
end $$;

create function read_options(p_opts jsonb) returns enqueue_options
language plpgsql immutable as $$
declare
    v enqueue_options := row ('default', 2, 25, '{}');
    v_unknown text;
begin
    if p_opts = '{}' then
        return v;
    end if;
    if p_opts is null or jsonb_typeof(p_opts) <> 'object' then
        perform refuse_input('opts', 'must be an object');
    end if;
    select min(k) into v_unknown from jsonb_object_keys(p_opts) k
    where k not in ('queue', 'priority', 'max_attempts', 'tags', 'metadata', 'deadline_s');
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
    return v;
end $$;
