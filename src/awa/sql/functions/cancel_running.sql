-- cancel_running: attempts end because somebody wants it: the handler itself, or an operator.
--   spec      Storage!CancelRunning         event    cancel_running
--   requires  as complete; a null worker is an operator, who copies the receipt from the view attempts: what
--             is cancelled is the attempt that was looked at, and its worker is told
--   outcome   as complete
--   touches   insert closures (one per item with open numbers), finals (one per settled number)
--   one step  closing and writing the end are one transaction; workers hear of it with its commit.
create function cancel_running(worker bigint, settle_id bigint, slots smallint[], tokens bigint[], parts smallint[], seqs int8multirange[], reason text default null)
returns table (item int, answer text, numbers int8multirange)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_closings closing[];
    v_disposal disposal;
begin
    perform require_read_committed('cancel_running');
    perform check_items(cancel_running.settle_id, cancel_running.slots, cancel_running.tokens, cancel_running.parts, cancel_running.seqs);
    v_closings := close_entries(cancel_running.slots, cancel_running.tokens, cancel_running.parts, cancel_running.seqs, 'cancelled', cancel_running.settle_id);
    v_disposal := dispose(v_closings, 'cancelled', '{}', cancel_running.reason);
    if cancel_running.worker is null then
        perform tell_holders(v_closings);
    end if;
    if tracing() then
        perform emit(jsonb_build_object('a', 'cancel_running', 'worker', cancel_running.worker, 'settle', cancel_running.settle_id,
                                        'items', closing_items(v_closings)) || disposed(v_disposal));
    end if;
    return query select * from settle_answers(v_closings);
end $$;
