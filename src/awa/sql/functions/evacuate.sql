-- evacuate: the last live entries of a slot go to the current one, so that the slot can be pruned.
--   spec      Storage!Evacuate              event    evacuate (when something moved)
--   requires  READ COMMITTED, a transaction of its own: its locks are held until the end
--   outcome   'moved': nothing live is left in the slot; 'busy': some entries are being claimed or settled just
--             now, or there are more than 500 claims or lanes: call again for the rest; 'large': more than
--             max_entries are live, nothing was done; 'current': this is where entries go. Never waits
--   touches   ready, leases: the live rows change their slot (DELETE and INSERT); claims: insert a row per
--             open part, update the one it was in. What is closed stays, with the lanes' states: history
--             and truncation are prune's
--   one step  under the maintenance lock, the lane's lock of what is pending and the claim's lock of what is
--             open, taken before the look that decides. A row is deleted in one slot and inserted in the
--             other by one commit, so every snapshot shows it once. Lane, number, token and part stay: a
--             receipt that names the old slot is looked up by its token.
create function evacuate(slot smallint, max_entries int default 10000) returns table (answer text, moved int)
language plpgsql security definer set search_path from current set lock_timeout = '30ms'
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_to smallint;
    v evacuation := row (null, '{}', '{}');
begin
    if evacuate.max_entries is null or evacuate.max_entries not between 1 and 100000 then
        perform refuse_input('max_entries', 'must be from 1 to 100000');
    end if;
    if not begin_maintenance('evacuate', evacuate.slot) then
        return query select 'busy', 0;
        return;
    end if;
    v_to := current_slot();
    if v_to = evacuate.slot then
        return query select 'current', 0;
        return;
    end if;
    begin
        v := carry_forward(evacuate.slot, v_to, evacuate.max_entries);
    exception when lock_not_available or deadlock_detected then
        v.answer := 'busy';    -- an operator's lock on the tables: none of ours is in the way
    end;
    if tracing() and cardinality(v.moved) > 0 then
        perform emit(evacuate_event(evacuate.slot, v_to, v));
    end if;
    return query select v.answer, count_numbers(v.moved);
end $$;
