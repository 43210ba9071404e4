-- Hot statements, one per slot. A statement over the partitioned parents would lock 16 partitions and
-- their indexes (107 to 140 locks a claim became 13); one put together at run time would be planned
-- anew at every call. So each function here is written out for the 16 slots, with plans that stay.
-- Those that read are STABLE: all calls within one statement see that statement's snapshot, as if they were one scan.

create type claim_state as (
    no bigint, next bigint, holes int8multirange, holes_xid xid8, young int8multirange, young_xid xid8
);

-- How many numbers there are, and the first and the last of them.
create type some_numbers as (n int, low bigint, top bigint);

create type open_claim as (
    slot smallint, part smallint, lane int, open int8multirange, deadline timestamptz
);

create type own_deadline as (deadline_s double precision, seqs int8multirange);

create type job_entry as (
    job_id bigint, lane int, slot smallint, seq bigint, run_lease int, token bigint, part smallint, outcome outcome
);

-- Some entries of one claims row, an array or a text for each column: a row for each entry costs more than
-- what it holds. No JSON text has a line feed in it, so one can stand between two.
create type some_bodies as (
    slot smallint, part smallint, lane int, seqs bigint[], job_ids bigint[], run_leases int[], attempts smallint[],
    max_attempts smallint[], losses smallint[], kinds text[], args text, extras text, enqueued_s double precision[]
);

create type closing as (
    item int, answer text,          -- 'found', 'busy' or 'ended'
    lane int, slot smallint, token bigint, part smallint,
    asked int8multirange, settled int8multirange, already int8multirange, stale int8multirange
);

