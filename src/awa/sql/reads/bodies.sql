-- bodies: what a claim took, to be run: the entries still open under this token, wherever they are.
--   requires  the claim has committed (a second statement, in the same pipeline)
--   touches   nothing
--   one step  one statement over the live slots, begun after they are locked: no slot is emptied under it.
--             An entry that is carried to a slot that was empty just before is missing; the worker
--             releases it, and its receipt is looked up by its token.
create function bodies(token bigint)
returns table (slot smallint, part smallint, lane int, seq bigint, job_id bigint, run_lease int, attempt smallint,
               max_attempts smallint, losses smallint, kind text, args jsonb, extra jsonb, enqueued_at timestamptz)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_slots smallint[] := lock_live_slots();
begin
    return query
    select b.* from unnest(v_slots) k cross join lateral bodies_of_token(k, bodies.token) b;
end $$;
