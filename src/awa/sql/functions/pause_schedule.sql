-- pause_schedule: no more fires, until it is resumed. It may be triggered.
--   spec      Cron!PauseSchedule            event    pause_schedule (when it was not paused)
--   requires  a schedule that is there
--   outcome   whether it was not paused before
--   touches   update cron_schedules (1)
--   one step  the row's lock: a fire that looked at it before finds another version.
create function pause_schedule(namespace text, name text, by text default null) returns boolean
language plpgsql security definer set search_path from current as $$
declare
    v_new boolean;
begin
    update cron_schedules c set paused_at = clock_timestamp(), paused_by = pause_schedule.by, version = nextval('schedule_version_seq')
    where c.namespace = pause_schedule.namespace and c.name = pause_schedule.name and c.paused_at is null;
    v_new := found;
    if v_new then
        perform tell_schedule('pause_schedule', pause_schedule.namespace, pause_schedule.name);
    elsif not exists (select from cron_schedules c where c.namespace = pause_schedule.namespace and c.name = pause_schedule.name) then
        perform refuse_schedule(pause_schedule.namespace, pause_schedule.name);
    end if;
    return v_new;
end $$;
