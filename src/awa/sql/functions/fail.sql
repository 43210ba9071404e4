-- fail: attempts failed for good; their jobs end, as failed or as dead letters by the queue's policy.
--   spec      Storage!Fail                  event    fail
--   requires  as complete; error_items, error_seqs and errors side by side: what went wrong
--   outcome   as complete; 'dead_lettered' for those that became dead letters
--   touches   insert closures (one per item with open numbers), finals or dlq (one per settled number)
--   one step  closing and writing the end are one transaction.
create function fail(worker bigint, settle_id bigint, slots smallint[], tokens bigint[], parts smallint[], seqs int8multirange[],
    error_items int[] default '{}', error_seqs bigint[] default '{}', errors jsonb[] default '{}')
returns table (item int, answer text, numbers int8multirange)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_faults fault[];
    v_closings closing[];
    v_disposal disposal;
begin
    perform require_read_committed('fail');
    perform check_items(fail.settle_id, fail.slots, fail.tokens, fail.parts, fail.seqs);
    v_faults := check_faults(fail.error_items, fail.error_seqs, fail.errors, '{}');
    v_closings := close_entries(fail.slots, fail.tokens, fail.parts, fail.seqs, 'failed', fail.settle_id);
    v_disposal := dispose(v_closings, 'failed', v_faults);
    if tracing() then
        perform emit(jsonb_build_object('a', 'fail', 'worker', fail.worker, 'settle', fail.settle_id,
                                        'items', closing_items(v_closings)) || disposed(v_disposal));
    end if;
    return query select * from settle_answers(v_closings, array(select e from unnest(v_disposal.ended) e where e.dead));
end $$;
