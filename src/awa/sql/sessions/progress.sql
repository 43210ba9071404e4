-- Progress: what handlers say while they run, beside their open attempts, in rows that only such attempts have.

-- Of these items, those that are open in this slot.
create function open_items(p_slot smallint, p_items int[], p_tokens bigint[], p_parts smallint[], p_seqs bigint[]) returns int[]
language plpgsql as $$
declare
    v_open int[];
begin
    execute format(
        'select array_agg(u.item) from unnest($1, $2, $3, $4) u (item, token, part, seq) '
        'where exists (select from claims_%1$s c where c.token = u.token and c.part = u.part and c.seqs @> u.seq) '
        'and not exists (select from closures_%1$s x where x.token = u.token and x.part = u.part and x.seqs @> u.seq)', p_slot)
    into v_open using p_items, p_tokens, p_parts, p_seqs;
    return coalesce(v_open, '{}');
end $$;

-- note_progress: the latest of some attempts. Called again with an older note it changes nothing, so a call that
-- comes late undoes no newer one.
--   outcome   per item 'noted' (this, or something newer); 'stale' (the attempt has ended); 'busy' (somebody holds
--             the claim's lock: ask again)
--   touches   leases: a row for each attempt, updated in place
--   one step  the claim's lock, by which attempts end, is taken before the look
create function note_progress(worker bigint, tokens bigint[], parts smallint[], seqs bigint[], notes int[], progress jsonb[])
returns table (item int, answer text)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    n int := cardinality(tokens);
    v_mine int[];
    v_open int[];
    v_noted int[] := '{}';
    v_slot smallint;
begin
    perform require_read_committed('note_progress');
    perform check_count('tokens', n, 500);
    if cardinality(parts) is distinct from n or cardinality(seqs) is distinct from n or cardinality(notes) is distinct from n
       or cardinality(note_progress.progress) is distinct from n then
        perform refuse_input('tokens', 'tokens, parts, seqs, notes and progress must be arrays of one length');
    elsif exists (select from unnest(note_progress.progress) p where p is null or octet_length(p::text) > 32768) then
        perform refuse_input('progress', 'must be JSON of at most 32768 bytes');
    end if;
    v_mine := lock_tokens(tokens);
    foreach v_slot in array lock_live_slots() loop
        v_open := open_items(v_slot, v_mine, array(select tokens[i] from unnest(v_mine) i), array(select parts[i] from unnest(v_mine) i),
                             array(select seqs[i] from unnest(v_mine) i));
        continue when cardinality(v_open) = 0;
        execute format(
            'insert into leases_%1$s as l (lane, seq, token, slot, part, noted, progress) '
            'select c.lane, $3[i], $1[i], %1$s, $2[i], $4[i], $5[i] from unnest($6) i '
            'join claims_%1$s c on c.token = $1[i] and c.part = $2[i] and c.seqs @> $3[i] '
            'on conflict (lane, seq) do update set noted = excluded.noted, progress = excluded.progress where l.noted < excluded.noted', v_slot)
        using tokens, parts, seqs, notes, note_progress.progress, v_open;
        v_noted := v_noted || v_open;
    end loop;
    return query
    select i, case when i = any (v_noted) then 'noted' when i = any (v_mine) then 'stale' else 'busy' end
    from generate_series(1, n) i;
end $$;
