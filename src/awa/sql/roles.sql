-- Roles, in a step of its own: many installations have them made by somebody else. Names come from the
-- settings awa.role_producer, awa.role_worker, awa.role_operator and awa.role_reader. Nobody is granted
-- a table that a protocol depends on; functions run with the owner's rights.
do $$
declare
    v_schema text := quote_ident(current_schema());
    v_producer text := coalesce(current_setting('awa.role_producer', true), 'awa_producer');
    v_worker text := coalesce(current_setting('awa.role_worker', true), 'awa_worker');
    v_operator text := coalesce(current_setting('awa.role_operator', true), 'awa_operator');
    v_reader text := coalesce(current_setting('awa.role_reader', true), 'awa_reader');
    v_role text;
begin
    foreach v_role in array array[v_producer, v_worker, v_operator, v_reader] loop
        begin
            execute format('create role %I nologin', v_role);
        exception when duplicate_object or unique_violation then
            null;    -- it exists, or another session is making it right now
        end;
        execute format('grant usage on schema %s to %I', v_schema, v_role);
        execute format('grant execute on function schema_version, lane_last_number, lane_counts, queue_counts, unique_key, ordering_shard, '
                       'jobs_by_id, jobs_page, attempts_of, key_holder, storage_status, unknown_kinds to %I', v_role);
    end loop;
    execute format('grant execute on function ensure_lane, enqueue, enqueue_many to %I, %I, %I', v_producer, v_worker, v_operator);
    execute format('grant execute on function worker_start, worker_stop, heartbeat, claim, bodies, complete, release, '
                   'retry, snooze, fail, cancel_running, promote, rescue_worker, rescue_deadline, retire, rotate, prune, evacuate, '
                   'hold_alive, sleep_on, wake_up, inflight, pass_on, overrides_of, lead(), led, observe, strays, arm_timer, set_timer, ended_elsewhere, '
                   'tell_unknown, declare_schedules, due_schedules, fire, settled_by, note_progress to %I', v_worker);
    execute format('grant execute on function cancel_pending, cancel_running, promote, dlq_move, dlq_retry, dlq_purge, '
                   'pause_queue, resume_queue, override_queue, configure_queue, configure_defaults, '
                   'put_schedule, delete_schedule, pause_schedule, resume_schedule, trigger_schedule to %I', v_operator);
    execute format('grant execute on function census, "check" to %I, %I', v_operator, v_reader);
    execute format('grant select on jobs, attempts, dead_letters, queues, lane_now, queue_settings, acts, schedules to %I, %I, %I, %I', v_producer, v_worker, v_operator, v_reader);
    execute format('grant update (deadline_s, aging_s, dead_letters) on queue_settings to %I', v_operator);
end $$;
