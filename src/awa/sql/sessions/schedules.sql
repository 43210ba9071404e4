-- What is read of schedules. Not actions: nothing changes.

-- due_schedules: those to look at now, and when the next of the others is. `now` is the clock that counts.
create function due_schedules(max_schedules int default 100) returns table (now timestamptz, next_at timestamptz, due jsonb)
language plpgsql security definer set search_path from current as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    perform check_count('max_schedules', due_schedules.max_schedules, 1000);
    return query select v_now,
        (select min(c.next_at) from cron_schedules c where c.paused_at is null and c.next_at > v_now),
        coalesce((select jsonb_agg(jsonb_build_object('namespace', d.namespace, 'name', d.name, 'version', d.version, 'upto', as_text(d.upto),
                                                      'definition', d.definition - '{kind,args,opts}'::text[]) order by d.next_at)
                  from (select * from cron_schedules c where c.paused_at is null and c.next_at <= v_now
                        order by c.next_at limit due_schedules.max_schedules) d), '[]');
end $$;

create view schedules as
select c.namespace, c.name, c.definition ->> 'cron' as cron, c.definition ->> 'timezone' as timezone,
       (c.definition ->> 'every_s')::double precision as every_s, (c.definition ->> 'anchor_s')::double precision as anchor_s,
       c.definition ->> 'kind' as kind, c.definition -> 'args' as args, c.definition -> 'opts' as opts,
       c.definition ->> 'missed_fire_policy' as missed_fire_policy, (c.definition ->> 'max_lateness_s')::double precision as max_lateness_s,
       (c.definition ->> 'catch_up_max')::int as catch_up_max, c.definition ->> 'overlap' as overlap,
       (c.definition ->> 'jitter_s')::double precision as jitter_s, c.declared, c.created_at, c.upto,
       case when c.paused_at is null and isfinite(c.next_at) then c.next_at end as next_at,
       c.paused_at, c.paused_by, c.last_due, c.last_fired_at, c.last_job, c.fires, c.overlapped
from cron_schedules c;
