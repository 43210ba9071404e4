-- cancel_pending: jobs that nobody runs yet end as cancelled.
--   spec      Storage!CancelPending         event    cancel_pending
--   requires  a transaction of its own (AW007); at most 500 distinct ids
--   outcome   a row per job, in their order: 'settled'; 'already' (by this settle id); 'busy' (somebody claims
--             in its lane or promotes it: ask again soon); 'stale' with the state it is in; 'unknown'
--   touches   insert closures (withdrawals), delete deferred, insert finals and acts (one per job)
--   one step  the lane's claim lock comes before the look at what is pending, and lasts until the commit: a
--             claim sees the withdrawal, or the entry was claimed before.
create function cancel_pending(settle_id bigint, job_ids bigint[], reason text default null)
returns table (item int, answer text, state text)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_fresh bigint[];
    v withdrawal;
    v_done bigint[];
begin
    perform require_own_transaction('cancel_pending');
    v_fresh := fresh_jobs(cancel_pending.settle_id, cancel_pending.job_ids);
    v := withdraw(v_fresh, cancel_pending.settle_id, cancel_pending.reason, false);
    v_done := array(select d.job_id from unnest(v.done) d);
    perform log_acts(cancel_pending.settle_id, 'cancel_pending', 'cancelled', v_done, cancel_pending.reason);
    return query select * from tell_act(case when tracing() then '{"a": "cancel_pending"}' || withdrawn_lists(v.done) end,
                                        cancel_pending.settle_id, cancel_pending.job_ids, v_done, 'cancelled', v.busy);
end $$;
