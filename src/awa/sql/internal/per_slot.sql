-- Hot statements, one per slot. A statement over the partitioned parents would lock 16 partitions and
-- their indexes (107 to 140 locks a claim became 13); one put together at run time would be planned
-- anew at every call. So each function here is written out for the 16 slots, with plans that stay.
-- They are STABLE: all calls within one statement see that statement's snapshot, as if they were one scan.

create type claim_state as (
    no bigint, next bigint, holes int8multirange, holes_xid xid8, young int8multirange, young_xid xid8
);

create type open_claim as (
    slot smallint, part smallint, lane int, open int8multirange, deadline timestamptz
);

create type body as (
    slot smallint, part smallint, lane int, seq bigint, job_id bigint, run_lease int, attempt smallint,
    max_attempts smallint, losses smallint, kind text, args jsonb, extra jsonb, enqueued_at timestamptz
);

do $do$
declare
    v_functions constant jsonb := jsonb_build_object(
    -- numbers of the visible entries of a lane from p_from up to, not including, p_below
    'ready_numbers(p_slot smallint, p_lane int, p_from bigint, p_below bigint, p_limit int) returns setof bigint', $q$
        select r.seq from ready_{k} r where r.lane = p_lane and r.seq >= p_from and r.seq < p_below order by r.seq limit p_limit
    $q$,
    -- the lane's state as the newest claim in this slot left it
    'newest_claim(p_slot smallint, p_lane int) returns setof claim_state', $q$
        select c.no, c.next, c.holes, c.holes_xid, c.young, c.young_xid from claims_{k} c
        where c.lane = p_lane and c.no is not null order by c.no desc limit 1
    $q$,
    'claims_of_token(p_slot smallint, p_token bigint) returns setof open_claim', $q$
        select c.slot, c.part, c.lane, c.seqs - coalesce((select range_agg(x.seqs) from closures_{k} x
                                                          where x.token = c.token and x.part = c.part), '{}'), c.deadline
        from claims_{k} c where c.token = p_token
    $q$,
    -- the loop over ranges is spelled out (offset 0): the planner would rather read the whole lane once
    'bodies_of_token(p_slot smallint, p_token bigint) returns setof body', $q$
        select c.slot, c.part, c.lane, r.seq, r.job_id, r.run_lease, r.attempt, r.max_attempts, r.losses, r.kind, r.args, r.extra, r.enqueued_at
        from (select o.slot, o.part, o.lane, unnest(o.open) as g from claims_of_token({k}::smallint, p_token) o offset 0) c
        cross join lateral (select * from ready_{k} e where e.lane = c.lane and e.seq >= lower(c.g) and e.seq < upper(c.g) offset 0) r
    $q$);
    v_head text;
    v_body text;
begin
    for v_head, v_body in select f.key, f.value from jsonb_each_text(v_functions) f loop
        execute format('create function %s language plpgsql stable as %L', v_head,
            'begin case p_slot '
            || (select string_agg(format(' when %s then return query ', k) || replace(v_body, '{k}', k::text) || ';', '' order by k)
                from generate_series(0, 15) k)
            || ' end case; end');
    end loop;
end $do$;
