-- complete: handlers returned; their attempts end with success.
--   spec      Storage!Complete              event    complete
--   requires  READ COMMITTED; receipts (slot, token, part, numbers); each (token, part) once; 500 at most.
--             result_items, result_seqs and results say the results of those that have one: the item's
--             place (from 1), the number, the value. waits, with one item: in a handler's own transaction, which commits
--             next and must not be told 'busy'.
--   outcome   per item and answer the numbers: 'settled'; 'already' (by this settle id: the reply was
--             lost); 'stale' (released, rescued or settled before: nothing is written for them);
--             'ended' (no such claim any more); 'busy' (somebody holds the claim's lock: ask again)
--   touches   insert closures (one per item with open numbers), results (those that are stored)
--   one step  the claim locks are taken before the one statement per slot that looks and writes: tried, or
--             waited for where it is one alone.
create function complete(worker bigint, settle_id bigint, slots smallint[], tokens bigint[], parts smallint[], seqs int8multirange[],
                         result_items int[] default '{}', result_seqs bigint[] default '{}', results jsonb[] default '{}',
                         waits boolean default false)
returns table (item int, answer text, numbers int8multirange)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_closings closing[];
begin
    perform require_read_committed('complete');
    perform check_items(complete.settle_id, complete.slots, complete.tokens, complete.parts, complete.seqs);
    perform check_results(complete.result_items, complete.result_seqs, complete.results);
    if complete.waits then
        perform await_token(complete.tokens);
    end if;
    v_closings := close_entries(complete.slots, complete.tokens, complete.parts, complete.seqs, 'completed', complete.settle_id);
    if cardinality(complete.result_items) > 0 then
        insert into results (slot, lane, seq, result)
        select c.slot, c.lane, r.seq, r.result
        from unnest(complete.result_items, complete.result_seqs, complete.results) r (item, seq, result)
        join unnest(v_closings) c on c.item = r.item
        where c.settled @> r.seq and r.result is not null;
    end if;
    if tracing() then
        perform emit(jsonb_build_object('a', 'complete', 'worker', complete.worker, 'settle', complete.settle_id,
                                        'items', closing_items(v_closings)));
    end if;
    return query select * from settle_answers(v_closings);
end $$;
