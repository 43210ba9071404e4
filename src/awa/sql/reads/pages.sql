-- Jobs by id and by page, in milliseconds whatever the views' planner thinks of 80 partitions: index paths
-- per state, over the live slots only. Reads, so nothing here is one step with anything else.
--   by id       the index on job_id of each live slot
--   by page     newest first. Waiting and ended jobs have indexes of their own. Those of the ring are walked by
--               id from the newest that can match on; few pending ones are taken from the lanes instead.

-- An entry that a walk passed.
create type walked as (slot smallint, lane int, seq bigint, job_id bigint);

do $do$
declare
    v_functions constant jsonb := jsonb_build_object(
    -- these jobs as the view shows them, those that are not in this slot left out. All numbers of a withdrawal are of
    -- one thousand, so what was withdrawn around these entries is read once
    'job_rows(p_slot smallint, p_jobs bigint[]) returns setof jobs', $q$
        with entry as materialized (
            select r.*, c.worker, c.token, c.part, c.claimed_at
            from (select j from unnest(p_jobs) j offset 0) j
            cross join lateral (select * from ready_{k} e where e.job_id = j.j offset 0) r
            left join lateral (select k.worker, k.token, k.part, k.claimed_at from claims_{k} k
                               where k.lane = r.lane and upper(k.seqs) > r.seq and k.seqs @> r.seq order by upper(k.seqs) limit 1) c on true
        ), withdrawn as materialized (
            select b.lane, w.seqs
            from (select distinct e.lane, e.seq / 1000 as thousand from entry e where e.token is null) b
            cross join lateral (select range_agg(k.seqs) as seqs from closures_{k} k where k.token is null and k.lane = b.lane
                                and upper(k.seqs) > b.thousand * 1000 and upper(k.seqs) <= b.thousand * 1000 + 1000 offset 0) w
        )
        select r.job_id, r.kind, l.queue, l.priority,
               case when r.token is null then 'available' when x.outcome is null then 'running' else x.outcome::text end,
               r.attempt, r.max_attempts, r.run_lease, r.losses, r.args,
               case when x.outcome = 'completed' then r.extra - 'progress' when e.progress is null then r.extra
                    else r.extra || jsonb_build_object('progress', e.progress) end, r.enqueued_at,
               null::timestamptz, r.claimed_at, x.closed_at, r.worker, o.result, null::text
        from entry r
        join lanes l on l.lane = r.lane
        left join lateral (select k.outcome, k.closed_at from closures_{k} k
                           where k.token = r.token and k.part = r.part and k.seqs @> r.seq limit 1) x on true
        left join lateral (select e.progress from leases_{k} e where e.lane = r.lane and e.seq = r.seq offset 0) e on true
        left join lateral (select o.result from results_{k} o where x.outcome = 'completed' and o.lane = r.lane and o.seq = r.seq offset 0) o on true
        where (x.outcome is null or x.outcome = 'completed')
          and (r.token is not null or not exists (select from withdrawn w where w.lane = r.lane and w.seqs @> r.seq))
    $q$,
    -- entries, newest id first: numbers from p_low[lane] up to, not including, p_high[lane]. A job may have several,
    -- and has all of them here or none: one may be completed where another was retried
    -- (the comparisons of lanes say no more than the arrays, but sooner: others' entries are most of what is passed;
    -- + 0 keeps them from the index by lane)
    'newest_entries(p_slot smallint, p_low bigint[], p_high bigint[], p_first int, p_last int, p_kind text, p_above bigint, p_before bigint, p_limit int)
     returns setof walked', $q$
        select {k}::smallint, e.lane, e.seq, e.job_id from ready_{k} e
        where e.job_id > p_above and e.job_id < p_before and e.lane + 0 >= p_first and e.lane + 0 <= p_last
          and (p_kind is null or e.kind = p_kind) and e.seq >= p_low[e.lane] and e.seq < p_high[e.lane]
        order by e.job_id desc fetch first (p_limit) rows with ties
    $q$,
    -- of a lane's numbers from p_from to p_to, what was claimed and has not completed, and what was withdrawn. A row
    -- is found by its highest number, so of those that reach beyond p_to only the next one is read: what is missed
    -- here is looked at one by one
    'not_completed(p_slot smallint, p_lane int, p_from bigint, p_to bigint) returns setof int8multirange', $q$
        select c.seqs - coalesce((select range_agg(x.seqs) from closures_{k} x
                                  where x.token = c.token and x.part = c.part and x.outcome = 'completed'), '{}')
        from claims_{k} c
        where c.lane = p_lane and upper(c.seqs) > p_from and upper(c.seqs) <= coalesce((
            select upper(f.seqs) from claims_{k} f where f.lane = p_lane and upper(f.seqs) > p_to order by upper(f.seqs) limit 1), p_to)
        union all
        select x.seqs from closures_{k} x
        where x.token is null and x.lane = p_lane and upper(x.seqs) > p_from and upper(x.seqs) <= coalesce((
            select upper(f.seqs) from closures_{k} f where f.token is null and f.lane = p_lane and upper(f.seqs) > p_to
            order by upper(f.seqs) limit 1), p_to)
    $q$,
    'newest_id(p_slot smallint, p_before bigint) returns setof bigint', $q$
        select e.job_id from ready_{k} e where e.job_id < p_before order by e.job_id desc limit 1
    $q$,
    -- ids of a lane's entries from p_from up to, not including, p_below
    'lane_ids(p_slot smallint, p_lane int, p_from bigint, p_below bigint) returns setof bigint', $q$
        select e.job_id from ready_{k} e where e.lane = p_lane and e.seq >= p_from and e.seq < p_below
    $q$,
    -- an id that none of these has a higher one than; null: there are none. The plain entry with the highest number
    -- tells it of all below, and those above it are looked at, unless they are very many
    'highest_id(p_slot smallint, p_lane int, p_from bigint, p_below bigint) returns setof bigint', $q$
        select coalesce(
            (select greatest(p.job_id + apart_max(), (select max(e.job_id + 0) from ready_{k} e where e.lane = p_lane and e.seq > p.seq and e.seq < p_below))
             from (select x.seq, x.job_id
                   from (select e.seq, e.job_id, e.run_lease, e.extra from ready_{k} e
                         where e.lane = p_lane and e.seq >= p_from and e.seq < p_below order by e.seq desc limit 5000) x
                   where is_plain(x.run_lease, x.extra) order by x.seq desc limit 1) p),
            (select case when count(*) < 5000 then max(x.job_id) else 9223372036854775806 end
             from (select e.job_id from ready_{k} e where e.lane = p_lane and e.seq >= p_from and e.seq < p_below order by e.seq desc limit 5000) x))
    $q$,
    -- ids of the open attempts. Nearly all claims were closed at once, which a join sees; of the rest what is open
    'open_ids(p_slot smallint, p_lanes int[], p_kind text, p_before bigint) returns setof bigint', $q$
        select r.job_id
        from (select c.lane, unnest(c.seqs - coalesce((
                         select range_agg(x.seqs) from closures_{k} x where x.token = c.token and x.part = c.part), '{}')) as g
              from (select c.lane, c.token, c.part, c.seqs from claims_{k} c
                    where not exists (select from closures_{k} x where x.token = c.token and x.part = c.part and x.seqs @> c.seqs)
                    offset 0) c offset 0) o
        cross join lateral (select e.job_id, e.kind from ready_{k} e where e.lane = o.lane and e.seq >= lower(o.g) and e.seq < upper(o.g) offset 0) r
        where r.job_id < p_before and (p_lanes is null or o.lane = any (p_lanes)) and (p_kind is null or r.kind = p_kind)
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

-- Every job of these that is among the jobs, from one snapshot begun after the live slots are locked.
create function jobs_in(p_slots smallint[], p_jobs bigint[]) returns setof jobs
language sql stable as $$
    select r.* from unnest(p_slots) k cross join lateral job_rows(k, p_jobs) r
    union all
    select d.job_id, d.kind, l.queue, l.priority, d.state, d.attempt, d.max_attempts, d.run_lease, d.losses, d.args, d.extra,
           d.enqueued_at, d.run_at, null, null, null, null, null
    from deferred d join lanes l on l.lane = d.lane where d.job_id = any (p_jobs)
    union all
    select f.job_id, f.kind, l.queue, l.priority, f.state, f.attempt, f.max_attempts, f.run_lease, f.losses, f.args, f.extra,
           f.enqueued_at, null, null, f.finished_at, null, null, f.reason
    from finals f join lanes l on l.lane = f.lane where f.job_id = any (p_jobs)
$$;

-- jobs_by_id: these jobs as the view `jobs` shows them, newest first; those that are not among them left out.
create function jobs_by_id(job_ids bigint[]) returns setof jobs
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_sort = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_slots smallint[] := lock_live_slots();
begin
    return query select j.* from jobs_in(v_slots, jobs_by_id.job_ids) j order by j.id desc;
end $$;

-- What a page may hold of a lane: the numbers from `low` up to, not including, `high`, and for pending entries
-- which of them.
create type lane_span as (lane int, low bigint, high bigint, pending int8multirange);

-- The numbers of a lane that wait to be claimed: those from the cursor on, and these holes, less the withdrawn.
create function pending_in(p_slots smallint[], p_lane int, p_next bigint, p_last bigint, p_holes int8multirange) returns int8multirange
language plpgsql stable as $$
begin
    return p_holes + int8multirange(int8range(p_next, greatest(p_next, p_last + 1)))
           - coalesce((select range_agg(w) from unnest(p_slots) k
                       cross join lateral withdrawals(k, p_lane, coalesce(least(p_next, lower(p_holes)), p_next), p_last) w), '{}');
end $$;

-- The lanes' states are those of these slots' claims: what was claimed in a slot is below the cursor of its claims.
create function lane_spans(p_slots smallint[], p_state text, p_queue text) returns setof lane_span
language plpgsql stable as $$
begin
    if p_state is null or p_state = 'running' then
        return query select l.lane, 1::bigint, 9223372036854775807, null::int8multirange from lanes l where p_queue is null or l.queue = p_queue;
        return;
    end if;
    return query
    select s.lane, case when p_state = 'available' then lower(s.pending) else 1 end,
           case when p_state = 'available' then upper(s.pending) else s.next end, s.pending
    from (select l.lane, coalesce(c.next, l.floor_next) as next,
                 case when p_state = 'available' then pending_in(
                     p_slots, l.lane, coalesce(c.next, l.floor_next), coalesce(pg_sequence_last_value(l.seq), 0),
                     coalesce(c.holes + c.young, l.floor_holes + l.floor_young)) end as pending
          from lanes l
          left join lateral (select n.* from unnest(p_slots) k cross join lateral newest_claim(k, l.lane) n
                             where n.no > l.floor_no order by n.no desc limit 1) c on true
          where p_queue is null or l.queue = p_queue offset 0) s
    where s.pending is null or not isempty(s.pending);
end $$;

-- Ids of pending entries, newest first: where there are few.
create function pending_ids(p_slots smallint[], p_spans lane_span[], p_before bigint) returns bigint[]
language plpgsql stable as $$
begin
    return (select coalesce(array_agg(i order by i desc), '{}')
        from unnest(p_spans) s cross join lateral unnest(s.pending) g cross join unnest(p_slots) k
        cross join lateral lane_ids(k, s.lane, lower(g), upper(g)) i
        where i < p_before);
end $$;

-- No id that matches is higher: a walk that began above it would pass entries of other queues, or of the other side
-- of the cursor.
create function highest_match(p_slots smallint[], p_spans lane_span[]) returns bigint
language plpgsql stable as $$
begin
    return (select max(i) from unnest(p_spans) s cross join unnest(p_slots) k cross join lateral highest_id(k, s.lane, s.low, s.high) i);
end $$;

-- The newest entries of all slots together, the slot with the newest id first: one that holds nothing newer than
-- what was found need not be looked at. None up to p_above is wanted.
create function walk_entries(p_slots smallint[], p_low bigint[], p_high bigint[], p_kind text, p_above bigint, p_before bigint, p_limit int) returns walked[]
language plpgsql stable as $$
declare
    v_lanes int[] := array(select l from unnest(p_high) with ordinality h (high, l) where h.high > 0 order by l);
    v_slot smallint;
    v_newest bigint;
    v_found walked[] := '{}';
    v_above bigint := p_above;
begin
    for v_slot, v_newest in select k, i from unnest(p_slots) k cross join lateral newest_id(k, p_before) i order by i desc loop
        exit when v_newest <= v_above;
        v_found := array(
            select row(u.slot, u.lane, u.seq, u.job_id)::walked from (
                select * from unnest(v_found) union all select * from newest_entries(v_slot, p_low, p_high, v_lanes[1], v_lanes[cardinality(v_lanes)], p_kind, v_above, p_before, p_limit)) u
            order by u.job_id desc fetch first (p_limit) rows with ties);
        if cardinality(v_found) >= p_limit then
            v_above := v_found[cardinality(v_found)].job_id - 1;
        end if;
    end loop;
    return v_found;
end $$;

-- The ids of these that can be in this state, newest first. A claim that is open or failed tells of all its numbers
-- at once; one by one they take twenty blocks each. Numbers far apart are asked for apart: what lies between may be
-- a million claims.
create function likely_ids(p_state text, p_found walked[]) returns bigint[]
language plpgsql stable as $$
begin
    return (select coalesce(array_agg(distinct i.id order by i.id desc), '{}')
        from (select w.slot, w.lane, array_agg(w.seq) as seqs, array_agg(w.job_id) as ids
              from unnest(p_found) w group by w.slot, w.lane offset 0) l
        cross join lateral (
            select coalesce(range_agg(n), '{}') as others
            from (select range_agg(int8range(e.e * 8, e.e * 8 + 8)) as near from (select distinct q / 8 as e from unnest(l.seqs) q) e) m
            cross join lateral unnest(m.near) g
            cross join lateral not_completed(l.slot, l.lane, lower(g), upper(g) - 1) n where p_state = 'completed' offset 0) o
        cross join lateral unnest(l.seqs, l.ids) i (seq, id)
        where not i.seq <@ o.others);
end $$;

-- A page of those in the ring: ids are walked downwards in steps that grow until enough of them match.
create function walk_page(p_slots smallint[], p_state text, p_spans lane_span[], p_kind text, p_above bigint, p_before bigint, p_limit int) returns setof jobs
language plpgsql stable as $$
declare
    v_low bigint[] := array(select coalesce(s.low, 0) from generate_series(1, (select max(x.lane) from unnest(p_spans) x)) l
                            left join unnest(p_spans) s on s.lane = l order by l);
    v_high bigint[] := array(select coalesce(s.high, 0) from generate_series(1, (select max(x.lane) from unnest(p_spans) x)) l
                             left join unnest(p_spans) s on s.lane = l order by l);
    v_before bigint := p_before;
    v_step int := p_limit + 20;
    v_left int := p_limit;
    v_count int;
    v_found walked[];
    v_ids bigint[];
begin
    while v_left > 0 loop
        v_found := walk_entries(p_slots, v_low, v_high, p_kind, p_above, v_before, v_step);
        exit when v_found = '{}';
        v_before := v_found[cardinality(v_found)].job_id;
        v_ids := likely_ids(p_state, v_found);
        while v_left > 0 and v_ids <> '{}' loop
            return query select r.* from unnest(p_slots) k cross join lateral job_rows(k, v_ids[:v_left + 20]) r
                         where p_state is null or r.state = p_state order by r.id desc limit v_left;
            get diagnostics v_count = row_count;
            v_left := v_left - v_count;
            v_ids := v_ids[v_left + v_count + 21:];
        end loop;
        v_step := least(v_step * 2, 5000);
    end loop;
end $$;

create function ring_page(p_slots smallint[], p_state text, p_queue text, p_kind text, p_above bigint, p_before bigint, p_limit int) returns setof jobs
language plpgsql stable as $$
declare
    v_spans lane_span[] := array(select s from lane_spans(p_slots, p_state, p_queue) s);
    v_before bigint := p_before;
    v_ids bigint[];
begin
    if p_state = 'running' then
        v_ids := array(select i from unnest(p_slots) k cross join lateral open_ids(k, array(select s.lane from unnest(v_spans) s), p_kind, p_before) i
                       order by i desc limit p_limit);
    elsif p_state = 'available' and (select coalesce(sum(numbers_in(s.pending)), 0) from unnest(v_spans) s) <= 2000 then
        v_ids := pending_ids(p_slots, v_spans, p_before);
    else
        if (p_state is not null or p_queue is not null) and cardinality(v_spans) <= 200 then
            v_before := least(p_before, highest_match(p_slots, v_spans) + 1);
        end if;
        return query select * from walk_page(p_slots, p_state, v_spans, p_kind, p_above, v_before, p_limit);
        return;
    end if;
    return query select r.* from unnest(p_slots) k cross join lateral job_rows(k, v_ids) r
                 where r.state = p_state and (p_kind is null or r.kind = p_kind) order by r.id desc limit p_limit;
end $$;

-- Ids of a page of those that wait for a time or have ended: of a queue by its lanes, of a state by all of them if they
-- are few and no kind is asked for, of which some may have none; else by id, passing others. What bounds an index is a
-- row of values, or the planner takes the index of the ids alone.
create function kept_page(p_state text, p_queue text, p_kind text, p_before bigint, p_limit int) returns bigint[]
language plpgsql stable as $$
declare
    v_lanes int[] := array(select l.lane from lanes l where p_queue is null or l.queue = p_queue);
    v_by_lane boolean := p_queue is not null or p_state is not null and p_kind is null and cardinality(v_lanes) <= 200;
    v_waits text[] := array(select s from unnest('{scheduled,retryable}'::text[]) s where p_state is null or s = p_state);
    v_ended text[] := array(select s from unnest('{failed,cancelled}'::text[]) s where p_state is null or s = p_state);
    v_ids bigint[] := '{}';
begin
    if v_waits <> '{}' then
        v_ids := case when v_by_lane then array(
            select d.job_id from unnest(v_lanes) l cross join unnest(v_waits) s cross join lateral (
                select d.job_id from deferred d
                where (d.lane, d.state, d.job_id) >= (l, s, 0) and (d.lane, d.state, d.job_id) < (l, s, p_before) and (p_kind is null or d.kind = p_kind)
                order by d.lane desc, d.state desc, d.job_id desc limit p_limit) d)
        else array(
            select d.job_id from deferred d
            where d.job_id < p_before and (p_state is null or d.state = p_state) and (p_kind is null or d.kind = p_kind)
            order by d.job_id desc limit p_limit) end;
    end if;
    if v_ended <> '{}' then
        v_ids := v_ids || case when v_by_lane then array(
            select f.job_id from unnest(v_lanes) l cross join unnest(v_ended) s cross join lateral (
                select f.job_id from finals f
                where (f.lane, f.state, f.job_id) >= (l, s, 0) and (f.lane, f.state, f.job_id) < (l, s, p_before) and (p_kind is null or f.kind = p_kind)
                order by f.lane desc, f.state desc, f.job_id desc limit p_limit) f)
        else array(
            select f.job_id from finals f
            where f.job_id < p_before and (p_state is null or f.state = p_state) and (p_kind is null or f.kind = p_kind)
            order by f.job_id desc limit p_limit) end;
    end if;
    return array(select i from unnest(v_ids) i order by i desc limit p_limit);
end $$;

-- jobs_page: jobs with ids below before_id, newest first; a filter that is null does not filter. A job that
-- moves just now may be left out, so only an empty page is the end.
create function jobs_page(state text default null, queue text default null, kind text default null, before_id bigint default null, max_jobs int default 100)
returns setof jobs
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_sort = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_before bigint := coalesce(jobs_page.before_id, 9223372036854775807);
    v_max int := least(greatest(coalesce(jobs_page.max_jobs, 100), 0), 10000);
    v_slots smallint[] := lock_live_slots();
    v_kept bigint[] := kept_page(jobs_page.state, jobs_page.queue, jobs_page.kind, v_before, v_max);
    -- these alone fill the page: nothing older is on it
    v_above bigint := coalesce(v_kept[greatest(v_max, 1)], 0);
begin
    return query
    with found as (
        select r.* from ring_page(v_slots, jobs_page.state, jobs_page.queue, jobs_page.kind, v_above, v_before, v_max) r
        where jobs_page.state is null or jobs_page.state in ('available', 'running', 'completed')
        union all
        select w.* from jobs_in('{}', v_kept) w
    )
    select * from found f order by f.id desc limit v_max;
end $$;

-- attempts_of: every claimed entry of these jobs that the ring still holds, the last first.
create function attempts_of(job_ids bigint[]) returns setof attempts
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
    select a.* from attempts a where a.job_id = any (attempts_of.job_ids) order by a.job_id desc, a.run_lease desc
$$;

-- key_holder: the job that holds a unique key, so that whoever asks for the key now would not get it; null: nobody.
create function key_holder(unique_key bytea) returns bigint
language sql volatile security definer set search_path from current as $$
    select h from unnest(keys_held(array(select u from unique_keys u where u.unique_key = key_holder.unique_key))) h
$$;
