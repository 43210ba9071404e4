-- Schedules: what a declaration says, and the jobs that come of it.

create function check_schedule_name(p_field text, p_name text) returns void
language plpgsql as $$
begin
    if p_name is null or char_length(p_name) not between 1 and 200 then
        perform refuse_input(p_field, 'must be a string of 1 to 200 characters');
    end if;
end $$;

create function refuse_schedule(p_namespace text, p_name text) returns void
language plpgsql as $$
begin
    perform refuse_input('name', format('there is no schedule %L in the namespace %L', p_name, p_namespace));
end $$;

-- A number of a declaration within bounds; none is its default.
create function schedule_number(p_schedule jsonb, p_name text, p_lo numeric, p_hi numeric, p_default jsonb) returns jsonb
language plpgsql immutable as $$
declare
    v jsonb := coalesce(p_schedule -> p_name, p_default);
begin
    if v <> 'null' and (jsonb_typeof(v) <> 'number' or v::numeric not between p_lo and p_hi) then
        perform refuse_input(p_name, format('must be a number from %s to %s, not %s', p_lo, p_hi, v));
    end if;
    return jsonb_build_object(p_name, v);
end $$;

create function schedule_word(p_schedule jsonb, p_name text, p_words text[]) returns jsonb
language plpgsql immutable as $$
declare
    v text := coalesce(p_schedule ->> p_name, p_words[1]);
begin
    if v <> all (p_words) then
        perform refuse_input(p_name, format('must be one of %s', array_to_string(p_words, ', ')));
    end if;
    return jsonb_build_object(p_name, v);
end $$;

-- When: only leaders can read it, so what is checked here is its form.
create function schedule_rule(p_schedule jsonb) returns jsonb
language plpgsql immutable as $$
begin
    if p_schedule ? 'cron' = p_schedule ? 'every_s' then
        perform refuse_input('cron', 'or every_s is needed: when the schedule is due, in one of the two ways');
    elsif p_schedule ? 'every_s' then
        return schedule_number(p_schedule, 'every_s', 0.1, 3153600000, 'null') || schedule_number(p_schedule, 'anchor_s', -62135596800, 253402300799, '0');
    elsif jsonb_typeof(p_schedule -> 'cron') <> 'string' or char_length(p_schedule ->> 'cron') not between 1 and 200 then
        perform refuse_input('cron', 'must be a string of 1 to 200 characters');
    end if;
    return jsonb_build_object('cron', p_schedule -> 'cron', 'timezone', coalesce(p_schedule ->> 'timezone', 'UTC'));
end $$;

-- A declaration with all its parts, checked: so that whether two say the same is a comparison.
create function schedule_definition(p_schedule jsonb) returns jsonb
language plpgsql stable as $$
declare
    v_unknown text;
    v_opts jsonb := coalesce(p_schedule -> 'opts', '{}');
begin
    if p_schedule is null or jsonb_typeof(p_schedule) <> 'object' then
        perform refuse_input('schedule', 'must be an object');
    end if;
    select min(k) into v_unknown from jsonb_object_keys(p_schedule) k
    where k not in ('cron', 'timezone', 'every_s', 'anchor_s', 'kind', 'args', 'opts', 'missed_fire_policy', 'max_lateness_s',
                    'catch_up_max', 'overlap', 'jitter_s');
    if v_unknown is not null then
        perform refuse_input(v_unknown, 'is not a part of a schedule in this version');
    elsif jsonb_typeof(p_schedule -> 'kind') is distinct from 'string' or char_length(p_schedule ->> 'kind') not between 1 and 200 then
        perform refuse_kind(p_schedule ->> 'kind');
    elsif coalesce(p_schedule -> 'args', 'null') = 'null' then
        perform refuse_input('args', 'must not be null');
    elsif v_opts ?| '{unique,on_conflict,run_at,delay_s}' then
        perform refuse_input('opts', 'of a schedule have no unique, on_conflict, run_at or delay_s: overlap and the instants say it');
    end if;
    perform read_options(v_opts);
    return schedule_rule(p_schedule)
        || jsonb_build_object('kind', p_schedule -> 'kind', 'args', p_schedule -> 'args', 'opts', v_opts)
        || schedule_word(p_schedule, 'missed_fire_policy', '{coalesce,catch_up,skip}') || schedule_word(p_schedule, 'overlap', '{allow,skip,replace}')
        || schedule_number(p_schedule, 'max_lateness_s', 0, 3153600000, 'null') || schedule_number(p_schedule, 'catch_up_max', 1, 1000, '100')
        || schedule_number(p_schedule, 'jitter_s', 0, 86400, '0');
