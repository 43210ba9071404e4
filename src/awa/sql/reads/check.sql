-- check: the properties at rest, each as a query for what breaks it. No rows = all hold. It reads
-- everything: for tests, incidents and a quiet hour. Names are those of the specification.
create function "check"() returns table (property text, detail text)
language sql stable security definer set search_path from current
-- where jit is on, compiling this over all partitions took 15 s and running it 10 ms
set jit = off as $$
    with entry as (    -- read once: metadata of a million jobs may be gigabytes
        select r.lane, r.slot, r.seq, r.job_id, r.run_lease, r.attempt, r.max_attempts, r.losses, r.extra -> 'unique' as uniq,
               case when r.extra -> 'metadata' ? 'cron_fire_time' then r.extra -> 'metadata' end as fired
        from ready r
    ), taken as (
        select c.lane, c.slot, c.token, c.part, c.no, g as numbers from claims c cross join lateral unnest(c.seqs) g
    ), closed as (
        select x.lane, x.slot, x.token, x.part, x.outcome, g as numbers from closures x cross join lateral unnest(x.seqs) g
    ), fate as (    -- every entry with its claim and its closure; by single numbers, because a join by ranges compares all with all
        select e.*, t.token, x.outcome
        from entry e
        left join (select c.lane, c.slot, c.token, n from taken c cross join lateral generate_series(lower(c.numbers), upper(c.numbers) - 1) n) t
          on t.lane = e.lane and t.slot = e.slot and t.n = e.seq
        left join (select c.lane, c.slot, c.token, c.outcome, n from closed c cross join lateral generate_series(lower(c.numbers), upper(c.numbers) - 1) n) x
          on x.lane = e.lane and x.slot = e.slot and x.n = e.seq and x.token is not distinct from t.token
    ), state as materialized (    -- once: with thousands of lanes it is not to be worked out anew for each row
        select n.lane, n.next, n.holes, n.young from lane_now n
    ), elsewhere as (
        select p.job_id, p.run_lease, p.place, p.state, p.losses, p.extra -> 'unique' as uniq, case when p.extra -> 'metadata' ? 'cron_fire_time' then p.extra -> 'metadata' end as fired
        from (select d.job_id, d.run_lease, 'deferred' as place, d.state, d.losses, d.extra from deferred d
              union all select f.job_id, f.run_lease, 'final', f.state, f.losses, f.extra from finals f
              union all select q.job_id, q.run_lease, 'dlq', q.state, q.losses, q.extra from dlq q) p
    ), place as (    -- where each job is: once, if all is well
        select e.job_id, e.run_lease, e.uniq, case when e.outcome = 'completed' then 'completed' when e.token is null then 'available' else 'running' end as state
        from fate e where e.outcome is null or e.outcome = 'completed'
        union all
        select p.job_id, p.run_lease, p.uniq, p.state from elsewhere p
    )
    select 'EntryClaimedOnce', format('lane %s: %s is claimed again by token %s', b.lane, b.numbers, b.token)
    from (select t.*, lag(t.numbers) over w as before, max(upper(t.numbers)) over (w rows between unbounded preceding and 1 preceding) as top
          from taken t window w as (partition by t.lane order by lower(t.numbers), upper(t.numbers))) b
    where b.top > lower(b.numbers)
    union all
    select 'ClosuresDisjoint', format('lane %s token %s: %s is closed again', b.lane, b.token, b.numbers)
    from (select x.*, max(upper(x.numbers)) over (partition by x.lane order by lower(x.numbers), upper(x.numbers)
                                                   rows between unbounded preceding and 1 preceding) as top from closed x) b
    where b.top > lower(b.numbers)
    union all
    select 'ClosureWithinClaim', format('slot %s token %s part %s: %s is closed but was not claimed', x.slot, x.token, x.part,
                                        x.seqs - coalesce(c.seqs, '{}'))
    from closures x left join claims c on c.slot = x.slot and c.token = x.token and c.part = x.part and c.lane = x.lane
    where x.token is not null and not x.seqs <@ coalesce(c.seqs, '{}')
    union all
    select 'BodyKept', format('lane %s slot %s: %s numbers of %s have no row', t.lane, t.slot, t.missing, t.numbers)
    from (select t.*, upper(t.numbers) - lower(t.numbers) - (select count(*) from ready r where r.slot = t.slot and r.lane = t.lane
                      and r.seq >= lower(t.numbers) and r.seq < upper(t.numbers)) as missing from taken t) t
    where t.missing > 0
    union all
    select 'HoleSafety', format('lane %s: %s is below the cursor %s, unclaimed, and in no hole', e.lane, e.seq, n.next)
    from fate e join state n on n.lane = e.lane
    where e.token is null and e.outcome is null and e.seq < n.next and not (n.holes + n.young) @> e.seq
    union all
    select 'EntryClaimedOnce', format('lane %s: %s was claimed, yet the cursor is at %s and would take it again', t.lane, t.numbers, n.next)
    from taken t join state n on n.lane = t.lane
    where upper(t.numbers) > n.next or (n.holes + n.young) && t.numbers
    union all
    select 'CursorGrows', format('lane %s: cursor %s after %s at no %s', c.lane, c.next, c.before, c.no)
    from (select c.lane, c.no, c.next, lag(c.next) over (partition by c.lane order by c.no, c.part) as before
          from claims c where c.no is not null) c
    where c.next < c.before
    union all
    select 'CursorGrows', format('lane %s: two claims wrote state %s', c.lane, c.no)
    from claims c where c.no is not null group by c.lane, c.no having count(distinct c.token) > 1
    union all
    select 'OneLivePlacePerJob', format('job %s is in %s places', p.job_id, count(*))
    from place p
    group by p.job_id having count(*) > 1
    union all
    -- An entry that asked for another one, or a wait, must have it. What ended may have been retired; what an
    -- operator ended as well. What came after it may have been pruned before it: then a later number up to the
    -- highest that was emptied has no row any more.
    select 'NoJobLost', format('job %s: its last entry was given up as %s, and nothing took its place', n.job_id, n.outcome)
    from (select distinct on (e.job_id) e.* from fate e order by e.job_id, e.run_lease desc) n
    where (n.outcome in ('released', 'snoozed') or n.outcome in ('retried', 'expired') and n.attempt < n.max_attempts
           or n.outcome = 'lost' and n.losses < losses_max())
      and not exists (select from elsewhere p where p.job_id = n.job_id) and not exists (select from acts a where a.job_id = n.job_id)
      and (select greatest(l.top - n.seq, 0) = (select count(*) from ready r where r.lane = l.lane and r.seq > n.seq and r.seq <= l.top)
           from (select x.lane, greatest(x.floor_next - 1, x.emptied_to) as top from lanes x) l where l.lane = n.lane)
    union all
    select 'RunLeaseGrows', format('job %s: run_lease %s on %s entries', e.job_id, e.run_lease, count(*))
    from entry e group by e.job_id, e.run_lease having count(*) > 1
    union all
    select 'FinalForGood', format('job %s: an entry follows the completed run_lease %s', d.job_id, d.run_lease)
    from fate d join entry e on e.job_id = d.job_id and e.run_lease > d.run_lease where d.outcome = 'completed'
    union all
    select 'OnlyOpenSettles', format('slot %s lane %s: a result for %s, which was not completed', o.slot, o.lane, o.seq)
    from results o left join fate e on e.slot = o.slot and e.lane = o.lane and e.seq = o.seq
    where e.outcome is distinct from 'completed'
    union all
    select 'FinalForGood', format('job %s: an entry follows its end, %s, with run_lease %s', p.job_id, p.state, p.run_lease)
    from elsewhere p join entry e on e.job_id = p.job_id and e.run_lease > p.run_lease where p.place = 'final'
    union all
    -- one that was deleted is not to be seen any more, and of one that returned the attempts are AttemptBound's
    select 'DlqRoundTrip', format('job %s: it returned under run_lease %s, and its dead letter of run_lease %s is still there', p.job_id, e.run_lease, p.run_lease)
    from elsewhere p join entry e on e.job_id = p.job_id and e.run_lease > p.run_lease where p.place = 'dlq'
    union all
    select 'RunLeaseGrows', format('job %s: deferred at run_lease %s, after %s', p.job_id, p.run_lease, e.run_lease)
    from elsewhere p join entry e on e.job_id = p.job_id and e.run_lease > p.run_lease where p.place = 'deferred'
    union all
    select 'LossBound', format('job %s: %s losses', p.job_id, p.losses)
    from (select e.job_id, e.losses from entry e union all select p.job_id, p.losses from elsewhere p where p.place = 'deferred') p
    where p.losses > losses_max()
    union all
    select 'AttemptBound', format('job %s: attempt %s of %s', p.job_id, p.attempt, p.max_attempts)
    from (select e.job_id, e.attempt, e.max_attempts from entry e union all select d.job_id, d.attempt, d.max_attempts from deferred d) p
    where p.attempt > p.max_attempts
    union all
    select 'CursorGrows', format('lane %s: the floor %s is below the cursor %s of an older claim', l.lane, l.floor_next, c.next)
    from lanes l join claims c on c.lane = l.lane and c.no <= l.floor_no where c.next > l.floor_next
    union all
    -- a withdrawal names entries that nobody claimed
    select 'ClosureWithinClaim', format('slot %s lane %s: %s was withdrawn and claimed', x.slot, x.lane, x.seqs * c.seqs)
    from closures x join claims c on c.slot = x.slot and c.lane = x.lane and c.seqs && x.seqs where x.token is null
    union all
    select 'BodyKept', format('slot %s lane %s: a withdrawal spans more than a block: %s', x.slot, x.lane, x.seqs)
    from closures x where x.token is null and lower(x.seqs) / 1000 <> (upper(x.seqs) - 1) / 1000
    union all
    select 'BodyKept', format('slot %s lane %s: the lease of number %s is of no claim', e.slot, e.lane, e.seq)
    from leases e where not exists (select from claims c where c.slot = e.slot and c.lane = e.lane and c.token = e.token and c.part = e.part and c.seqs @> e.seq)
    union all
    -- of cancelled jobs nothing is known: one that was replaced has given its key away
    select 'UniqueHeldOnce', format('job %s is %s, and its unique key %s is held by %s', p.job_id, p.state, p.uniq ->> 'key', coalesce(u.job_id::text, 'nobody'))
    from place p left join unique_keys u on u.unique_key = decode(p.uniq ->> 'key', 'hex')
    where p.uniq is not null and u.job_id is distinct from p.job_id and p.state <> 'cancelled'
      and case when p.uniq ? 'until_at' then to_timestamp((p.uniq ->> 'until_at')::double precision) > clock_timestamp()
               when unique_states(p.uniq) = '{started}' then p.run_lease = coalesce((p.uniq ->> 'lease')::int, 1) - case p.state when 'available' then 0 when 'scheduled' then 1 end
               else p.state = any (unique_states(p.uniq)) end
    union all
    -- a job keeps its id whatever becomes of it
    select 'FiredOnce', format('schedule %s of %s: its instant %s has the jobs %s', f.m ->> 'cron_name', f.m ->> 'cron_namespace', f.m ->> 'cron_fire_time',
                               array_agg(distinct f.job_id))
    from (select e.job_id, e.fired as m from entry e where e.fired is not null
          union all select p.job_id, p.fired from elsewhere p where p.fired is not null) f
    group by f.m ->> 'cron_namespace', f.m ->> 'cron_name', f.m ->> 'cron_fire_time' having count(distinct f.job_id) > 1
    union all
    select 'PruneEmpty', format('slot %s: claims or closures of a lane without any entry there', s.slot)
    from (select c.slot from claims c where not isempty(c.seqs) and not exists (select from ready r where r.slot = c.slot and r.lane = c.lane)
          union select x.slot from closures x where not exists (select from ready r where r.slot = x.slot and r.lane = x.lane)) s
$$;
