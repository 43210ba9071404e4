-- release: attempts are given back unfinished; their jobs are available again at once.
--   spec      Storage!Release               event    release
--   requires  as complete
--   outcome   as complete
--   touches   insert closures (one per item with open numbers), ready (one per settled number: the same
--             job and attempt, the next run_lease, a new number at the end of its lane)
--   one step  closing and appending are one transaction: a job is never in two places, nor in none.
--             The claim locks come first, then the lanes' in-flight locks in lane order.
create function release(worker bigint, settle_id bigint, slots smallint[], tokens bigint[], parts smallint[], seqs int8multirange[])
returns table (item int, answer text, numbers int8multirange)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_closings closing[];
    v_disposal disposal;
begin
    perform require_read_committed('release');
    perform check_items(release.settle_id, release.slots, release.tokens, release.parts, release.seqs);
    v_closings := close_entries(release.slots, release.tokens, release.parts, release.seqs, 'released', release.settle_id);
    v_disposal := dispose(v_closings, 'released', '{}');
    if tracing() then
        perform emit(jsonb_build_object('a', 'release', 'worker', release.worker, 'settle', release.settle_id,
                                        'items', closing_items(v_closings)) || disposed(v_disposal));
    end if;
    return query select * from settle_answers(v_closings);
end $$;
