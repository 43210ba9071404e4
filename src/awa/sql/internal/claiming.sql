-- The parts of claim: the lanes it may touch, their order, what it writes, what a repeat answers.

-- Without the inner array every lane is read in its order, because sorting is off where claims run.
create function lanes_of(p_queues text[]) returns int[]
language plpgsql as $$
begin
    return array(select u from unnest(array(select l.lane from lanes l where l.queue = any (p_queues))) u order by u);
end $$;

-- Of these lanes, those whose lock we got, in their order; the others belong to a claim that has not
-- committed yet. Claims of a lane are serial until commit.
create function lock_lanes(p_lanes int[]) returns int[]
language plpgsql as $$
declare
    v_mine int[] := '{}';
    v_lane int;
begin
    foreach v_lane in array p_lanes loop
        if pg_try_advisory_xact_lock(lk_lane(), v_lane) then
            v_mine := v_mine || v_lane;
        end if;
    end loop;
    return v_mine;
end $$;

create function has_something(p_state lane_state) returns boolean
language sql volatile as $$
    select coalesce(pg_sequence_last_value(p_state.seq), 0) >= p_state.next
        or not isempty(p_state.holes) or not isempty(p_state.young)
$$;

-- A sequence behind its lane's cursor (a partial restore, logical replication) would draw numbers that
-- no claim looks for any more. It is moved to the cursor, and reported, while nobody draws: a producer that
-- drew many between the look and the move would see its numbers given out again. By try: the next claim
-- comes soon.
create function repair_sequences(p_states lane_state[]) returns void
language plpgsql as $$
declare
    s lane_state;
begin
    foreach s in array p_states loop
        if coalesce(pg_sequence_last_value(s.seq), 0) < s.next - 1 and pg_try_advisory_xact_lock(lk_inflight(), s.lane)
           and coalesce(pg_sequence_last_value(s.seq), 0) < s.next - 1 then
            raise warning 'awa: lane %: its sequence was behind its cursor % and was moved there; entries enqueued before are for awa.check()', s.lane, s.next;
            perform setval(s.seq, s.next - 1);
        end if;
    end loop;
end $$;

-- The instant at which the lane's first visible entry was enqueued; null when there is none, and now when
-- the first is withdrawn: a claim must pass it.
create function head_enqueued_at(p_state lane_state, p_slots smallint[]) returns timestamptz
language plpgsql as $$
declare
    v picked := pick(p_state.lane, p_state.next, 9223372036854775807, p_state.holes + p_state.young, p_slots, 1, 1);
    v_at timestamptz;
begin
    if v.n = 0 and v.top is not null then
        return clock_timestamp();
    elsif v.n = 1 then
        execute format('select enqueued_at from ready_%s where lane = $1 and seq = $2', v.slots[1])
        into v_at using p_state.lane, v.top;
    end if;
    return v_at;
end $$;

-- The queue's lanes that have something, best effective priority first: a lane rises by one for each
-- aging_s its head has waited. One lane needs no look.
create function in_claim_order(p_states lane_state[], p_queue text, p_slots smallint[]) returns lane_state[]
language plpgsql as $$
declare
    v_mine lane_state[] := '{}';
    v_state lane_state;
begin
    foreach v_state in array p_states loop
        if v_state.queue = p_queue and has_something(v_state) then
            v_mine := v_mine || v_state;
        end if;
    end loop;
    if cardinality(v_mine) < 2 then
        return v_mine;
    end if;
    return array(select h.s from (
        select s, head_enqueued_at(s, p_slots) as head_at from unnest(v_mine) s) h
    where h.head_at is not null
    order by greatest(1, (h.s).priority - case when (h.s).aging_s = 0 then 0
                 else floor(extract(epoch from clock_timestamp() - h.head_at) / (h.s).aging_s) end),
             h.head_at);
end $$;

-- take_all: all picks of a call, queue by queue in the order asked, before anything is written.
create function take_all(p_states lane_state[], p_slots smallint[], p_queues text[], p_limits int[]) returns lane_take[]
language plpgsql as $$
declare
    v_takes lane_take[] := '{}';
    v_take lane_take;
    v_state lane_state;
    v_left int;
begin
    for i in 1 .. cardinality(p_queues) loop
        v_left := p_limits[i];
        foreach v_state in array in_claim_order(p_states, p_queues[i], p_slots) loop
            exit when v_left <= 0;
            v_take := take_from_lane(v_state, p_slots, v_left);
            if v_take.lane is not null then
                v_takes := v_takes || v_take;
                v_left := v_left - v_take.n;
            end if;
        end loop;
    end loop;
    return v_takes;
end $$;

-- How many entries are taken; null when nothing is to be written.
create function entries_of(p_takes lane_take[]) returns int
language plpgsql immutable as $$
declare
    n int;
    v_take lane_take;
begin
    foreach v_take in array p_takes loop
        if v_take.slots is not null then
            n := coalesce(n, 0) + v_take.n;
        end if;
    end loop;
    return n;
end $$;

create type claimed_row as (queue text, slot smallint, part smallint, lane int, seqs int8multirange, deadline timestamptz);

-- What a take becomes in one slot, by how long its attempts may take: most have the queue's deadline, some
-- jobs bring their own.
create function by_deadline(p_slot smallint, p_lane int, p_seqs int8multirange, p_deadline_s double precision)
returns own_deadline[]
language plpgsql volatile as $$
declare
    v_all own_deadline[] := coalesce(own_deadlines(p_slot, p_lane, p_seqs), '{}');
    v_rest int8multirange := p_seqs;
    o own_deadline;
