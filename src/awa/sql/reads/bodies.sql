-- bodies: what a claim took, to be run: the entries still open under this token, wherever they are.
--   requires  the claim has committed (a second statement, in the same pipeline)
--   outcome   rows of up to 50 entries of one claims row, with an array for each column, in the same order. args and
--             extras are JSON texts with a line feed between two: there is none in them. With a guess only what is in
--             these slots: who misses some asks again without
--   touches   nothing
--   one step  one statement over the live slots, begun after they are locked: no slot is emptied under it.
--             An entry that is carried to a slot that was empty just before is missing; the worker
--             releases it, and its receipt is looked up by its token.
create function bodies(token bigint, guess smallint[] default null)
returns table (slot smallint, part smallint, lane int, seqs bigint[], job_ids bigint[], run_leases int[], attempts smallint[],
               max_attempts smallint[], losses smallint[], kinds text[], args text, extras text, enqueued_s double precision[])
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_slots smallint[];
begin
    if bodies.guess is null then
        v_slots := lock_live_slots();
    elsif not bodies.guess <@ '{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}' or array_position(bodies.guess, null) is not null then
        perform refuse_input('guess', 'must be slots from 0 to 15');
    else
        v_slots := array(select distinct s from unnest(bodies.guess) s order by s);
        perform lock_slots(v_slots);
    end if;
    return query
    select b.* from unnest(v_slots) k cross join lateral bodies_of_token(k, bodies.token) b;
end $$;
