-- rescue_worker: a worker is lost; what it holds is given back.
--   spec      Storage!RescueWorker          event    rescue_worker (when something was closed, or the row went)
--   requires  the caller's own observation: in an unbroken session it saw the counter stand at `beat` for
--             long enough. A null beat says that the worker has no row. Neither clocks nor locks are asked here
--   outcome   'alive' when the counter is another or, with a null beat, the row exists: nothing was done.
--             Else 'gone', with the entries that were given back or ended, the claims that were busy, and of the
--             attempts that ended those of `kinds`, for the caller's hooks: 2,000 and 8 MB of arguments at the most
--   touches   delete workers (0 or 1); per open claims row as heartbeat
--   one step  the row goes first: a beat that waits for it hears that it is gone. A claim of that worker which
--             commits later is open under no row, so a later call with a null beat finds it. With a beat only calls
--             after those that the last beats had dealt with are looked at, so a long life costs no time here;
--             with a null beat all are.
create function rescue_worker(worker bigint, beat bigint, max_claims int default 500, kinds text[] default '{}')
returns table (answer text, released int, ended int, busy int, rescued jsonb)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    v_closings closing[];
    v_disposal disposal;
    v_gone boolean;
    v_from bigint;
begin
    perform require_read_committed('rescue_worker');
    perform require_number('worker', rescue_worker.worker);
    perform check_count('max_claims', rescue_worker.max_claims, 500);
    delete from workers w where w.worker = rescue_worker.worker and w.beat = rescue_worker.beat
    returning w.reconciled into v_from;
    v_gone := found;
    if not v_gone and exists (select from workers w where w.worker = rescue_worker.worker) then
        return query select 'alive', 0, 0, 0, '[]'::jsonb;
        return;
    end if;
    v_closings := close_rows(open_rows_where('c.worker = $1 and c.call > $2', rescue_worker.worker, coalesce(v_from, -1), null, null, null, null, rescue_worker.max_claims), 'lost', 0);
    v_disposal := dispose_unheard(v_closings, 'lost', 'lost', 'the worker was lost');
    if v_gone or count_settled(v_closings) > 0 then
        perform tell_workers(array[rescue_worker.worker]);
        if tracing() then
            perform emit(jsonb_build_object('a', 'rescue_worker', 'worker', rescue_worker.worker, 'beat', rescue_worker.beat,
                'answer', 'gone', 'items', closing_items(v_closings)) || disposed(v_disposal));
        end if;
    end if;
    return query select 'gone', count_settled(v_closings) - cardinality(v_disposal.ended), cardinality(v_disposal.ended), busy_items(v_closings),
                        rescued_of(v_closings, rescue_worker.kinds);
end $$;
