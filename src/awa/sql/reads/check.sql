-- check: the properties at rest, each as a query for what breaks it. No rows = all hold. It reads
-- everything: for tests, incidents and a quiet hour. Names are those of the specification.
create function "check"() returns table (property text, detail text)
language sql stable security definer set search_path from current
-- where jit is on, compiling this over all partitions took 15 s and running it 10 ms
set jit = off as $$
    with entry as (
        select r.lane, r.slot, r.seq, r.job_id, r.run_lease from ready r
    ), taken as (
        select c.lane, c.slot, c.token, c.part, c.no, g as numbers from claims c cross join lateral unnest(c.seqs) g
    ), closed as (
        select x.lane, x.slot, x.token, x.part, x.outcome, g as numbers from closures x cross join lateral unnest(x.seqs) g
    ), fate as (    -- every entry with its claim and its closure
        select e.*, t.token, x.outcome
        from entry e
        left join taken t on t.lane = e.lane and t.slot = e.slot and t.numbers @> e.seq
        left join closed x on x.lane = e.lane and x.slot = e.slot and x.token is not distinct from t.token and x.numbers @> e.seq
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
    from fate e join lane_now n on n.lane = e.lane
    where e.token is null and e.outcome is null and e.seq < n.next and not (n.holes + n.young) @> e.seq
    union all
    select 'EntryClaimedOnce', format('lane %s: %s was claimed, yet the cursor is at %s and would take it again', t.lane, t.numbers, n.next)
    from taken t join lane_now n on n.lane = t.lane
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
    from (select e.job_id from fate e where e.outcome is null or e.outcome = 'completed'
          union all select d.job_id from deferred d union all select f.job_id from finals f union all select q.job_id from dlq q) p
    group by p.job_id having count(*) > 1
    union all
    select 'NoJobLost', format('job %s: every entry was given up, and nothing took its place', p.job_id)
    from (select e.job_id from fate e group by e.job_id
          having bool_and(e.outcome is not null and e.outcome <> 'completed')) p
    where not exists (select from deferred d where d.job_id = p.job_id) and not exists (select from finals f where f.job_id = p.job_id)
      and not exists (select from dlq q where q.job_id = p.job_id)
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
$$;
