-- The ring's live slots: those that may hold an entry, and with it its claim and its closure.

-- live_slots: sizes, not ledgers, say which are live. A late producer may write to a slot that every
--   table calls empty, and the size of a file needs no snapshot: what a snapshot shows was written
--   before it, so its file is not empty any more. The log is enough: claims and closures are in their
--   entry's slot, and all of a slot is truncated at once.
create function live_slots() returns smallint[]
language plpgsql as $$
declare
    v_current smallint;
begin
    select last_value into v_current from ring_seq;
    return array(select s.slot from ring_slots s
                 where s.slot = v_current or pg_relation_size(s.ready, 'main') > 0 order by s.slot);
end $$;

create function lock_slots(p_slots smallint[]) returns void
language plpgsql as $$
begin
    execute (
        select format('lock table %s in access share mode',
                      string_agg(format('ready_%1$s, claims_%1$s, closures_%1$s', s), ', ' order by s))
        from unnest(p_slots) s);
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
