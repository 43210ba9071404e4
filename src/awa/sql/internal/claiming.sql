-- The parts of claim: the lanes it may touch, their order, what it writes, what a repeat answers.

-- Of these queues' lanes, those whose lock we got, in lane order; the others belong to a claim that has
-- not committed yet. Claims of a lane are serial until commit. Without offset 0 the planner tries the
-- locks of every lane there is before it looks whose they are; without the inner array it reads every
-- lane in its order, because sorting is off where claims run.
create function lock_lanes(p_queues text[]) returns int[]
language sql volatile as $$
    select coalesce(array_agg(l.lane), '{}')
    from (select u from unnest(array(select x.lane from lanes x where x.queue = any (p_queues))) u order by u offset 0) l (lane)
    where pg_try_advisory_xact_lock(lk_lane(), l.lane)
$$;

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
create function in_claim_order(p_states lane_state[], p_queue text, p_slots smallint[]) returns setof lane_state
language plpgsql as $$
declare
    v_mine lane_state[] := array(select s from unnest(p_states) s where s.queue = p_queue and has_something(s));
begin
    if cardinality(v_mine) < 2 then
        return query select * from unnest(v_mine);
        return;
    end if;
    return query
    select (h.s).* from (
        select s, head_enqueued_at(s, p_slots) as head_at from unnest(v_mine) s) h
    where h.head_at is not null
    order by greatest(1, (h.s).priority - case when (h.s).aging_s = 0 then 0
                 else floor(extract(epoch from clock_timestamp() - h.head_at) / (h.s).aging_s) end),
             h.head_at;
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
        for v_state in select * from in_claim_order(p_states, p_queues[i], p_slots) loop
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

create type claimed_row as (queue text, slot smallint, part smallint, lane int, seqs int8multirange, deadline timestamptz);

-- What a take becomes in one slot, by how long its attempts may take: most have the queue's deadline, some
-- jobs bring their own.
create function by_deadline(p_slot smallint, p_lane int, p_seqs int8multirange, p_deadline_s double precision)
returns table (seqs int8multirange, deadline_s double precision)
language plpgsql volatile as $$
declare
    v_own int8multirange := '{}';
    o own_deadline;
begin
    for o in select * from own_deadlines(p_slot, p_lane, p_seqs) loop
        v_own := v_own + o.seqs;
        return query select o.seqs, o.deadline_s;
    end loop;
    -- an empty set is written too: all was withdrawn, and the cursor moves
    if not isempty(p_seqs - v_own) or isempty(p_seqs) then
        return query select p_seqs - v_own, p_deadline_s;
    end if;
end $$;

-- One claims row per (lane, slot, deadline), each with the lane's new state.
create function write_claims(p_worker bigint, p_call bigint, p_token bigint, p_takes lane_take[]) returns claimed_row[]
language plpgsql as $$
declare
    v claimed_row[];
begin
    with rows_ as materialized (
        select t.*, u.slot as u_slot, d.seqs as u_seqs, (row_number() over ())::smallint as u_part,
               case when d.deadline_s > 0 then clock_timestamp() + make_interval(secs => d.deadline_s) end as u_deadline
        from unnest(p_takes) t, unnest(t.slots, t.seqs) u (slot, seqs),
             lateral by_deadline(u.slot, t.lane, u.seqs, t.deadline_s) d
    ), written as (
        insert into claims (token, worker, call, claimed_at, deadline, no, next, holes_xid, young_xid,
                            lane, slot, part, seqs, holes, young)
        select p_token, p_worker, p_call, clock_timestamp(), r.u_deadline, r.no, r.next, r.holes_xid, r.young_xid,
               r.lane, r.u_slot, r.u_part, r.u_seqs, r.holes, r.young
        from rows_ r
    )
    select array_agg(row (r.queue, r.u_slot, r.u_part, r.lane, r.u_seqs, r.u_deadline)::claimed_row order by r.u_part) into v from rows_ r;
    return v;
end $$;

-- All bodies that come with a claim, in bytes of JSON: half of what a server sends at once. It keeps less than
-- that to itself until the transaction has ended.
create function small_bodies_bytes() returns int language sql immutable as $$ select 4096 $$;

-- The bodies of these entries, a JSON array each; null when one is not small. How large a compressed one is,
-- only its text could tell.
create function small_bodies(p_slot smallint, p_lane int, p_seqs int8multirange, p_bytes int) returns text
language plpgsql as $$
declare
    v text;
begin
    select case when bool_and(octet_length(b.text) <= p_bytes) and count(b.text) = count(*) then '[' || string_agg(b.text, ',') || ']' end
    into v
    from (select case when pg_column_compression(e.args) is null and pg_column_compression(e.extra) is null
                       and pg_column_size(e.args) + pg_column_size(e.extra) <= p_bytes
                 then jsonb_build_array(e.seq, e.job_id, e.run_lease, e.attempt, e.max_attempts, e.losses, e.kind,
                                        e.args, e.extra, extract(epoch from e.enqueued_at))::text end as text
          from entries_in(p_slot, p_lane, p_seqs) e) b;
    return v;
end $$;

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

create function token_known(p_token bigint, p_slots smallint[]) returns boolean
language plpgsql as $$
begin
    return exists (select from unnest(p_slots) k cross join lateral claims_of_token(k, p_token) c);
end $$;

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
    if not is_list(p_queues) or not is_list(p_limits) or cardinality(p_queues) <> cardinality(p_limits) then
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
