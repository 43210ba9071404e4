-- census: all that is known of one lane, in one snapshot. The last event of a recorded trace. `bounds` says
-- how many attempts each job has, which no event does.
create function census(lane int) returns jsonb
language sql stable security definer set search_path from current as $$
    select jsonb_build_object('a', 'census', 'lane', census.lane, 'no', s.no, 'next', s.next, 'holes', (s.holes + s.young)::text,
        'entries', (select coalesce(jsonb_agg(jsonb_build_array(r.slot, r.seq, r.job_id, r.run_lease, r.attempt, r.losses) order by r.seq), '[]')
                    from ready r where r.lane = census.lane),
        'claims', (select coalesce(jsonb_agg(jsonb_build_array(c.slot, c.token, c.part, c.seqs::text) order by c.claimed_at, c.part), '[]')
                   from claims c where c.lane = census.lane),
        'closures', (select coalesce(jsonb_agg(jsonb_build_array(x.slot, x.token, x.part, x.seqs::text, x.outcome) order by x.closed_at), '[]')
                     from closures x where x.lane = census.lane and x.token is not null),
        'withdrawn', (select coalesce(jsonb_agg(jsonb_build_array(x.slot, x.seqs::text) order by x.closed_at), '[]')
                      from closures x where x.lane = census.lane and x.token is null),
        'deferred', (select coalesce(jsonb_agg(jsonb_build_array(d.job_id, d.state, d.run_lease, d.attempt, d.losses) order by d.job_id), '[]')
                     from deferred d where d.lane = census.lane),
        'finals', (select coalesce(jsonb_agg(jsonb_build_array(f.job_id, f.state, f.run_lease, f.attempt, f.losses) order by f.job_id), '[]')
                   from finals f where f.lane = census.lane),
        'dead', (select coalesce(jsonb_agg(jsonb_build_array(q.job_id, q.run_lease, q.attempt, q.losses) order by q.job_id), '[]')
                 from dlq q where q.lane = census.lane),
        'bounds', (select coalesce(jsonb_agg(distinct jsonb_build_array(b.job_id, b.max_attempts)), '[]') from (
                       select r.job_id, r.max_attempts from ready r where r.lane = census.lane
                       union all select d.job_id, d.max_attempts from deferred d where d.lane = census.lane
                       union all select f.job_id, f.max_attempts from finals f where f.lane = census.lane
                       union all select q.job_id, q.max_attempts from dlq q where q.lane = census.lane) b))
    from lane_now s where s.lane = census.lane
$$;

create function schema_version() returns int
language sql stable security definer set search_path from current as $$ select schema_version from meta $$;
