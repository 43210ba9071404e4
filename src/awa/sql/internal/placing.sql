-- Where a job is: for acts of operators and for unique keys.

create type job_place as (job_id bigint, place text, state text, lane int, slot smallint, seq bigint, run_lease int);

create function entry_state(p_entry job_entry) returns text
language sql immutable as $$
    select case when p_entry.outcome = 'completed' then 'completed' when p_entry.outcome is not null then null
                when p_entry.token is not null then 'running' else 'available' end
$$;

-- job_places: one row for each of these jobs that is anywhere, from one snapshot taken after the live slots
-- are locked: an evacuation is either not seen or seen whole. (Not so in a caller's REPEATABLE READ.) A job that is
-- nowhere loses its key, so the look is repeated when a slot filled meanwhile: it may have been carried there.
create function job_places(p_job_ids bigint[]) returns setof job_place
language plpgsql as $$
declare
    v_slots smallint[] := lock_live_slots();
    v_found job_place[];
begin
    loop
        v_found := array(
            select row (e.job_id, 'ring', entry_state(e), e.lane, e.slot, e.seq, e.run_lease)::job_place
            from unnest(p_job_ids) j cross join unnest(v_slots) k cross join lateral entries_of_job(k, j) e
            where entry_state(e) is not null
            union all
            select row (d.job_id, 'deferred', d.state, d.lane, null, null, d.run_lease)::job_place from deferred d where d.job_id = any (p_job_ids)
            union all
            select row (f.job_id, 'finals', f.state, f.lane, null, null, f.run_lease)::job_place from finals f where f.job_id = any (p_job_ids)
            union all
            select row (q.job_id, 'dlq', q.state, q.lane, null, null, q.run_lease)::job_place from dlq q where q.job_id = any (p_job_ids));
        exit when live_slots() <@ v_slots;
        v_slots := lock_live_slots();
    end loop;
    return query select * from unnest(v_found);
end $$;

-- Of these jobs, those that no call of this settle id has acted on: a job that came back since is not meant by
-- a repeat.
create function fresh_jobs(p_settle_id bigint, p_job_ids bigint[]) returns bigint[]
language plpgsql as $$
begin
    perform require_number('settle_id', p_settle_id);
    if p_job_ids is null or p_job_ids <> '{}' and not is_list(p_job_ids) or array_position(p_job_ids, null) is not null
       or (select count(distinct j) from unnest(p_job_ids) j) <> cardinality(p_job_ids) then
        perform refuse_input('job_ids', 'must be a list of distinct ids');
    elsif cardinality(p_job_ids) > 500 then
        raise exception 'awa: an act takes at most 500 jobs, % were given', cardinality(p_job_ids) using errcode = 'AW004';
    end if;
    return array(select j from unnest(p_job_ids) j
                 where not exists (select from acts a where a.settle_id = p_settle_id and a.job_id = j));
end $$;

create function log_acts(p_settle_id bigint, p_act text, p_state text, p_job_ids bigint[], p_reason text) returns void
language sql volatile as $$
    insert into acts (settle_id, job_id, act, state, reason) select p_settle_id, j, p_act, p_state, p_reason from unnest(p_job_ids) j
$$;

-- What an operator is told of each job: p_done by this call, before by a call of this settle id, held back by
-- somebody's lock, or where it is instead. A dead letter is in the state `dead_lettered` here.
create function act_answers(p_settle_id bigint, p_job_ids bigint[], p_done bigint[], p_state text, p_busy bigint[], p_refused bigint[] default '{}')
returns table (item int, answer text, state text)
language sql volatile as $$
    with place as materialized (
        select p.job_id, case p.place when 'dlq' then 'dead_lettered' else p.state end as state
        from job_places(array(select j from unnest(p_job_ids) j where j <> all (p_done))) p
    )
    select j.item::int,
           case when j.id = any (p_done) then 'settled'
                when a.job_id is not null then 'already'
                when j.id = any (p_busy) then 'busy'
                when j.id = any (p_refused) then 'duplicate'
                when p.job_id is not null then 'stale'
                else 'unknown' end,
           case when j.id = any (p_done) then p_state when a.job_id is not null then a.state else p.state end
    from unnest(p_job_ids) with ordinality j (id, item)
    left join acts a on a.settle_id = p_settle_id and a.job_id = j.id and j.id <> all (p_done)
    left join place p on p.job_id = j.id
    order by j.item
$$;
