-- The one place where attempts end.

create function check_items(p_settle_id bigint, p_slots smallint[], p_tokens bigint[], p_parts smallint[],
                            p_seqs int8multirange[]) returns void
language plpgsql as $$
declare
    n int := cardinality(p_tokens);
begin
    perform require_number('settle_id', p_settle_id);
    if n is null or cardinality(p_slots) is distinct from n or cardinality(p_parts) is distinct from n
       or cardinality(p_seqs) is distinct from n then
        perform refuse_input('tokens', 'slots, tokens, parts and seqs must be arrays of one length');
    elsif n > 500 then
        raise exception 'awa: a call settles at most 500 items, % were given', n using errcode = 'AW004';
    elsif not p_slots <@ '{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}' or array_position(p_slots, null) is not null
       or array_position(p_tokens, null) is not null or array_position(p_parts, null) is not null
       or array_position(p_seqs, null) is not null then
        perform refuse_input('slots', 'must be from 0 to 15, and nothing may be null');
    elsif n = 1 and not (lower_inf(p_seqs[1]) or upper_inf(p_seqs[1])) then
        return;    -- the statements below cost more than all this
    elsif exists (select from unnest(p_seqs) q where lower_inf(q) or upper_inf(q)) then
        perform refuse_input('seqs', 'must be bounded');
    elsif (select count(distinct (u.t, u.p)) from unnest(p_tokens, p_parts) u (t, p)) <> n then
        -- two items for one claim would be judged by one look, and both accepted
        perform refuse_input('tokens', 'a (token, part) may be named once in a call');
    end if;
end $$;

create function check_results(p_items int[], p_seqs bigint[], p_results jsonb[]) returns void
language plpgsql as $$
declare
    n int := cardinality(p_items);
begin
    if n is null or cardinality(p_seqs) is distinct from n or cardinality(p_results) is distinct from n then
        perform refuse_input('result_items', 'result_items, result_seqs and results must be arrays of one length');
    elsif n > 1 and (select count(distinct (u.i, u.s)) from unnest(p_items, p_seqs) u (i, s)) <> n then
        perform refuse_input('result_seqs', 'an attempt has one result');
    end if;
end $$;

-- lock_tokens: the items whose claim lock we got. The key is the token alone: a claim's place may change.
-- Try, not wait: a waiting batch deadlocked with a handler's own transaction.
create function lock_tokens(p_tokens bigint[]) returns int[]
language sql volatile as $$
    select coalesce(array_agg(t.item), '{}')
    from (select u.item, u.token from unnest(p_tokens) with ordinality u (token, item)
          order by hashint8(u.token), u.item offset 0) t
    where pg_try_advisory_xact_lock(lk_claim(), hashint8(t.token))
$$;

create function close_elsewhere(p_closings closing[], p_outcome outcome, p_settle_id bigint) returns closing[]
language plpgsql as $$
begin
    if exists (select from unnest(p_closings) c where c.answer = 'ended' or not isempty(c.stale)) then
        return close_moved(p_closings, p_outcome, p_settle_id);
    end if;
    return p_closings;
end $$;

-- await_token: for a handler's own transaction, which ends one attempt: who waits for two may deadlock. Batches only try, so nobody who holds one of these locks waits
-- for anything of Awa's but another handler's transaction that is about to commit.
create function await_token(p_tokens bigint[]) returns void
language plpgsql as $$
begin
    if cardinality(p_tokens) > 1 then
        perform refuse_input('waits', 'is for one attempt: wait for several one after the other, each in a transaction of its own');
    end if;
    perform pg_advisory_xact_lock(lk_claim(), hashint8(p_tokens[1]));
end $$;

-- close_moved: what its slot does not know of a claim may have been carried to another, or to several, where it
-- has the same token and part. Under the token's lock it stays where we find it. What nobody knows is as it was.
create function close_moved(p_closings closing[], p_outcome outcome, p_settle_id bigint) returns closing[]
language plpgsql as $$
declare
    v_all closing[] := '{}';
    v_slots smallint[] := lock_live_slots();
    v_slot smallint;
    v_left int8multirange;
    c closing;
begin
    foreach c in array p_closings loop
        v_left := case when c.answer = 'ended' then c.asked else c.stale end;
        if not isempty(v_left) then
            foreach v_slot in array v_slots loop
                continue when v_slot = c.slot or not exists (select from claims_of_token(v_slot, c.token) m where m.part = c.part);
                c.asked := c.asked - v_left;    -- this much was found so far, if any
                c.stale := '{}';
                v_all := v_all || case when isempty(c.asked) then '{}' else array[c] end;
                select m.* into c from close_in_slot(v_slot, array[c.item], array[c.token], array[c.part], array[v_left], p_outcome, p_settle_id) m;
                v_left := c.stale;
            end loop;
        end if;
        v_all := v_all || c;
    end loop;
    return v_all;
end $$;

