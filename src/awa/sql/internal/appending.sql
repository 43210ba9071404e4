-- Everything that appends entries comes through begin_append, in this order (each its own statement:
-- an unused pg_current_xact_id() in a query is optimised away, and a job was lost):
--   1. inflight(lane), shared: from now on nobody may conclude that our numbers will never appear
--   2. the transaction's own xid: it is older than the xid of any claim that passes over our numbers
--   3. the sleeper's flag: a worker that sleeps on this queue is told, with our commit
--   then, in the caller, draw numbers and insert.

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