do $do$
declare
    v_reads constant jsonb := jsonb_build_object(
    -- numbers of the visible entries of a lane from p_from up to, not including, p_below
    'ready_numbers(p_slot smallint, p_lane int, p_from bigint, p_below bigint, p_limit int) returns setof bigint', $q$
        select r.seq from ready_{k} r where r.lane = p_lane and r.seq >= p_from and r.seq < p_below order by r.seq limit p_limit
    $q$,
    -- the first p_limit of them, without their list
    'ready_head(p_slot smallint, p_lane int, p_from bigint, p_below bigint, p_limit int) returns some_numbers', $q$
        select row (count(*), min(h.seq), max(h.seq))::some_numbers
        from (select r.seq from ready_{k} r where r.lane = p_lane and r.seq >= p_from and r.seq < p_below order by r.seq limit p_limit) h
    $q$,
    -- the lane's state as the newest claim in this slot left it
    'newest_claim(p_slot smallint, p_lane int) returns setof claim_state', $q$
        select c.no, c.next, c.holes, c.holes_xid, c.young, c.young_xid from claims_{k} c
        where c.lane = p_lane and c.no is not null order by c.no desc limit 1
    $q$,
    -- withdrawals that may name a number from p_from up to p_upto: no row spans more than 1000 numbers
    'withdrawals(p_slot smallint, p_lane int, p_from bigint, p_upto bigint) returns setof int8multirange', $q$
        select x.seqs from closures_{k} x
        where x.token is null and x.lane = p_lane and upper(x.seqs) > p_from and upper(x.seqs) <= p_upto + 1000
    $q$,
    -- of these numbers, those with a deadline of their own
    'own_deadlines(p_slot smallint, p_lane int, p_seqs int8multirange) returns own_deadline[]', $q$
        select array_agg(d::own_deadline) from (
            select (r.extra ->> 'deadline_s')::double precision, range_agg(int8range(r.seq, r.seq + 1))
            from unnest(p_seqs) g
            cross join lateral (select e.seq, e.extra from ready_{k} e where e.lane = p_lane and e.seq >= lower(g) and e.seq < upper(g)
                                and e.extra ? 'deadline_s' offset 0) r
            group by 1) d
    $q$,
    'next_deadline(p_slot smallint, p_after timestamptz) returns setof timestamptz', $q$
        select c.deadline from claims_{k} c where c.deadline > p_after order by c.deadline limit 1
    $q$,
    'workers_of_slot(p_slot smallint, p_after bigint) returns setof bigint', $q$
        select c.worker from claims_{k} c where c.worker > p_after order by c.worker limit 1
    $q$,
    -- a job's entries, each with the claim that took it and how it ended; a withdrawal ends an unclaimed one
    'entries_of_job(p_slot smallint, p_job bigint) returns setof job_entry', $q$
        select r.job_id, r.lane, {k}::smallint, r.seq, r.run_lease, c.token, c.part, coalesce(x.outcome, w.outcome)
        from ready_{k} r
        left join lateral (select k.token, k.part from claims_{k} k where k.lane = r.lane and upper(k.seqs) > r.seq and k.seqs @> r.seq
                           order by upper(k.seqs) limit 1) c on true
        left join lateral (select k.outcome from closures_{k} k where k.token = c.token and k.part = c.part and k.seqs @> r.seq limit 1) x on true
        left join lateral (select k.outcome from closures_{k} k where c.token is null and k.token is null and k.lane = r.lane
                           and upper(k.seqs) > r.seq and upper(k.seqs) <= r.seq + 1001 and k.seqs @> r.seq limit 1) w on true
        where r.job_id = p_job
    $q$,
    'token_in(p_slot smallint, p_token bigint) returns boolean', $q$
        select exists (select from claims_{k} c where c.token = p_token)
    $q$,
    'claims_of_token(p_slot smallint, p_token bigint) returns setof open_claim', $q$
        select c.slot, c.part, c.lane, c.seqs - coalesce((select range_agg(x.seqs) from closures_{k} x
                                                          where x.token = c.token and x.part = c.part), '{}'), c.deadline
        from claims_{k} c where c.token = p_token
    $q$,
    -- the loop over ranges is spelled out (offset 0): the planner would rather read the whole lane once. 50 at once:
    -- each may have a megabyte of arguments
    'bodies_of_token(p_slot smallint, p_token bigint) returns setof some_bodies', $q$
        select c.slot, c.part, c.lane, r.*
        from (select o.slot, o.part, o.lane, unnest(o.open) as g from claims_of_token({k}::smallint, p_token) o offset 0) c
        cross join lateral generate_series(lower(c.g), upper(c.g) - 1, 50) f
        cross join lateral (
            select array_agg(e.seq) as seqs, array_agg(e.job_id), array_agg(e.run_lease), array_agg(e.attempt), array_agg(e.max_attempts),
                   array_agg(e.losses), array_agg(e.kind), string_agg(e.args::text, E'\n'), string_agg(e.extra::text, E'\n'),
                   array_agg(date_part('epoch', e.enqueued_at))
            from ready_{k} e where e.lane = c.lane and e.seq >= f and e.seq < least(f + 50, upper(c.g))) r
        where r.seqs is not null
    $q$,
    'progress_of(p_slot smallint, p_lane int, p_seq bigint) returns setof jsonb', $q$
        select e.progress from leases_{k} e where e.lane = p_lane and e.seq = p_seq and e.progress is not null
    $q$,
    -- The bodies of these entries, a JSON array each; null when one is not small. How large a compressed one is,
    -- only its text could tell. The text is made once (offset 0).
    'small_bodies(p_slot smallint, p_lane int, p_seqs int8multirange, p_bytes int) returns text', $q$
        select case when bool_and(octet_length(b.text) <= p_bytes) and count(b.text) = count(*) then '[' || string_agg(b.text, ',') || ']' end
        from (select case when pg_column_compression(e.args) is null and pg_column_compression(e.extra) is null
                           and pg_column_size(e.args) + pg_column_size(e.extra) <= p_bytes
                     then jsonb_build_array(e.seq, e.job_id, e.run_lease, e.attempt, e.max_attempts, e.losses, e.kind,
                                            e.args, e.extra, extract(epoch from e.enqueued_at))::text end as text
              from unnest(p_seqs) g
              cross join lateral (select * from ready_{k} r where r.lane = p_lane and r.seq >= lower(g) and r.seq < upper(g) order by r.seq offset 0) e
              offset 0) b
    $q$,
    -- the entries of these numbers, in their order
    'entries_in(p_slot smallint, p_lane int, p_seqs int8multirange) returns setof ready', $q$
        select r.* from unnest(p_seqs) g
        cross join lateral (select * from ready_{k} e where e.lane = p_lane and e.seq >= lower(g) and e.seq < upper(g) order by e.seq offset 0) r
    $q$);
    v_writes constant jsonb := jsonb_build_object(
    'write_claim(p_slot smallint, p_row claims) returns void', $q$
        insert into claims_{k} (token, worker, call, claimed_at, deadline, no, next, holes_xid, young_xid, lane, slot, part, seqs, holes, young)
        values (p_row.token, p_row.worker, p_row.call, p_row.claimed_at, p_row.deadline, p_row.no, p_row.next, p_row.holes_xid, p_row.young_xid,
                p_row.lane, p_row.slot, p_row.part, p_row.seqs, p_row.holes, p_row.young);
    $q$,
    'lock_slot(p_slot smallint) returns void', 'lock table ready_{k}, claims_{k}, closures_{k} in access share mode;',
    -- in one statement begun after the locks: open = claimed minus closed; what of the asked is open gets one
    -- closure; the rest is told apart as settled by this very settle id, or stale
    'close_in_slot(p_slot smallint, p_items int[], p_tokens bigint[], p_parts smallint[], p_seqs int8multirange[],
                   p_outcome outcome, p_settle_id bigint) returns setof closing', $q$
        lock table ready_{k}, claims_{k} in access share mode;
        lock table closures_{k} in row exclusive mode;
        return query
        with asked as materialized (
            select u.item, u.token, u.part, u.seqs, c.lane, c.seqs as claimed,
                   coalesce(x.closed, '{}') as closed, coalesce(x.mine, '{}') as mine
            from unnest(p_items, p_tokens, p_parts, p_seqs) u (item, token, part, seqs)
            left join lateral (select k.lane, k.seqs from claims_{k} k where k.token = u.token and k.part = u.part) c on true
            left join lateral (
                select range_agg(k.seqs) as closed,
                       range_agg(k.seqs) filter (where k.settle_id = p_settle_id and k.outcome = p_outcome) as mine
                from closures_{k} k where k.token = u.token and k.part = u.part) x on true
        ), judged as materialized (
            select a.*, a.seqs * (a.claimed - a.closed) as settled, a.seqs * a.mine as already from asked a
        ), written as (
            insert into closures_{k} (token, settle_id, closed_at, outcome, lane, slot, part, seqs)
            select j.token, p_settle_id, clock_timestamp(), p_outcome, j.lane, {k}, j.part, j.settled
            from judged j where not isempty(j.settled)
        )
        select j.item, case when j.lane is null then 'ended' else 'found' end, j.lane, {k}::smallint, j.token, j.part,
               j.seqs, coalesce(j.settled, '{}'), j.already, j.seqs - coalesce(j.settled, '{}') - j.already
        from judged j order by j.item;
    $q$);
    v_head text;
    v_body text;
    v_kind text;
begin
    for v_head, v_body, v_kind in
        select f.key, case when f.key ~ ' returns setof ' then 'return query ' || f.value || ';' else 'return (' || f.value || ');' end, 'stable'
        from jsonb_each_text(v_reads) f
        union all
        select f.key, f.value, 'volatile' from jsonb_each_text(v_writes) f
    loop
        execute format('create function %s language plpgsql %s as %L', v_head, v_kind,
            'begin case p_slot '
            || (select string_agg(format(' when %s then ', k) || replace(v_body, '{k}', k::text), '' order by k)
                from generate_series(0, 15) k)
            || ' end case; end');
    end loop;
end $do$;
