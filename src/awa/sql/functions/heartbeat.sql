-- heartbeat: a worker lives, and says which of its claim calls it still knows of.
--   spec      Storage!Heartbeat             event    heartbeat
--   requires  READ COMMITTED, a transaction of its own. upto: the last claim call the worker had sent when
--             it built the list; open_calls: of the calls up to that one, those still open or unanswered
--   outcome   'alive' with how many entries were released and how many claims are busy (somebody settles
--             them: look again), or 'gone': the row is not there any more, the worker cancels what it runs
--             and starts anew
--   touches   update workers (1, HOT); for calls up to upto that are not named: insert closures, and
--             one of ready, deferred (from the second loss on), finals, dlq (past losses_max)
--   one step  the row's update comes first; claims are looked up after it and closed under their locks.
--             Only calls up to upto: one sent later may be executing while an older list arrives. A
--             release counts as a loss: the worker lost the reply or the bodies.
create function heartbeat(worker bigint, beat bigint, upto bigint, open_calls int8multirange)
returns table (answer text, released int, busy int)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    v_from bigint;
    v_rows open_rows;
    v_closings closing[];
    v_busy int;
    v_disposal disposal;
begin
    perform require_read_committed('heartbeat');
    perform require_number('worker', heartbeat.worker);
    perform require_number('beat', heartbeat.beat);
    perform require_number('upto', heartbeat.upto);
    if heartbeat.open_calls is null or lower_inf(heartbeat.open_calls) then
        perform refuse_input('open_calls', 'must be a set of call numbers');
    end if;
    update workers w
    set beat = greatest(w.beat, heartbeat.beat), beat_at = clock_timestamp(), run = server_run(),
        reconciled = greatest(w.reconciled, least(heartbeat.upto, lower(heartbeat.open_calls) - 1))
    where w.worker = heartbeat.worker
    -- what earlier beats have dealt with is looked at again every twelfth time: a call whose reply said
    -- "empty" may yet be executed by a connection that was stuck
    returning case when heartbeat.beat % 12 = 0 then 0 else (select o.reconciled from workers o where o.worker = heartbeat.worker) end
    into v_from;
    if not found then
        return query select 'gone', 0, 0;
        return;
    end if;
    v_rows := open_rows_where('c.worker = $1 and c.call > $2 and c.call <= $3 and not $4 @> c.call',
                              heartbeat.worker, v_from, heartbeat.upto, heartbeat.open_calls, null, null, 500);
    v_closings := close_rows(v_rows, 'lost', heartbeat.upto);
    v_busy := busy_items(v_closings);
    v_closings := array(select c from unnest(v_closings) c where c.answer = 'found');
    v_disposal := dispose_unheard(v_closings, 'lost', 'lost', 'the worker does not know of the claim: its reply or its bodies were lost');
    if tracing() then
        perform emit(jsonb_build_object('a', 'heartbeat', 'worker', heartbeat.worker, 'beat', heartbeat.beat, 'upto', heartbeat.upto,
            'open', heartbeat.open_calls::text, 'answer', 'alive', 'items', closing_items(v_closings)) || disposed(v_disposal));
    end if;
    return query select 'alive', count_settled(v_closings), v_busy;
end $$;
