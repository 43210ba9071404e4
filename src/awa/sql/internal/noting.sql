-- Progress: what handlers say while they run, beside their open attempts, in rows that only such attempts have.

-- An item of a note whose claim is known.
create type noted_item as (item int, lane int, slot smallint, is_open boolean);

-- Of these items, those of a claim in this slot, each with whether its attempt is open.
create function noted_in(p_slot smallint, p_items int[], p_tokens bigint[], p_parts smallint[], p_seqs bigint[]) returns noted_item[]
language plpgsql as $$
declare
    v_found noted_item[];
begin
    execute format(
        'select array_agg(row (u.item, c.lane, %1$s, not exists ('
        '           select from closures_%1$s x where x.token = u.token and x.part = u.part and x.seqs @> u.seq))::noted_item) '
        'from (select i, $2[i], $3[i], $4[i] from unnest($1) i) u (item, token, part, seq) '
        'join claims_%1$s c on c.token = u.token and c.part = u.part and c.seqs @> u.seq', p_slot)
    into v_found using p_items, p_tokens, p_parts, p_seqs;
    return coalesce(v_found, '{}');
end $$;

-- What progress a trace speaks of: enough to tell two apart.
create function progress_print(p_progress jsonb) returns text
language sql immutable as $$ select left(md5(p_progress::text), 12) $$;
