-- Everything that appends entries comes through begin_append, in this order (each its own statement:
-- an unused pg_current_xact_id() in a query is optimised away, and a job was lost):
--   1. inflight(lane), shared: from now on nobody may conclude that our numbers will never appear
--   2. the transaction's own xid: it is older than the xid of any claim that passes over our numbers
--   3. the sleeper's flag: a worker that sleeps on this queue is told, with our commit
--   then, in the caller, draw ids (unless they have one) and numbers, see whether others drew many ids in between,
--   and insert.

-- Ids of a lane grow with its numbers, nearly: an entry is plain when at most so many ids were drawn between its
-- own and its number. So of all entries with lower numbers than a plain one, none has an id that is higher by
-- more: theirs were drawn before its number was. Pages of jobs rely on it. What was drawn further apart
-- says so in `extra`; an entry that is not its job's first is never plain.
create function apart_max() returns int language sql immutable as $$ select 6000 $$;

create function is_plain(p_run_lease int, p_extra jsonb) returns boolean
language sql immutable as $$ select p_run_lease = 1 and not p_extra ? 'apart' $$;

create function apart(p_extra jsonb) returns jsonb
language sql immutable as $$ select p_extra || '{"apart": true}' $$;

-- What an entry that is its job's first has as `extra`: with the mark, when it is not plain. It stands behind the number in
-- its row, so it is evaluated after that was drawn.
create function marked(p_extra jsonb, p_job_id bigint) returns jsonb
language sql volatile as $$
    select case when pg_sequence_last_value('job_id_seq') - p_job_id > apart_max() then apart(p_extra) else p_extra end
$$;

-- Somebody sleeps on this queue. The test takes and drops a shared lock in one expression, so that a
-- cancelled statement leaves nothing behind on a pooled connection.
create function somebody_sleeps(p_queue_id int) returns boolean
language sql volatile as $$
    select not case when pg_try_advisory_lock_shared(lk_sleeping(), p_queue_id)
                    then pg_advisory_unlock_shared(lk_sleeping(), p_queue_id)
                    else false end
$$;

create function begin_append(p_lane int, p_queue_id int, p_queue text) returns void
language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(lk_inflight(), p_lane);
    perform pg_current_xact_id();
    if coalesce(current_setting('awa.notify', true), 'on') <> 'off' and somebody_sleeps(p_queue_id) then
        perform pg_notify(awa_name(), p_queue);
    end if;
end $$;

-- begin_append for the lanes of a batch, in lane order.
create function begin_append_all(p_lanes int[]) returns void
language plpgsql as $$
declare
    l record;
begin
    for l in select x.lane, x.queue_id, x.queue from lanes x where x.lane = any (p_lanes) order by x.lane loop
        perform begin_append(l.lane, l.queue_id, l.queue);
    end loop;
end $$;
