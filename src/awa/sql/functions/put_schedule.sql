-- put_schedule: a schedule is there, as this declaration says.
--   spec      Cron!PutSchedule              event    put_schedule
--   requires  namespace and name of 1 to 200 characters; a schedule with known parts in their bounds
--   outcome   'created', 'changed' or 'kept'. With another rule it begins now: what was due before is not fired
--   touches   insert or update cron_schedules (1)
--   one step  the row's lock: a fire that looked at it before finds another version.
create function put_schedule(namespace text, name text, schedule jsonb) returns text
language plpgsql security definer set search_path from current as $$
declare
    v_answer text;
begin
    perform check_schedule_name('namespace', put_schedule.namespace);
    perform check_schedule_name('name', put_schedule.name);
    v_answer := store_schedule(put_schedule.namespace, put_schedule.name, schedule_definition(put_schedule.schedule), false);
    if v_answer <> 'kept' then
        perform tell_of_schedules();
    end if;
    perform tell_schedule('put_schedule', put_schedule.namespace, put_schedule.name, jsonb_build_object('answer', v_answer));
    return v_answer;
end $$;