create function close_entries(p_slots smallint[], p_tokens bigint[], p_parts smallint[], p_seqs int8multirange[],
                              p_outcome outcome, p_settle_id bigint) returns closing[]
language plpgsql as $$
declare
    v_mine int[] := lock_tokens(p_tokens);
    v_all closing[] := '{}';
    v_slot smallint;
begin
    if cardinality(p_tokens) = 1 and cardinality(v_mine) = 1 then
        v_all := array(select c from close_in_slot(p_slots[1], v_mine, p_tokens, p_parts, p_seqs, p_outcome, p_settle_id) c);
        return close_elsewhere(v_all, p_outcome, p_settle_id);
    end if;
    -- slots in rank order: the lock order every function keeps
    for v_slot in select distinct s from unnest(p_slots) s order by s loop
        v_all := v_all || array(
            select c from (
                select array_agg(u.item::int) as items, array_agg(u.t) as tokens, array_agg(u.p) as parts, array_agg(u.q) as seqs
                from unnest(p_slots, p_tokens, p_parts, p_seqs) with ordinality u (s, t, p, q, item)
                where u.s = v_slot and u.item = any (v_mine)) g,
            close_in_slot(v_slot, g.items, g.tokens, g.parts, g.seqs, p_outcome, p_settle_id) c);
    end loop;
    return close_elsewhere(v_all, p_outcome, p_settle_id) || array(
        select row (u.item, 'busy', null, u.s, u.t, u.p, u.q, '{}', '{}', '{}')::closing
        from unnest(p_slots, p_tokens, p_parts, p_seqs) with ordinality u (s, t, p, q, item)
        where u.item <> all (v_mine));
end $$;

-- A number whose job ended though its attempt asked for more, or was to end: `dead` as a dead letter.
create type ended_number as (item int, seq bigint, dead boolean);

-- What a handler or a rescue has to say of an attempt. `seq` null: of all numbers of the item.
create type fault as (item int, seq bigint, error jsonb, delay_s double precision);

-- What the caller of a settle is told: one row for each answer that has numbers. p_ended: the numbers
-- whose job could not go on, with the word for them.
create function settle_answers(p_closings closing[], p_ended ended_number[] default '{}')
returns table (item int, answer text, numbers int8multirange)
language sql immutable as $$
    select c.item, a.answer, a.seqs
    from unnest(p_closings) c
    left join lateral (
        select range_agg(int8range(e.seq, e.seq + 1)) filter (where not e.dead) as failed,
               range_agg(int8range(e.seq, e.seq + 1)) filter (where e.dead) as dead
        from unnest(p_ended) e where e.item = c.item) n on true,
         lateral (values ('settled', c.settled - coalesce(n.failed, '{}') - coalesce(n.dead, '{}')),
                         ('failed', n.failed * c.settled), ('dead_lettered', n.dead * c.settled),
                         ('already', c.already), ('stale', c.stale)) a (answer, seqs)
    where c.answer = 'found' and not isempty(a.seqs)
    union all
    select c.item, c.answer, c.asked from unnest(p_closings) c where c.answer <> 'found'
$$;

create function closing_items(p_closings closing[]) returns jsonb
language sql immutable as $$
    select coalesce(jsonb_agg(jsonb_build_object('lane', c.lane, 'slot', c.slot, 'token', c.token, 'part', c.part,
        'asked', c.asked::text, 'settled', c.settled::text, 'already', c.already::text, 'stale', c.stale::text) order by c.item), '[]')
    from unnest(p_closings) c where c.answer = 'found'
$$;

create function check_faults(p_items int[], p_seqs bigint[], p_errors jsonb[], p_delays_s double precision[]) returns fault[]
language plpgsql as $$
declare
    n int := cardinality(p_items);
begin
    if n is null or cardinality(p_seqs) is distinct from n or cardinality(p_errors) is distinct from n
       or cardinality(p_delays_s) is distinct from n and cardinality(p_delays_s) is distinct from 0 then
        perform refuse_input('error_items', 'error_items, error_seqs and errors must be arrays of one length; delays_s too, or empty');
    elsif array_position(p_items, null) is not null or array_position(p_seqs, null) is not null
       or (select count(distinct (u.i, u.s)) from unnest(p_items, p_seqs) u (i, s)) <> n then
        perform refuse_input('error_seqs', 'an attempt has one error, and is named by its item and number');
    end if;
    perform check_seconds('delays_s', p_delays_s);
    return array(select row (u.i, u.s, u.e, u.d)::fault from unnest(p_items, p_seqs, p_errors, p_delays_s) u (i, s, e, d));
end $$;

create function check_seconds(p_field text, p_seconds_s double precision[]) returns void
language plpgsql as $$
begin
    -- a comparison with NaN or infinity is false here, so both are refused
    if exists (select from unnest(p_seconds_s) d where d is not null and not (d >= 0 and d <= 3153600000)) then
        perform refuse_input(p_field, 'must be seconds from 0 to 3153600000');
    end if;
end $$;