begin
    foreach o in array v_all loop
        v_rest := v_rest - o.seqs;
    end loop;
    -- an empty set is written too: all was withdrawn, and the cursor moves
    if not isempty(v_rest) or isempty(p_seqs) then
        v_all := v_all || row (p_deadline_s, v_rest)::own_deadline;
    end if;
    return v_all;
end $$;

-- One claims row per (lane, slot, deadline), each with the lane's new state.
create function write_claims(p_worker bigint, p_call bigint, p_token bigint, p_takes lane_take[]) returns claimed_row[]
language plpgsql as $$
declare
    v claimed_row[] := '{}';
    t lane_take;
    d own_deadline;
    c claims;
    v_part smallint := 0;
begin
    foreach t in array p_takes loop
        for i in 1 .. coalesce(cardinality(t.slots), 0) loop
            foreach d in array by_deadline(t.slots[i], t.lane, t.seqs[i], t.deadline_s) loop
                v_part := v_part + 1;
                c := row (p_token, p_worker, p_call, clock_timestamp(),
                          case when d.deadline_s > 0 then clock_timestamp() + make_interval(secs => d.deadline_s) end,
                          t.no, t.next, t.holes_xid, t.young_xid, t.lane, t.slots[i], v_part, d.seqs, t.holes, t.young)::claims;
                perform write_claim(c.slot, c);
                v := v || row (t.queue, c.slot, c.part, c.lane, c.seqs, c.deadline)::claimed_row;
            end loop;
        end loop;
    end loop;
    return v;
end $$;

-- All bodies that come with a claim, in bytes of JSON: half of what a server sends at once. It keeps less than
-- that to itself until the transaction has ended.
create function small_bodies_bytes() returns int language sql immutable as $$ select 4096 $$;

create function claim_event(p_worker bigint, p_call bigint, p_token bigint, p_again boolean, p_rows claimed_row[], p_takes lane_take[])
returns jsonb
language sql immutable as $$
    select jsonb_build_object('a', 'claim', 'worker', p_worker, 'call', p_call, 'token', p_token, 'again', p_again,
        'rows', coalesce((select jsonb_agg(jsonb_build_object('lane', r.lane, 'slot', r.slot, 'part', r.part, 'seqs', r.seqs::text)
                                           order by r.part) from unnest(p_rows) r), '[]'),
        'lanes', coalesce((select jsonb_agg(jsonb_build_object('lane', t.lane, 'no', t.no, 'next', t.next,
                                                              'holes', (t.holes + t.young)::text) order by t.lane)
                           from unnest(p_takes) t where t.slots is not null), '[]'))
$$;

-- A repeat's answer: what is still open under the token, and busy for every queue. Nothing new is
-- taken, or looked for: the reply that was lost may still be on its way.
create function repeat_claim(p_worker bigint, p_call bigint, p_token bigint, p_queues text[], p_slots smallint[])
returns table (queue text, answer text, slot smallint, part smallint, lane int, seqs int8multirange, deadline timestamptz)
language plpgsql as $$
#variable_conflict use_column
declare
    v_rows claimed_row[];
begin
    v_rows := array(
        select row (l.queue, c.slot, c.part, c.lane, c.open, c.deadline)::claimed_row
        from unnest(p_slots) k cross join lateral claims_of_token(k, p_token) c join lanes l on l.lane = c.lane
        where not isempty(c.open) order by c.part);
    if tracing() then
        perform emit(claim_event(p_worker, p_call, p_token, true, v_rows, '{}'));
    end if;
    return query select r.queue, 'got', r.slot, r.part, r.lane, r.seqs, r.deadline from unnest(v_rows) r;
    return query
    select q, 'busy'::text, null::smallint, null::smallint, null::int, null::int8multirange, null::timestamptz
    from unnest(p_queues) q;
end $$;

-- A plain list, numbered from 1: what our loops and unnest agree about.
create function is_list(p_array anyarray) returns boolean
language sql immutable as $$ select coalesce(array_ndims(p_array) = 1 and array_lower(p_array, 1) = 1, false) $$;

create function check_asks(p_queues text[], p_limits int[]) returns void
language plpgsql as $$
begin
    if cardinality(p_queues) = 1 and cardinality(p_limits) = 1 and p_queues[1] is not null and p_limits[1] between 1 and 1000 then
        return;    -- the questions below cost more than the answer is worth
    elsif not is_list(p_queues) or not is_list(p_limits) or cardinality(p_queues) <> cardinality(p_limits) then
        perform refuse_input('queues', 'must be distinct names, with one limit of 1 or more for each');
    elsif array_position(p_queues, null) is not null or array_position(p_limits, null) is not null
       or 1 > any (p_limits)
       or cardinality(p_queues) > 1 and (select count(distinct q) from unnest(p_queues) q) <> cardinality(p_queues) then
        perform refuse_input('queues', 'must be distinct names, with one limit of 1 or more for each');
    elsif p_limits[1] > 1000 or cardinality(p_limits) > 1 and (select sum(l) from unnest(p_limits) l) > 1000 then
        raise exception 'awa: a claim takes at most 1000 entries, % were asked for', (select sum(l) from unnest(p_limits) l)
            using errcode = 'AW004';
    end if;
end $$;

create function check_call(p_worker bigint, p_call bigint, p_token bigint) returns void
language plpgsql as $$
begin
    perform require_number('worker', p_worker);
    perform require_number('token', p_token);
    if p_call is null or p_call < 1 then
        perform refuse_input('call', 'must be a number from 1, one more with each claim call');
    end if;
end $$;
