-- bodies: what a claim took, to be run: the entries still open under this token, wherever they are.
--   requires  the claim has committed (a second statement, in the same pipeline)
--   touches   nothing
--   one step  one statement over the live slots.
create function bodies(token bigint)
returns table (slot smallint, part smallint, lane int, seq bigint, job_id bigint, run_lease int, attempt smallint,
               max_attempts smallint, losses smallint, kind text, args jsonb, extra jsonb, enqueued_at timestamptz)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off as $$
begin
    return query execute (
        select string_agg(format($q$
            select c.slot, c.part, c.lane, r.seq, r.job_id, r.run_lease, r.attempt, r.max_attempts, r.losses, r.kind, r.args, r.extra, r.enqueued_at
            from (select k.slot, k.part, k.lane, k.seqs - coalesce((select range_agg(x.seqs) from closures_%1$s x
                          where x.token = k.token and x.part = k.part), '{}') as open
                  from claims_%1$s k where k.token = $1) c
            cross join lateral unnest(c.open) g
            join ready_%1$s r on r.lane = c.lane and r.seq >= lower(g) and r.seq < upper(g)
            $q$, k), ' union all ')
        from unnest(lock_live_slots()) k)
    using bodies.token;
end $$;
