-- declare_schedules: what a program declares for its namespace.
--   spec      Cron!DeclareSchedules         event    put_schedule and delete_schedule, one each
--   requires  an array of schedules, each with its name
--   outcome   a row per schedule: 'created', 'changed', 'kept'; with `remove` also 'removed', for those of the
--             namespace that were declared and are no more. Pauses and what was dealt with stay.
--   touches   insert or update cron_schedules (one per schedule), delete (those that are removed)
--   one step  rows are locked in the order of their names: two that declare at once take turns.
create function declare_schedules(namespace text, schedules jsonb, remove boolean default false) returns table (name text, answer text)
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    v_names text[];
    v_answers text[] := '{}';
    v_name text;
begin
    perform check_schedule_name('namespace', declare_schedules.namespace);
    if jsonb_typeof(declare_schedules.schedules) is distinct from 'array' or jsonb_array_length(declare_schedules.schedules) > 1000 then
        perform refuse_input('schedules', 'must be an array of at most 1000 schedules');
    end if;
    v_names := array(select s ->> 'name' from jsonb_array_elements(declare_schedules.schedules) s order by 1);
    perform check_schedule_name('name', n) from unnest(v_names) n;
    if (select count(distinct n) from unnest(v_names) n) <> cardinality(v_names) then
        perform refuse_input('name', 'a schedule is declared once');
    end if;
    if declare_schedules.remove then
        v_names := array(select n from unnest(v_names) n union
                         select c.name from cron_schedules c where c.namespace = declare_schedules.namespace and c.declared order by 1);
    end if;
    foreach v_name in array v_names loop
        v_answers := v_answers || declare_one(declare_schedules.namespace, v_name,
            (select s - 'name' from jsonb_array_elements(declare_schedules.schedules) s where s ->> 'name' = v_name));
    end loop;
    if v_answers && '{created,changed,removed}' then
        perform tell_of_schedules();
    end if;
    return query select * from unnest(v_names, v_answers) u (n, a);
end $$;