end $$;

-- The leader looks at once: it sleeps until the next instant that it knows of.
create function tell_of_schedules() returns void
language plpgsql as $$
begin
    if coalesce(current_setting('awa.notify', true), 'on') <> 'off' then
        perform pg_notify(awa_name(), '');
    end if;
end $$;

-- store_schedule: 'created', 'changed' or 'kept'. A schedule with a new rule begins now, whatever was due before.
create function store_schedule(p_namespace text, p_name text, p_definition jsonb, p_declared boolean) returns text
language plpgsql as $$
declare
    v_was cron_schedules;
begin
    insert into cron_schedules (namespace, name, definition, declared) values (p_namespace, p_name, p_definition, p_declared)
    on conflict do nothing;
    if found then
        return 'created';
    end if;
    select * into v_was from cron_schedules c where c.namespace = p_namespace and c.name = p_name for update;
    if v_was.name is null then
        return store_schedule(p_namespace, p_name, p_definition, p_declared);    -- it was deleted just now
    elsif v_was.definition = p_definition and v_was.declared >= p_declared then
        return 'kept';
    end if;
    update cron_schedules c
    set definition = p_definition, declared = c.declared or p_declared, version = nextval('schedule_version_seq'), next_at = '-infinity',
        upto = case when schedule_rule(c.definition) = schedule_rule(p_definition) then c.upto else greatest(c.upto, clock_timestamp()) end
    where c.namespace = p_namespace and c.name = p_name;
    return case when v_was.definition = p_definition then 'kept' else 'changed' end;
end $$;

