-- census: all that is known of one lane, in one snapshot. The last event of a recorded trace.
create function census(lane int) returns jsonb
language sql stable security definer set search_path from current as $$
    select jsonb_build_object('a', 'census', 'lane', census.lane, 'no', s.no, 'next', s.next, 'holes', (s.holes + s.young)::text,
        'entries', (select coalesce(jsonb_agg(jsonb_build_array(r.slot, r.seq, r.job_id, r.run_lease, r.attempt) order by r.seq), '[]')
                    from ready r where r.lane = census.lane),
        'claims', (select coalesce(jsonb_agg(jsonb_build_array(c.slot, c.token, c.part, c.seqs::text) order by c.claimed_at, c.part), '[]')
                   from claims c where c.lane = census.lane),
        'closures', (select coalesce(jsonb_agg(jsonb_build_array(x.slot, x.token, x.part, x.seqs::text, x.outcome) order by x.closed_at), '[]')
                     from closures x where x.lane = census.lane))
    from lane_now s where s.lane = census.lane
$$;

create function schema_version() returns int
language sql stable security definer set search_path from current as $$ select schema_version from meta $$;
