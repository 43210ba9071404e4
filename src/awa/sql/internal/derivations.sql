-- What every language derives alike: the unique key and the ordering shard, as docs/derivations.md has them.

-- Compact JSON: keys in the order of their UTF-8 bytes, no spaces, text as it is but for what JSON must escape.
-- Refuses numbers that languages print differently; p_field names the place.
create function canonical_json(p_value jsonb, p_field text) returns text
language plpgsql immutable as $$
begin
    case jsonb_typeof(p_value)
    when 'object' then
        return (select '{' || coalesce(string_agg(to_json(e.key) || ':' || canonical_json(e.value, p_field || '.' || e.key), ','
                                                  order by convert_to(e.key, 'UTF8')), '') || '}'
                from jsonb_each(p_value) e);
    when 'array' then
        return (select '[' || coalesce(string_agg(canonical_json(e.value, format('%s[%s]', p_field, e.ord - 1)), ',' order by e.ord), '') || ']'
                from jsonb_array_elements(p_value) with ordinality as e (value, ord));
    when 'number' then
        if p_value::text !~ '^-?[0-9]+$' then
            perform refuse_input(p_field, 'is a float, which a unique key cannot take: languages print them differently');
        elsif abs(p_value::numeric) > 9007199254740992 then
            perform refuse_input(p_field, 'is beyond 2^53; a unique key takes integers from -2^53 to 2^53');
        end if;
    else
        null;
    end case;
    return p_value::text;
end $$;

-- unique_key: 16 bytes that are equal when the kind and all that was chosen are equal. What is null was not
-- chosen. A period's bucket is floor(seconds since 1970 / its length in seconds).
create function unique_key(kind text, args jsonb default null, queue text default null, period_bucket bigint default null)
returns bytea
language plpgsql immutable security definer set search_path from current as $$
begin
    if unique_key.kind is null or char_length(unique_key.kind) not between 1 and 200 then
        perform refuse_input('kind', 'must be a string of 1 to 200 characters');
    end if;
    return substring(blake3(
        convert_to(unique_key.kind, 'UTF8')
        || coalesce(decode('00', 'hex') || convert_to(unique_key.queue, 'UTF8'), '')
        || coalesce(decode('00', 'hex') || convert_to(canonical_json(unique_key.args, 'args'), 'UTF8'), '')
        || coalesce(decode('00', 'hex') || little_endian(unique_key.period_bucket, 8), '')) for 16);
end $$;

-- ordering_shard: which of a queue's shards, from 0, the jobs with this key go to. Per byte of the key
-- h := h * (2^40 + 435) + byte modulo 2^64, in two halves, because a bigint neither wraps nor is unsigned.
create function ordering_shard(key text, shards int) returns int
language plpgsql immutable strict security definer set search_path from current as $$
declare
    v_bytes bytea := convert_to(ordering_shard.key, 'UTF8');
    v_high bigint := 3421674724;
    v_low bigint := 2216829733;
    v_sum bigint;
begin
    if ordering_shard.shards not between 1 and 64 then
        perform refuse_input('shards', 'must be an integer from 1 to 64');
    end if;
    for i in 0..length(v_bytes) - 1 loop
        v_sum := v_low * 435 + get_byte(v_bytes, i);
        v_high := v_high * 435 + (v_low << 8 & 4294967295) + (v_sum >> 32) & 4294967295;
        v_low := v_sum & 4294967295;
    end loop;
    return (v_high % shards * (4294967296 % shards) + v_low) % shards;
end $$;
