-- trigger_schedule: one job of the schedule now, whether it is paused or not; its instants stay.
--   spec      Cron!TriggerSchedule          event    trigger_schedule, and that of the job: enqueue
--   requires  a schedule that is there; a transaction of its own (AW007)
--   outcome   the job's id and state; 'skipped' (its overlap forbids it just now), 'replaced', or 'busy' (somebody
--             settles the job that is to be replaced: ask again soon)
--   touches   as enqueue; with overlap = replace as cancel_running of the older job; update cron_schedules (1)
--   one step  the row's lock: no fire of the schedule comes between.
create function trigger_schedule(namespace text, name text, by text default null) returns table (id bigint, state text, answer text)
language plpgsql security definer set search_path from current as $$
declare
    v_schedule cron_schedules;
    v schedule_job;
begin
    perform require_own_transaction('trigger_schedule');
    select * into v_schedule from cron_schedules c
    where c.namespace = trigger_schedule.namespace and c.name = trigger_schedule.name for update;
    if not found then
        perform refuse_schedule(trigger_schedule.namespace, trigger_schedule.name);
    end if;
    v := store_scheduled(v_schedule, null, trigger_schedule.by);
    if v.job_id is not null then
        update cron_schedules c set last_job = v.job_id, last_fired_at = clock_timestamp()
        where c.namespace = v_schedule.namespace and c.name = v_schedule.name;
    end if;
    perform tell_schedule('trigger_schedule', v_schedule.namespace, v_schedule.name,
                          jsonb_build_object('answer', v.answer, 'job', v.job_id));
    return query select v.job_id, v.state, v.answer;
end $$;
