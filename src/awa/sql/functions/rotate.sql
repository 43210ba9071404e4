-- rotate: new entries go to another slot from now on.
--   spec      Storage!Rotate                event    rotate (when the ring turned)
--   requires  READ COMMITTED
--   outcome   'turned' with the new current slot; 'kept' with the present one, which is empty, or both
--             younger than max_age_s and smaller than max_entries; 'full': no other slot is empty, so it
--             stays current and grows; 'busy': somebody else turns, prunes or evacuates just now
--   touches   setval of ring_seq (not nextval: after a crash that would jump); update ring_slots (1)
--   one step  under the maintenance lock. The target is the next slot all of whose files are empty. The hint
--             is moved last, and at once, commit or not: an entry may land in any slot. A producer that
--             read the old hint writes there still.
create function rotate(max_age_s double precision default 5400, max_entries bigint default 1000000)
returns table (answer text, slot smallint)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_current smallint := current_slot();
    v_target smallint;
begin
    perform check_seconds('max_age_s', rotate.max_age_s);
    if rotate.max_entries is null or rotate.max_entries < 1 then
        perform refuse_input('max_entries', 'must be 1 or more');
    elsif not begin_maintenance('rotate', v_current) then
        return query select 'busy', v_current;
        return;
    end if;
    v_current := current_slot();
    if not slot_is_old(v_current, rotate.max_age_s) and not slot_is_large(v_current, rotate.max_entries) then
        return query select 'kept', v_current;
        return;
    end if;
    select s.slot into v_target from ring_slots s
    where s.slot <> v_current and slot_is_empty(s.slot) order by (s.slot - v_current + 16) % 16 limit 1;
    if v_target is null then
        return query select 'full', v_current;
        return;
    end if;
    update ring_slots s set opened_at = clock_timestamp() where s.slot = v_target;
    if tracing() then
        perform emit(jsonb_build_object('a', 'rotate', 'answer', 'turned', 'from', v_current, 'slot', v_target));
    end if;
    perform setval('ring_seq', v_target);
    return query select 'turned', v_target;
end $$;
