-- census: all that is known of one lane, in one snapshot. The last event of a recorded trace. `bounds` says
-- how many attempts each job has, `unique` which key it holds in which states: no event does. `progress` is what
-- is told of each job that has not completed: of its open attempt, else of its row.
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
        'dead', (select coalesce(jsonb_agg(jsonb_build_array(q.job_id, q.state, q.run_lease, q.attempt, q.losses) order by q.job_id), '[]')
                 from dlq q where q.lane = census.lane),
        'progress', (select coalesce(jsonb_agg(jsonb_build_array(p.job_id, progress_print(p.progress)) order by p.job_id), '[]')
                     from (select r.job_id, coalesce(e.progress, r.extra -> 'progress') as progress
                           from ready r left join leases e on e.slot = r.slot and e.lane = r.lane and e.seq = r.seq
                           where r.lane = census.lane and (e.progress is not null or r.extra ? 'progress')
                             and not exists (select from closures x where x.slot = r.slot and x.lane = r.lane and x.seqs @> r.seq)
                           union all select d.job_id, d.extra -> 'progress' from deferred d where d.lane = census.lane
                           union all select f.job_id, f.extra -> 'progress' from finals f where f.lane = census.lane
                           union all select q.job_id, q.extra -> 'progress' from dlq q where q.lane = census.lane) p
                     where p.progress is not null)
) || (
        select jsonb_build_object(
            'bounds', coalesce(jsonb_agg(distinct jsonb_build_array(b.job_id, b.max_attempts)), '[]'),
            'unique', coalesce(jsonb_agg(distinct jsonb_build_array(b.job_id, encode((b.key).key, 'hex'), (b.key).states))
                               filter (where (b.key).states is not null and (b.key).until is null), '[]'))
        from (select a.job_id, a.max_attempts,
                     case when a.extra ? 'unique' then read_unique(a.extra -> 'unique', 'raise') end as key
              from (select r.job_id, r.max_attempts, r.extra from ready r where r.lane = census.lane
                    union all select d.job_id, d.max_attempts, d.extra from deferred d where d.lane = census.lane
                    union all select f.job_id, f.max_attempts, f.extra from finals f where f.lane = census.lane
                    union all select q.job_id, q.max_attempts, q.extra from dlq q where q.lane = census.lane) a) b)
    from lane_now s where s.lane = census.lane
$$;

create function schema_version() returns int
language sql stable security definer set search_path from current as $$ select schema_version from meta $$;
