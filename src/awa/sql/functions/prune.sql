-- prune: a slot proven finished is emptied.
--   spec      Storage!Prune                 event    prune (when the slot was emptied, or something re-appended)
--   requires  READ COMMITTED, a transaction of its own: its locks are held until the end
--   outcome   'pruned' with the bytes that came back (0: it was empty); 'needed': an entry is pending or open,
--             or an attempt ended less than keep_s ago; 'current': new entries go there; 'held': somebody's
--             lock on the slot is old (a dump, a vacuum, a forgotten reader): try later, work goes on
--             meanwhile; 'busy': others were quicker for 30 ms, or maintain the ring: try soon.
--             reappended: entries found that nobody would have claimed, enqueued again and reported
--   touches   TRUNCATE of the slot's five tables; update lanes (floors; the highest number emptied, where it is above
--             them); delete unique_keys of the jobs that completed here; for what is re-appended: insert closures, ready
--   one step  under the maintenance lock: SHARE on ready, the proof from the slot's own rows, ACCESS
--             EXCLUSIVE in the order ready, claims, closures, results, leases, the lanes' states into their
--             floors (claims read these last), TRUNCATE. Each lock is waited for 30 ms at most, less than
--             any deadlock_timeout.
create function prune(slot smallint, keep_s double precision default 86400)
returns table (answer text, freed_bytes bigint, reappended int)
language plpgsql security definer set search_path from current set lock_timeout = '30ms'
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_answer text;
    v_proof proof := row (false, '[]');
    v_floors jsonb := '[]';
    v_bytes bigint;
begin
    perform check_seconds('keep_s', prune.keep_s);
    v_answer := case
        when not begin_maintenance('prune', prune.slot) then 'busy'
        when prune.slot = current_slot() then 'current'
        when slot_is_empty(prune.slot) then 'pruned'
        when has_old_holder(prune.slot) then 'held'
    end;
    if v_answer is not null then
        return query select v_answer, 0::bigint, 0;
        return;
    end if;
    v_bytes := slot_bytes(prune.slot);
    begin
        v_proof := prove_finished(prune.slot, prune.keep_s);
        v_answer := 'needed';
    exception when lock_not_available or deadlock_detected then
        v_answer := 'busy';
    end;
    if v_proof.finished then
        begin
            v_floors := truncate_slot(prune.slot);
            v_answer := 'pruned';
        exception when lock_not_available or deadlock_detected then
            v_answer := 'busy';
        end;
    end if;
    if tracing() and (v_answer = 'pruned' or v_proof.reappended <> '[]') then
        perform emit(jsonb_build_object('a', 'prune', 'slot', prune.slot, 'answer', v_answer, 'floors', v_floors, 'entries', v_proof.reappended));
    end if;
    return query select v_answer, case v_answer when 'pruned' then v_bytes - slot_bytes(prune.slot) else 0 end,
                        jsonb_array_length(v_proof.reappended);
end $$;
