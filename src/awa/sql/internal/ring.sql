-- The ring's live slots: those that may hold an entry, and with it its claim and its closure.

-- live_slots: sizes, not ledgers, say which are live. A late producer may write to a slot that every
--   table calls empty, and the size of a file needs no snapshot: what a snapshot shows was written
--   before it, so its file is not empty any more. The log is enough: claims and closures are in their
--   entry's slot, and all of a slot is truncated at once.
create function live_slots() returns smallint[]
language plpgsql as $$
declare
    v_current smallint := coalesce(pg_sequence_last_value('ring_seq'), 0);
begin
    return array(select s.slot from ring_slots s
                 where s.slot = v_current or pg_relation_size(s.ready, 'main') > 0 order by s.slot);
end $$;

-- In rank order: p_slots ascends.
create function lock_slots(p_slots smallint[]) returns void
language plpgsql as $$
declare
    k smallint;
begin
    foreach k in array p_slots loop
        perform lock_slot(k);
    end loop;
end $$;

-- lock_live_slots: the live slots, locked ACCESS SHARE in rank order. Looks again until the set stops
--   growing, because a slot may fill while we wait for the lock of another.
create function lock_live_slots() returns smallint[]
language plpgsql as $$
declare
    v_locked smallint[] := '{}';
    v_live smallint[] := live_slots();
begin
    while not v_live <@ v_locked loop
        perform lock_slots(v_live);
        v_locked := array(select distinct s from unnest(v_locked || v_live) s order by s);
        v_live := live_slots();
    end loop;
    return v_locked;
end $$;

-- What turns the ring takes turns: one lock for rotate, prune and evacuate, by try, to the end of the transaction.
create function begin_maintenance(p_function text, p_slot smallint) returns boolean
language plpgsql as $$
begin
    perform require_read_committed(p_function);
    if p_slot is null or p_slot not between 0 and 15 then
        perform refuse_input('slot', 'must be from 0 to 15');
    end if;
    return pg_try_advisory_xact_lock(lk_maintenance(), 0);
end $$;

-- The slot that new entries go to, which only rotate changes.
create function current_slot() returns smallint
language sql volatile as $$ select last_value::smallint from ring_seq $$;

create function slot_tables(p_slot smallint) returns regclass[]
language sql stable as $$
    select array[s.ready, s.claims, s.closures, s.results, s.leases] from ring_slots s where s.slot = p_slot
$$;

-- Really empty: all five files, rows of transactions that rolled back or are in flight included.
create function slot_is_empty(p_slot smallint) returns boolean
language sql volatile as $$
    select bool_and(pg_relation_size(t, 'main') = 0) from unnest(slot_tables(p_slot)) t
$$;

-- Its files with their indexes and TOAST; an empty slot has the first pages of its indexes.
create function slot_bytes(p_slot smallint) returns bigint
language sql volatile as $$
    select sum(pg_total_relation_size(t))::bigint from unnest(slot_tables(p_slot)) t
$$;

create function check_seconds(p_field text, p_seconds double precision) returns void
language plpgsql as $$
begin
    -- a comparison with NaN or infinity is false here, so both are refused
    if p_seconds is null or not (p_seconds >= 0 and p_seconds <= 3153600000) then
        perform refuse_input(p_field, 'must be seconds from 0 to 3153600000');
    end if;
end $$;

-- Opened so long ago, and not empty. Not the age of its entries: a job that comes again keeps the time of its
-- enqueue, and an entry carried here is old.
create function slot_is_old(p_slot smallint, p_age_s double precision) returns boolean
language sql volatile as $$
    select pg_relation_size(s.ready, 'main') > 0
       and coalesce(s.opened_at, m.installed_at) <= clock_timestamp() - make_interval(secs => p_age_s)
    from ring_slots s cross join meta m where s.slot = p_slot
$$;

-- At least p_entries rows. A page holds at most 102, so a small file need not be counted.
create function slot_is_large(p_slot smallint, p_entries bigint) returns boolean
language plpgsql as $$
declare
    v_table regclass := (slot_tables(p_slot))[1];
    v_rows bigint;
begin
    if pg_relation_size(v_table, 'main') / current_setting('block_size')::int * 102 < p_entries then
        return false;
    end if;
    execute format('select count(*) from (select from ready_%s limit $1) r', p_slot) into v_rows using p_entries;
    return v_rows >= p_entries;
end $$;
