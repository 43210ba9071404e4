-- note_progress: what attempts say of their progress, the latest of each.
--   spec      Storage!NoteProgress          event    note_progress
--   requires  READ COMMITTED; receipts side by side, at most 500, an attempt once; notes: for each a number that
--             grows within its attempt; progress: JSON of at most 32768 bytes each
--   outcome   per item 'noted' (this, or something newer); 'stale' (the attempt has ended); 'busy' (somebody holds
--             the claim's lock: ask again)
--   touches   leases: a row for each attempt, updated in place
--   one step  the claim's lock, by which attempts end, is taken before the look. An older note changes nothing, so
--             a call that comes late undoes no newer one.
create function note_progress(worker bigint, tokens bigint[], parts smallint[], seqs bigint[], notes int[], progress jsonb[])
returns table (item int, answer text)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    n int := cardinality(tokens);
    v_mine int[];
    v_found noted_item[];
    v_known noted_item[] := '{}';
    v_slot smallint;
begin
    perform require_read_committed('note_progress');
    perform check_count('tokens', n, 500);
    if cardinality(parts) is distinct from n or cardinality(seqs) is distinct from n or cardinality(notes) is distinct from n
       or cardinality(note_progress.progress) is distinct from n then
        perform refuse_input('tokens', 'tokens, parts, seqs, notes and progress must be arrays of one length');
    elsif exists (select from unnest(note_progress.progress) p where p is null or octet_length(p::text) > 32768) then
        perform refuse_input('progress', 'must be JSON of at most 32768 bytes');
    elsif n > (select count(*) from (select distinct tokens[i], parts[i], seqs[i] from generate_series(1, n) i) d) then
        perform refuse_input('seqs', 'must name each attempt once');
    end if;
    v_mine := lock_tokens(tokens);
    foreach v_slot in array lock_live_slots() loop
        v_found := noted_in(v_slot, v_mine, tokens, parts, seqs);
        continue when cardinality(v_found) = 0;
        execute format(
            'insert into leases_%1$s as l (lane, seq, token, slot, part, noted, progress) '
            'select f.lane, $3[f.item], $1[f.item], f.slot, $2[f.item], $4[f.item], $5[f.item] from unnest($6) f where f.is_open '
            'on conflict (lane, seq) do update set noted = excluded.noted, progress = excluded.progress where l.noted < excluded.noted', v_slot)
        using tokens, parts, seqs, notes, note_progress.progress, v_found;
        v_known := v_known || v_found;
    end loop;
    if tracing() and cardinality(v_known) > 0 then
        perform emit(jsonb_build_object('a', 'note_progress', 'worker', note_progress.worker, 'notes', (
            select jsonb_agg(jsonb_build_array(k.lane, tokens[k.item], parts[k.item], seqs[k.item], notes[k.item],
                                               progress_print(note_progress.progress[k.item]), case when k.is_open then 'noted' else 'stale' end) order by k.item)
            from unnest(v_known) k)));
    end if;
    return query
    select i, case when i in (select k.item from unnest(v_known) k where k.is_open) then 'noted' when i = any (v_mine) then 'stale' else 'busy' end
    from generate_series(1, n) i;
end $$;
