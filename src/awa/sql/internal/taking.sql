-- What a claim concludes from what it saw in one lane: what it takes, and the lane's state after it.

create type lane_take as (
    lane int, queue text, deadline_s double precision, n int, slots smallint[], seqs int8multirange[],
    no bigint, next bigint,
    holes int8multirange, holes_xid xid8, young int8multirange, young_xid xid8,
    noted boolean,           -- numbers joined the young generation: it needs this claim's own xid
    more boolean             -- not all that is visible was looked at, so there may be more than n
);

-- Past so many ranges of holes a lane's cursor stops until the producers in flight have ended.
create function holes_max() returns int language sql immutable as $$ select 1000 $$;

-- Mostly there are none, and then no query counts them.
create function ranges_in(p_numbers int8multirange) returns int
language plpgsql immutable as $$
begin
    if isempty(p_numbers) then
        return 0;
    end if;
    return (select count(*) from unnest(p_numbers));
end $$;

-- Every number a claim up to p_top answers for: the holes, and what the cursor passes.
create function numbers_passed(p_state lane_state, p_top bigint) returns int8multirange
language sql immutable as $$
    select p_state.holes + p_state.young
         + case when p_top >= p_state.next then int8multirange(int8range(p_state.next, p_top + 1)) else '{}' end
$$;

-- The lane after taking p_picked and forgetting p_forgotten. What stays of the old generation keeps its
-- xid; everything else is young. Seen but without room is not forgotten, so it stays a hole.
create function after_take(p_state lane_state, p_picked picked, p_top bigint, p_forgotten int8multirange) returns lane_take
language plpgsql immutable as $$
declare
    s lane_state := p_state;
    v_left int8multirange := numbers_passed(s, p_top) - p_picked.taken - p_picked.withdrawn * numbers_up_to(p_top) - p_forgotten;
    v_holes int8multirange := s.holes * v_left;
begin
    return row (s.lane, s.queue, s.deadline_s, p_picked.n, p_picked.slots, p_picked.seqs,
                s.no + 1, greatest(s.next, p_top + 1), v_holes, s.holes_xid, v_left - v_holes, s.young_xid,
                not (v_left - v_holes) <@ s.young, false)::lane_take;
end $$;

-- Numbers of a generation that waits for an xid before p_xmin, that the pick looked for and did not see.
-- Every producer that could still show one of them had an older xid than the claim that noted it.
create function passed_over(p_state lane_state, p_xmin xid8, p_looked int8multirange, p_seen int8multirange)
returns int8multirange
language sql immutable as $$
    select case when p_state.holes_xid < p_xmin then p_state.holes * p_looked - p_seen else '{}' end
         + case when p_state.young_xid < p_xmin then p_state.young * p_looked - p_seen else '{}' end
$$;

-- pick_everywhere: a pick whose snapshot shows nothing outside the slots it looked at. A slot may fill
-- between the listing and the snapshot; its rows would be passed over, though they committed before others
-- that are taken, and their numbers forgotten, though they can be seen.
create function pick_everywhere(p_state lane_state, p_slots smallint[], p_limit int) returns picked
language plpgsql as $$
declare
    s lane_state := p_state;
    v_slots smallint[] := p_slots;
    v picked;
begin
    loop
        v := pick(s.lane, s.next, 9223372036854775807, s.holes + s.young, v_slots, p_limit, p_limit);
        exit when live_slots() <@ v_slots;
        v_slots := lock_live_slots();
    end loop;
    return v;
end $$;

-- take_from_lane: null when nothing is visible. n = 0 (answer busy) when all that is visible was withdrawn:
-- then slots holds an empty set, which is written so that the cursor moves; or when the cursor had to stop:
-- then slots is null, and nothing is written. A look that withdrawn numbers filled may have missed others.
create function take_from_lane(p_state lane_state, p_slots smallint[], p_limit int) returns lane_take
language plpgsql as $$
declare
    s lane_state := p_state;
    v picked := pick_everywhere(s, p_slots, p_limit);
    v_top bigint := v.top;
    v_more boolean := not upper_inf(v.looked);
    v_forgotten int8multirange;
    v_take lane_take;
begin
    if v_top is null then
        return null;
    end if;
    if not numbers_passed(s, v_top) * numbers_up_to(v_top) <@ v.seen and quiet(s.lane) then
        -- A visible number is above all of these, so whoever drew them was in flight before; nobody is
        -- now. What a look begun after that does not see will never appear. No limit on this look.
        v := pick(s.lane, s.next, v_top + 1, s.holes + s.young, lock_live_slots(), 2147483647, p_limit);
        v_forgotten := numbers_passed(s, v_top) * numbers_up_to(v_top) - v.seen;
    else
        v_forgotten := passed_over(s, v.xmin, v.looked, v.seen);
    end if;
    v_take := after_take(s, v, v_top, v_forgotten);
    if ranges_in(v_take.holes + v_take.young) > holes_max() then
        v_take := relieve(s, v_top, p_limit);
    end if;
    v_take.more := v_take.more or v_more;
    return v_take;
end $$;

-- relieve: too many holes. The lane's own xmin ignores strangers' long transactions; when even that does
-- not help, the cursor stops: only what appeared inside the holes is taken.
create function relieve(p_state lane_state, p_top bigint, p_limit int) returns lane_take
language plpgsql as $$
declare
    s lane_state := p_state;
    -- before the slots and the look: what ended by then shows in both. Nobody in flight: all of it ended.
    v_xmin xid8 := coalesce(lane_xmin(s.lane), '18446744073709551615');
    v picked := pick(s.lane, s.next, p_top + 1, s.holes + s.young, lock_live_slots(), 2147483647, p_limit);
    v_take lane_take := after_take(s, v, p_top,
        passed_over(s, v_xmin, numbers_up_to(p_top), v.seen));
begin
    if ranges_in(v_take.holes + v_take.young) <= holes_max() then
        return v_take;
    end if;
    raise warning 'awa: lane % has more than % holes; its cursor waits for producers in flight', s.lane, holes_max();
    v := pick(s.lane, 9223372036854775807, 9223372036854775807, s.holes + s.young, lock_live_slots(), p_limit, p_limit);
    v_take := after_take(s, v, coalesce(v.top, s.next - 1), '{}');
    v_take.more := true;
    return v_take;
end $$;

-- with_xid: the state a claim writes. Numbers noted now wait for this claim's own xid, taken after every
-- pick (null when the transaction had one at entry: then only quiet frees them, or a later claim's xid).
-- Two generations bound the state: when the old one is gone, the young one becomes old and its xid stands.
create function with_xid(p_takes lane_take[], p_xid xid8) returns lane_take[]
language plpgsql immutable as $$
declare
    v_takes lane_take[] := '{}';
    t lane_take;
begin
    foreach t in array p_takes loop
        if isempty(t.holes) and isempty(t.young) then
            t.holes_xid := null;
            t.young_xid := null;
        else
            if t.noted or t.young_xid is null then
                t.young_xid := p_xid;
            end if;
            t.holes_xid := coalesce(t.holes_xid, p_xid);
            if isempty(t.holes) then
                t.holes := t.young;
                t.holes_xid := t.young_xid;
                t.young := '{}';
            end if;
            if isempty(t.young) then
                t.young_xid := null;
            end if;
            if isempty(t.holes) then
                t.holes_xid := null;
            end if;
        end if;
        v_takes := v_takes || t;
    end loop;
    return v_takes;
end $$;
