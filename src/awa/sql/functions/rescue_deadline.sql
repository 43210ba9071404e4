-- rescue_deadline: attempts past their deadline end as failed attempts.
--   spec      Storage!RescueDeadline        event    rescue_deadline (when something was closed)
--   requires  since: deadlines up to then were looked at before and nothing was left; the caller looks at
--             all of them (the default) from time to time. grace_s: how long after its deadline an attempt is
--             left to its worker, which cancels it, lets it clean up and settles it
--   outcome   how many entries were given back, how many jobs ended, how many claims were busy, and the next
--             deadline that any claim has, settled ones included. It looks at max_claims claims a call. `rescued`: as
--             that of rescue_worker
--   touches   per claims row as retry
--   one step  as a settle: the claim's lock, then one look. The worker is told and cancels what it runs.
create function rescue_deadline(max_claims int default 500, since timestamptz default '-infinity',
                                grace_s double precision default 0, kinds text[] default '{}')
returns table (released int, ended int, busy int, next_at timestamptz, rescued jsonb)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_until timestamptz;
    v_rows open_rows;
    v_closings closing[];
    v_disposal disposal;
begin
    perform require_read_committed('rescue_deadline');
    perform check_count('max_claims', rescue_deadline.max_claims, 500);
    perform check_seconds('grace_s', array[rescue_deadline.grace_s]);
    v_until := clock_timestamp() - make_interval(secs => coalesce(rescue_deadline.grace_s, 0));
    v_rows := open_rows_where('c.deadline > $5 and c.deadline <= $6', null, null, null, null, coalesce(rescue_deadline.since, '-infinity'), v_until, rescue_deadline.max_claims);
    v_closings := close_rows(v_rows, 'expired', 0);
    v_disposal := dispose_unheard(v_closings, 'expired', 'deadline', 'deadline exceeded');
    if exists (select from unnest(v_closings) c where not isempty(c.settled)) then
        perform tell_workers(v_rows.workers);
        if tracing() then
            perform emit(jsonb_build_object('a', 'rescue_deadline', 'items', closing_items(v_closings)) || disposed(v_disposal));
        end if;
    end if;
    return query select count_settled(v_closings) - cardinality(v_disposal.ended), cardinality(v_disposal.ended), busy_items(v_closings),
                        (select min(d) from unnest(lock_live_slots()) k, next_deadline(k, v_until) d),
                        rescued_of(v_closings, rescue_deadline.kinds);
end $$;
