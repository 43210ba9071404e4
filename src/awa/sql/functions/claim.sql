-- claim: take entries of several queues for a worker.
--   spec      Storage!Claim                 event    claim (when something was taken, or repeated)
--   requires  READ COMMITTED; a started worker; a token drawn for this call alone; limits of 1000 in all
--   outcome   a row per claims row ('got'), and one per queue that got nothing: 'empty', or 'busy' when
--             another claim holds a lane of it or all it saw was withdrawn (soon is a good time to ask again);
--             a paused queue is empty. 'busy' stands beside 'got' of a queue that got less than its limit, when
--             that may not be all: who hears 'got' alone has what there was. With a token that
--             took something before: what is still open of it, and 'busy' for all queues.
--             Up to bodies_max entries bring their bodies with them when they are small: [seq, job_id, run_lease,
--             attempt, max_attempts, losses, kind, args, extra, enqueued at] each; null says to ask for them
--   touches   insert claims (one per lane, slot and deadline); a sequence that stands behind its cursor. Many or
--             large bodies are read after the commit, because rows sent before it would let one stopped client
--             hold the lane for everybody: only what has room in the server's send buffer waits there for the commit
--   one step  under locks taken first: the token (a repeat races with its first call), each lane, the
--             live slots. All picks come before the transaction's xid and before the first write.
create function claim(worker bigint, call bigint, token bigint, queues text[], limits int[], bodies_max int default 0)
returns table (queue text, answer text, slot smallint, part smallint, lane int, seqs int8multirange, deadline timestamptz, bodies text)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    v_lanes int[];
    v_mine int[];
    v_slots smallint[];
    v_states lane_state[];
    v_takes lane_take[];
    v_rows claimed_row[];
    v_xid xid8;
    v_entries int;
    v_fresh boolean := pg_current_xact_id_if_assigned() is null;
begin
    perform require_read_committed('claim'), check_call(claim.worker, claim.call, claim.token), check_asks(claim.queues, claim.limits);
    if claim.bodies_max is null or claim.bodies_max not between 0 and 16 then
        perform refuse_input('bodies_max', 'must be from 0 to 16');
    end if;
    perform require_worker(claim.worker);
    perform pg_advisory_xact_lock(lk_claim(), hashint8(claim.token));
    v_lanes := lanes_of(claim.queues);
    v_mine := lock_lanes(v_lanes);
    v_slots := live_slots();    -- a pick looks again for slots that filled meanwhile
    perform lock_slots(v_slots);
    if exists (select from unnest(v_slots) k where token_in(k, claim.token)) then
        return query select r.*, null::text from repeat_claim(claim.worker, claim.call, claim.token, claim.queues, v_slots) r;
        return;
    end if;
    v_states := states_of(v_mine, v_slots);
    v_takes := take_all(v_states, v_slots, claim.queues, claim.limits);
    v_entries := entries_of(v_takes);
    if v_entries is not null then
        v_xid := pg_current_xact_id();
        v_takes := with_xid(v_takes, case when v_fresh then v_xid end);
        v_rows := write_claims(claim.worker, claim.call, claim.token, v_takes);
        if tracing() then
            perform emit(claim_event(claim.worker, claim.call, claim.token, false, v_rows, v_takes));
        end if;
        return query
        select r.queue, 'got', r.slot, r.part, r.lane, r.seqs, r.deadline,
               case when v_entries <= claim.bodies_max then small_bodies(r.slot, r.lane, r.seqs, small_bodies_bytes() / nullif(v_entries, 0)) end
        from unnest(v_rows) r where not isempty(r.seqs);
    end if;
    perform repair_sequences(v_states);    -- last: it may give this transaction its xid
    if cardinality(v_takes) = 1 and cardinality(claim.queues) = 1 and v_entries > 0 and not (v_takes[1]).more and v_mine = v_lanes then
        return;    -- all there was, or all that was asked for
    end if;
    return query
    select q.queue, case when q.busy then 'busy' else 'empty' end, null::smallint, null::smallint, null::int, null::int8multirange, null::timestamptz, null::text
    from (select a.queue, a.most, t.n, t.more or t.n = 0 and t.passed
                 or exists (select from lanes l where l.queue = a.queue and l.lane <> all (v_mine)) as busy
          from unnest(claim.queues, claim.limits) a (queue, most)
          cross join lateral (select coalesce(sum(x.n), 0) as n, coalesce(bool_or(x.more), false) as more, count(*) > 0 as passed
                              from unnest(v_takes) x where x.queue = a.queue) t) q
    where q.n = 0 or q.n < q.most and q.busy;
end $$;
