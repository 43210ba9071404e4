-- resume_schedule: a paused schedule fires again, from now on. What was due in the pause is not fired.
--   spec      Cron!ResumeSchedule           event    resume_schedule (when it was paused)
--   requires  a schedule that is there
--   outcome   whether it was paused
--   touches   update cron_schedules (1)
--   one step  the row's lock.
create function resume_schedule(namespace text, name text) returns boolean
language plpgsql security definer set search_path from current as $$
declare
    v_was boolean;
begin
    update cron_schedules c
    set paused_at = null, paused_by = null, version = nextval('schedule_version_seq'),
        upto = greatest(c.upto, clock_timestamp()), next_at = '-infinity'
    where c.namespace = resume_schedule.namespace and c.name = resume_schedule.name and c.paused_at is not null;
    v_was := found;
    if v_was then
        perform tell_of_schedules();
        perform tell_schedule('resume_schedule', resume_schedule.namespace, resume_schedule.name);
    elsif not exists (select from cron_schedules c where c.namespace = resume_schedule.namespace and c.name = resume_schedule.name) then
        perform refuse_schedule(resume_schedule.namespace, resume_schedule.name);
    end if;
    return v_was;
end $$;
