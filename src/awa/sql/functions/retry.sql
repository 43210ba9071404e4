-- retry: attempts failed; their jobs wait for the next one, or end when there is none left.
--   spec      Storage!Retry                 event    retry
--   requires  as complete; error_items, error_seqs, errors and delays_s side by side: what went wrong with
--             an attempt, and in how many seconds to try again (null: min(2^attempt * (1 + 0.25 u), 24 h))
--   outcome   as complete; besides 'failed' or 'dead_lettered' for jobs that had no attempt left
--   touches   insert closures (one per item with open numbers), and per settled number one of deferred,
--             finals, dlq
--   one step  closing and deferring are one transaction: a job is never in two places, nor in none.
--             The timer is told last, under a lock taken before the first row.
create function retry(worker bigint, settle_id bigint, slots smallint[], tokens bigint[], parts smallint[], seqs int8multirange[],
    error_items int[] default '{}', error_seqs bigint[] default '{}', errors jsonb[] default '{}', delays_s double precision[] default '{}')
returns table (item int, answer text, numbers int8multirange)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_faults fault[];
    v_closings closing[];
    v_disposal disposal;
begin
    perform require_read_committed('retry');
    perform check_items(retry.settle_id, retry.slots, retry.tokens, retry.parts, retry.seqs);
    v_faults := check_faults(retry.error_items, retry.error_seqs, retry.errors, retry.delays_s);
    v_closings := close_entries(retry.slots, retry.tokens, retry.parts, retry.seqs, 'retried', retry.settle_id);
    v_disposal := dispose(v_closings, 'retried', v_faults);
    if tracing() then
        perform emit(jsonb_build_object('a', 'retry', 'worker', retry.worker, 'settle', retry.settle_id,
                                        'items', closing_items(v_closings)) || disposed(v_disposal));
    end if;
    return query select * from settle_answers(v_closings, v_disposal.ended);
end $$;
