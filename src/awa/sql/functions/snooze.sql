-- snooze: attempts are given back until a time; they do not count.
--   spec      Storage!Snooze                event    snooze
--   requires  as complete; delays_s: for each item, in how many seconds its jobs are due again
--   outcome   as complete
--   touches   insert closures (one per item with open numbers), deferred (one per settled number)
--   one step  closing and deferring are one transaction. The timer is told last, under a lock taken
--             before the first row.
create function snooze(worker bigint, settle_id bigint, slots smallint[], tokens bigint[], parts smallint[], seqs int8multirange[], delays_s double precision[])
returns table (item int, answer text, numbers int8multirange)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_faults fault[];
    v_closings closing[];
    v_disposal disposal;
begin
    perform require_read_committed('snooze');
    perform check_items(snooze.settle_id, snooze.slots, snooze.tokens, snooze.parts, snooze.seqs);
    if cardinality(snooze.delays_s) is distinct from cardinality(snooze.tokens) or array_position(snooze.delays_s, null) is not null then
        perform refuse_input('delays_s', 'must hold one number for each item');
    end if;
    perform check_seconds('delays_s', snooze.delays_s);
    v_faults := array(select row (d.item, null, null, d.s)::fault from unnest(snooze.delays_s) with ordinality d (s, item));
    v_closings := close_entries(snooze.slots, snooze.tokens, snooze.parts, snooze.seqs, 'snoozed', snooze.settle_id);
    v_disposal := dispose(v_closings, 'snoozed', v_faults);
    if tracing() then
        perform emit(jsonb_build_object('a', 'snooze', 'worker', snooze.worker, 'settle', snooze.settle_id,
                                        'items', closing_items(v_closings)) || disposed(v_disposal));
    end if;
    return query select * from settle_answers(v_closings);
end $$;