create function as_text(p_at timestamptz) returns text
language sql stable as $$
    select to_char(p_at at time zone 'UTC', case when extract(microseconds from p_at)::int % 1000000 = 0 then 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'
                                                 else 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"' end)
$$;

-- at: what the clock says that counts. policy: which of the instants that passed are fired, and beside what.
create function schedule_event(p_action text, p_schedule cron_schedules) returns jsonb
language sql stable as $$
    select jsonb_build_object('a', p_action, 'schedule', jsonb_build_array(p_schedule.namespace, p_schedule.name), 'version', p_schedule.version,
                              'at', as_text(clock_timestamp()), 'dealt', as_text(p_schedule.upto), 'paused', p_schedule.paused_at is not null,
                              'rule', schedule_rule(p_schedule.definition),
                              'policy', p_schedule.definition - '{cron,timezone,every_s,anchor_s,kind,args,opts}'::text[])
$$;

-- Of a schedule as it is after an action.
create function tell_schedule(p_action text, p_namespace text, p_name text, p_more jsonb default '{}') returns void
language plpgsql as $$
begin
    if tracing() then
        perform emit(schedule_event(p_action, c) || p_more) from cron_schedules c where c.namespace = p_namespace and c.name = p_name;
    end if;
end $$;

-- What became of a plan, told with what it saw and wanted.
create function answer_fire(p_namespace text, p_name text, p_answer text, p_jobs bigint[], p_plan jsonb) returns table (answer text, job_ids bigint[])
language plpgsql as $$
begin
    perform tell_schedule('fire', p_namespace, p_name, p_plan || jsonb_build_object('answer', p_answer, 'stored', to_jsonb(p_jobs)));
    return query select p_answer, p_jobs;
end $$;

-- The key that a job of the schedule holds until it is finished, where jobs must not overlap.
create function schedule_key(p_namespace text, p_name text) returns bytea
language sql immutable as $$ select unique_key('awa.schedule', jsonb_build_object('namespace', p_namespace, 'name', p_name)) $$;

create function schedule_opts(p_schedule cron_schedules, p_at timestamptz, p_by text) returns jsonb
language sql stable as $$
    select d.opts
        || jsonb_build_object('metadata', coalesce(d.opts -> 'metadata', '{}')
            || jsonb_build_object('cron_namespace', p_schedule.namespace, 'cron_name', p_schedule.name)
            || case when p_at is not null then jsonb_build_object('cron_fire_time', as_text(p_at))
                    else jsonb_strip_nulls(jsonb_build_object('triggered_manually', true, 'triggered_by', p_by)) end)
        || case when d.overlap = 'allow' then '{}'
                else jsonb_build_object('on_conflict', d.overlap, 'unique', jsonb_build_object(
                         'key', encode(schedule_key(p_schedule.namespace, p_schedule.name), 'hex'))) end
    from (select p_schedule.definition -> 'opts' as opts, p_schedule.definition ->> 'overlap' as overlap) d
$$;

-- end_running: the job that holds this key is cancelled if somebody runs it. False: somebody settles it just now.
-- The key's row is locked first: keys come before claims.
create function end_running(p_key bytea) returns boolean
language plpgsql as $$
declare
    v_settle bigint := floor(random() * 9e15)::bigint;    -- nobody repeats it
    v_job bigint;
    v_entry job_entry;
    v_closings closing[];
    v_disposal disposal;
begin
    select u.job_id into v_job from unique_keys u where u.unique_key = p_key for update;
    if not found then
        return true;
    end if;
    select e.* into v_entry from unnest(lock_live_slots()) k cross join lateral entries_of_job(k, v_job) e
    where e.token is not null and e.outcome is null;
    if v_entry.token is null then
        return true;
    end if;
    v_closings := close_entries(array[v_entry.slot], array[v_entry.token], array[v_entry.part],
                                array[int8multirange(int8range(v_entry.seq, v_entry.seq + 1))], 'cancelled', v_settle);
    if exists (select from unnest(v_closings) c where c.answer = 'busy') then
        return false;
    end if;
    v_disposal := dispose(v_closings, 'cancelled', '{}', 'replaced');
    perform tell_holders(v_closings);
    insert into acts (settle_id, job_id, act, state, reason) values (v_settle, v_entry.job_id, 'replace', 'cancelled', 'replaced');
    if tracing() then
        perform emit(jsonb_build_object('a', 'cancel_running', 'worker', null, 'settle', v_settle, 'items', closing_items(v_closings)) || disposed(v_disposal));
    end if;
    return true;
end $$;

create type schedule_job as (job_id bigint, state text, answer text);    -- 'inserted', 'replaced', 'skipped', 'busy'

-- store_scheduled: one job of a schedule whose row the caller has locked, as its overlap allows it.
create function store_scheduled(p_schedule cron_schedules, p_at timestamptz, p_by text default null) returns schedule_job
language plpgsql as $$
declare
    d jsonb := p_schedule.definition;
    v_options enqueue_options := read_options(schedule_opts(p_schedule, p_at, p_by));
    v_replaces boolean := d ->> 'overlap' = 'replace';
    v record;
begin
    if d ->> 'overlap' <> 'allow' then
        perform lane_for(v_options, 0);    -- lanes are made before keys are taken
    end if;
    loop
        if v_replaces and not end_running(schedule_key(p_schedule.namespace, p_schedule.name)) then
            return row (null, null, 'busy')::schedule_job;
        end if;
        select * into v from store_specially(d ->> 'kind', d -> 'args', v_options);
        -- what was claimed meanwhile runs now, and nothing of its lane can be claimed until we are done
        exit when v.answer <> 'existing';
    end loop;
    return row (v.id, v.state, v.answer)::schedule_job;
end $$;

create function check_instants(p_since timestamptz, p_upto timestamptz, p_due timestamptz[]) returns void
language plpgsql as $$
begin
    if p_due is null or p_due <> '{}' and not is_list(p_due) or array_position(p_due, null) is not null or cardinality(p_due) > 1000 then
        perform refuse_input('due', 'must be a list of at most 1000 instants');
    elsif p_upto <= p_since then
        perform refuse_input('upto', 'was dealt with before');
    elsif p_due <> '{}' and (p_upto is null or p_due[1] <= p_since or p_due[cardinality(p_due)] > p_upto)
       or p_due <> array(select distinct d from unnest(p_due) d order by 1) then
        perform refuse_input('due', 'must be ascending, after what was dealt with, and up to upto');
    end if;
end $$;

create function drop_schedule(p_namespace text, p_name text) returns boolean
language plpgsql as $$
begin
    delete from cron_schedules c where c.namespace = p_namespace and c.name = p_name;
    if found and tracing() then
        perform emit(jsonb_build_object('a', 'delete_schedule', 'schedule', jsonb_build_array(p_namespace, p_name)));
    end if;
    return found;
end $$;

-- What a declaration does with one schedule of its namespace; null: it is declared no more.
create function declare_one(p_namespace text, p_name text, p_schedule jsonb) returns text
language plpgsql as $$
declare
    v_answer text;
begin
    if p_schedule is null then
        return case when drop_schedule(p_namespace, p_name) then 'removed' else 'kept' end;
    end if;
    v_answer := store_schedule(p_namespace, p_name, schedule_definition(p_schedule), true);
    perform tell_schedule('put_schedule', p_namespace, p_name, jsonb_build_object('answer', v_answer));
    return v_answer;
end $$;
