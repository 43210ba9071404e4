-- dlq_retry: dead letters run again, from their first attempt on.
--   spec      Storage!DlqRetry              event    dlq_retry
--   requires  READ COMMITTED; at most 500 distinct ids; opts: queue, priority (default: where it was), delay_s
--   outcome   a row per job, in their order: 'settled' with its state; 'duplicate' (another job has its unique
--             key); 'already' (by this settle id); 'busy'; 'stale' with the state it is in; 'unknown'
--   touches   delete dlq, insert ready or deferred, insert acts (one each per job); update unique_keys
--   one step  the rows are locked first, missing lanes made, then the keys locked in their order, then the lanes. run_lease goes on
--             from where it was: a late settle of the old life finds nothing of its own.
create function dlq_retry(settle_id bigint, job_ids bigint[], opts jsonb default '{}')
returns table (item int, answer text, state text)
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    v_fresh bigint[];
    v_opts enqueue_options := read_options(dlq_retry.opts);
    v_queue text := case when dlq_retry.opts ? 'queue' then v_opts.queue end;
    v_priority smallint := case when dlq_retry.opts ? 'priority' then v_opts.priority end;
    v_mine bigint[];
    v_busy bigint[];
    v_held bigint[];
    v_event jsonb;
begin
    perform require_read_committed('dlq_retry');
    v_fresh := fresh_jobs(dlq_retry.settle_id, dlq_retry.job_ids);
    if dlq_retry.opts - '{queue,priority,delay_s}'::text[] <> '{}' then
        perform refuse_input('opts', 'may hold queue, priority and delay_s');
    end if;
    v_mine := array(select q.job_id from dlq q where q.job_id = any (v_fresh) for update skip locked);
    v_busy := array(select q.job_id from dlq q where q.job_id = any (v_fresh) and q.job_id <> all (v_mine));
    perform make_lanes_for_dead(v_mine, v_queue, v_priority);
    v_held := keys_lost(v_mine);
    v_mine := array(select m from unnest(v_mine) m where m <> all (v_held));
    v_event := revive(v_mine, v_queue, v_priority, coalesce(v_opts.delay_s, 0));
    perform log_acts(dlq_retry.settle_id, 'dlq_retry', case when v_opts.delay_s > 0 then 'scheduled' else 'available' end, v_mine, null);
    return query select * from tell_act('{"a": "dlq_retry"}' || v_event, dlq_retry.settle_id, dlq_retry.job_ids, v_mine,
                                        case when v_opts.delay_s > 0 then 'scheduled' else 'available' end, v_busy, v_held);
end $$;
