-- fire: deal with the instants of a schedule that have passed, as whoever leads has worked it out.
--   spec      Cron!Fire, Refused and Busy   event    fire (of a schedule that is there), and those of the jobs: enqueue
--   requires  the version of the row as it was looked at; upto: instants up to it have passed (null: none has);
--             due: those of them to fire, ascending; next_at: when to look next (null: never); a transaction of
--             its own (AW007)
--   outcome   'fired', with the job of each instant (null: an older one was not finished); 'stale' (the schedule has
--             changed, or somebody else has fired it: look again); 'early' (upto is still to come by the database's
--             clock); 'busy' (somebody settles the job that is to be replaced: ask again soon)
--   touches   update cron_schedules (1), and as enqueue (one job per instant); with overlap = replace as
--             cancel_running of the older job
--   one step  the row's lock comes before the comparison and lasts until the commit: one of two leaders finds
--             another version. The row moves on and the jobs are stored together or not at all.
create function fire(namespace text, name text, version bigint, upto timestamptz, due timestamptz[], next_at timestamptz)
returns table (answer text, job_ids bigint[])
language plpgsql security definer set search_path from current as $$
declare
    v_schedule cron_schedules;
    v_jobs bigint[] := '{}';
    v_at timestamptz;
    v schedule_job;
    v_plan jsonb := jsonb_build_object('seen', fire.version, 'passed', as_text(fire.upto),
                                       'due', to_jsonb(array(select as_text(d) from unnest(fire.due) d)));
begin
    perform require_own_transaction('fire');
    select * into v_schedule from cron_schedules c where c.namespace = fire.namespace and c.name = fire.name for update;
    if v_schedule.version is distinct from fire.version or v_schedule.paused_at is not null then
        return query select * from answer_fire(fire.namespace, fire.name, 'stale', v_jobs, v_plan);
        return;
    elsif fire.upto > clock_timestamp() then
        return query select * from answer_fire(fire.namespace, fire.name, 'early', v_jobs, v_plan);
        return;
    end if;
    perform check_instants(v_schedule.upto, fire.upto, fire.due);
    foreach v_at in array fire.due loop
        if v_schedule.definition ->> 'overlap' = 'replace' and v_at <> fire.due[cardinality(fire.due)] then
            v_jobs := v_jobs || null::bigint;    -- the next one would replace it
            continue;
        end if;
        v := store_scheduled(v_schedule, v_at);
        exit when v.answer = 'busy';
        v_jobs := v_jobs || v.job_id;
    end loop;
    if v.answer = 'busy' then
        return query select * from answer_fire(fire.namespace, fire.name, 'busy', '{}', v_plan);
        return;
    end if;
    update cron_schedules c
    set version = nextval('schedule_version_seq'), upto = coalesce(fire.upto, c.upto), next_at = coalesce(fire.next_at, 'infinity'),
        last_due = coalesce(fire.due[cardinality(fire.due)], c.last_due), fires = c.fires + cardinality(array_remove(v_jobs, null)),
        overlapped = c.overlapped + cardinality(v_jobs) - cardinality(array_remove(v_jobs, null)),
        last_job = coalesce((array_remove(v_jobs, null))[cardinality(array_remove(v_jobs, null))], c.last_job),
        last_fired_at = case when array_remove(v_jobs, null) = '{}' then c.last_fired_at else clock_timestamp() end
    where c.namespace = fire.namespace and c.name = fire.name;
    return query select * from answer_fire(fire.namespace, fire.name, 'fired', v_jobs, v_plan);
end $$;
