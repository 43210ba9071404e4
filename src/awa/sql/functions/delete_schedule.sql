-- delete_schedule: a schedule is there no more. Its jobs go on.
--   spec      Cron!DeleteSchedule           event    delete_schedule (when it was there)
--   requires  nothing
--   outcome   whether it was there
--   touches   delete cron_schedules (1)
--   one step  the row's lock: a fire that looked at it before finds none, or one with another version.
create function delete_schedule(namespace text, name text) returns boolean
language plpgsql security definer set search_path from current as $$
begin
    return drop_schedule(delete_schedule.namespace, delete_schedule.name);
end $$;
