-- settled_by: whether an attempt was ended under this settle id. For a handler's own transaction whose COMMIT was
-- not answered: it must not be sent again, because what the handler did in it would be missing.
--   outcome   'settled' (under this id), 'stale' (by somebody else), 'open' (it was not, and no transaction that is
--             under way will do it), 'busy' (somebody holds the claim's lock, perhaps that very transaction: ask
--             again), 'ended' (there is no such claim any more)
--   touches   nothing
--   one step  the claim's lock is taken before the look. The transaction that is asked about holds it from before
--             it wrote its closure until it has ended.
create function settled_by(settle_id bigint, token bigint, part smallint, seq bigint) returns text
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    v_slot smallint;
    v_answer text := 'ended';
    v_by bigint;
    v_claimed boolean;
begin
    perform require_read_committed('settled_by');
    if not pg_try_advisory_xact_lock(lk_claim(), hashint8(settled_by.token)) then
        return 'busy';
    end if;
    foreach v_slot in array lock_live_slots() loop
        execute format(
            'select (select x.settle_id from closures_%1$s x where x.token = $1 and x.part = $2 and x.seqs @> $3 limit 1), '
            'exists (select from claims_%1$s c where c.token = $1 and c.part = $2 and c.seqs @> $3)', v_slot)
        into v_by, v_claimed using settled_by.token, settled_by.part, settled_by.seq;
        if v_by is not null then
            return case when v_by = settled_by.settle_id then 'settled' else 'stale' end;
        elsif v_claimed then
            v_answer := 'open';
        end if;
    end loop;
    return v_answer;
end $$;
