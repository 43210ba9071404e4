-- The ring's hint and its live slots.

-- lock_live_slots: every slot that may hold an entry or a claim, locked ACCESS SHARE in rank order.
--   Sizes, not ledgers, say which are live: a late producer may write to a slot that every table
--   calls empty, and the size of a file needs no snapshot. Looks again until the set stops growing,
--   because a slot may fill while we wait for the lock of another.
create function lock_live_slots() returns smallint[]
language plpgsql as $$
declare
    v_locked smallint[] := '{}';
    v_live smallint[];
    v_current smallint;
begin
    loop
        select last_value into v_current from ring_seq;
        select array_agg(s.slot order by s.slot) into v_live
        from ring_slots s
        where s.slot = v_current or s.slot = any (v_locked)
           or pg_relation_size(s.ready, 'main') > 0 or pg_relation_size(s.claims, 'main') > 0;
        exit when v_live <@ v_locked;
        execute (
            select format('lock table %s in access share mode',
                          string_agg(format('ready_%1$s, claims_%1$s, closures_%1$s', s), ', ' order by s))
            from unnest(v_live) s);
        v_locked := v_live;
    end loop;
    return v_locked;
end $$;
