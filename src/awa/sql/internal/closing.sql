-- The one place where attempts end.

create type closing as (
    item int, answer text,          -- 'found', 'busy' or 'ended'
    lane int, slot smallint, token bigint, part smallint,
    asked int8multirange, settled int8multirange, already int8multirange, stale int8multirange
);

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
    elsif exists (select from unnest(p_slots, p_tokens, p_parts, p_seqs) u (s, t, p, q)
                  where u.s is null or u.s not between 0 and 15 or u.t is null or u.p is null or u.q is null) then
        perform refuse_input('slots', 'must be from 0 to 15, and nothing may be null');
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
    elsif (select count(distinct (u.i, u.s)) from unnest(p_items, p_seqs) u (i, s)) <> n then
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

-- close_in_slot: in one statement begun after the locks: open = claimed minus closed; what of the asked
-- is open gets one closure; the rest is told apart as settled by this very settle id, or stale.
create function close_in_slot(p_slot smallint, p_items int[], p_tokens bigint[], p_parts smallint[], p_seqs int8multirange[],
                              p_outcome outcome, p_settle_id bigint) returns setof closing
language plpgsql as $$
begin
    execute format('lock table ready_%1$s, claims_%1$s in access share mode', p_slot);
    execute format('lock table closures_%1$s in row exclusive mode', p_slot);
    return query execute format($q$
        with asked as materialized (
            select u.item, u.token, u.part, u.seqs, c.lane, c.seqs as claimed,
                   coalesce(x.closed, '{}') as closed, coalesce(x.mine, '{}') as mine
            from unnest($1, $2, $3, $4) u (item, token, part, seqs)
            left join lateral (select k.lane, k.seqs from claims_%1$s k where k.token = u.token and k.part = u.part) c on true
            left join lateral (
                select range_agg(k.seqs) as closed,
                       range_agg(k.seqs) filter (where k.settle_id = $6 and k.outcome = $5) as mine
                from closures_%1$s k where k.token = u.token and k.part = u.part) x on true
        ), judged as materialized (
            select a.*, a.seqs * (a.claimed - a.closed) as settled, a.seqs * a.mine as already from asked a
        ), written as (
            insert into closures_%1$s (token, settle_id, closed_at, outcome, lane, slot, part, seqs)
            select j.token, $6, clock_timestamp(), $5, j.lane, %1$s, j.part, j.settled
            from judged j where not isempty(j.settled)
        )
        select j.item, case when j.lane is null then 'ended' else 'found' end, j.lane, %1$s::smallint, j.token, j.part,
               j.seqs, coalesce(j.settled, '{}'), j.already, j.seqs - coalesce(j.settled, '{}') - j.already
        from judged j order by j.item
        $q$, p_slot)
    using p_items, p_tokens, p_parts, p_seqs, p_outcome, p_settle_id;
end $$;

create function close_entries(p_slots smallint[], p_tokens bigint[], p_parts smallint[], p_seqs int8multirange[],
                              p_outcome outcome, p_settle_id bigint) returns closing[]
language plpgsql as $$
declare
    v_mine int[] := lock_tokens(p_tokens);
    v_all closing[] := '{}';
    v_slot smallint;
begin
    -- slots in rank order: the lock order every function keeps
    for v_slot in select distinct s from unnest(p_slots) s order by s loop
        v_all := v_all || array(
            select c from (
                select array_agg(u.item::int) as items, array_agg(u.t) as tokens, array_agg(u.p) as parts, array_agg(u.q) as seqs
                from unnest(p_slots, p_tokens, p_parts, p_seqs) with ordinality u (s, t, p, q, item)
                where u.s = v_slot and u.item = any (v_mine)) g,
            close_in_slot(v_slot, g.items, g.tokens, g.parts, g.seqs, p_outcome, p_settle_id) c);
    end loop;
    return v_all || array(
        select row (u.item, 'busy', null, u.s, u.t, u.p, u.q, '{}', '{}', '{}')::closing
        from unnest(p_slots, p_tokens, p_parts, p_seqs) with ordinality u (s, t, p, q, item)
        where u.item <> all (v_mine));
end $$;

-- What the caller of a settle is told: one row for each answer that has numbers.
create function settle_answers(p_closings closing[]) returns table (item int, answer text, numbers int8multirange)
language sql immutable as $$
    select c.item, a.answer, a.seqs
    from unnest(p_closings) c,
         lateral (values ('settled', c.settled), ('already', c.already), ('stale', c.stale)) a (answer, seqs)
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

-- A job whose worker lost it more often than this ends: it may be what kills the workers.
create function losses_max() returns int language sql immutable as $$ select 5 $$;

-- requeue: the settled entries of these closings, appended again through begin_append; a loss is counted
-- when their worker lost them, and past the bound the job ends. The answer is for the event: of the
-- appended ones [lane, slot, seq, job, run_lease, attempt, from].
create function requeue(p_closings closing[], p_losses int) returns jsonb
language plpgsql as $$
declare
    v_slot smallint;
    v_part jsonb;
    v_event jsonb := '[]';
begin
    perform begin_append_all(array(select distinct c.lane from unnest(p_closings) c where not isempty(c.settled)));
    for v_slot in select distinct c.slot from unnest(p_closings) c where not isempty(c.settled) order by 1 loop
        execute format($q$
            with again as materialized (
                select b.*, case when b.losses + $2 <= losses_max() then nextval(b.lane_seq) end as number from (
                    select r.*, l.seq as lane_seq, l.queue, l.priority
                    from (select x.lane, unnest(x.settled) as g from unnest($1) x where x.slot = %1$s offset 0) c
                    join lanes l on l.lane = c.lane
                    cross join lateral (select * from ready_%1$s e where e.lane = c.lane
                                        and e.seq >= lower(c.g) and e.seq < upper(c.g) offset 0) r
                    order by r.lane, r.seq) b
            ), written as (
                insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
                select (select last_value from ring_seq), a.lane, a.number, a.job_id, a.run_lease + 1, a.attempt,
                       a.max_attempts, a.losses + $2, a.kind, a.args, a.extra, a.enqueued_at from again a
                where a.number is not null
                returning slot, lane, seq
            ), ended as (
                insert into finals (job_id, state, reason, finished_at, queue, priority, run_lease, attempt, max_attempts,
                                    losses, kind, args, extra, enqueued_at)
                select a.job_id, 'failed', 'crash_loop', clock_timestamp(), a.queue, a.priority, a.run_lease, a.attempt,
                       a.max_attempts, a.losses + $2, a.kind, a.args, a.extra, a.enqueued_at from again a
                where a.number is null
            )
            select jsonb_agg(jsonb_build_array(w.lane, w.slot, w.seq, a.job_id, a.run_lease + 1, a.attempt, a.seq) order by w.lane, w.seq)
            from written w join again a on a.lane = w.lane and a.number = w.seq
            $q$, v_slot)
        into v_part using p_closings, p_losses;
        v_event := v_event || coalesce(v_part, '[]');
    end loop;
    return v_event;
end $$;
