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

-- What the event says of jobs that were only answered for: where each is, the answer, and the state that was told.
-- Not of those that are nowhere. Nothing keeps them there, so the replay asks whether it was ever so.
create function told_list(p_job_ids bigint[], p_answers text[], p_states text[]) returns jsonb
language sql volatile as $$
    select case when count(*) = 0 then '{}'
                else jsonb_build_object('told', jsonb_agg(distinct jsonb_build_array(p.lane, t.job, t.answer,
                    case when p.place = 'dlq' then 'dead_lettered' when t.answer = 'skipped' then p.state else coalesce(t.state, p.state) end))) end
    from unnest(p_job_ids, p_answers, p_states) t (job, answer, state)
    join (select distinct on (x.job_id) x.job_id, x.lane, x.place, x.state from job_places(p_job_ids) x order by x.job_id, x.run_lease desc) p on p.job_id = t.job
    where t.answer in ('existing', 'skipped', 'already', 'stale', 'duplicate')
$$;

-- act_answers, and the act's event: of what was done, and of what was said.
create function tell_act(p_event jsonb, p_settle_id bigint, p_job_ids bigint[], p_done bigint[], p_state text, p_busy bigint[], p_refused bigint[] default '{}')
returns table (item int, answer text, state text)
language plpgsql as $$
#variable_conflict use_column
declare
    v_answers text[];
    v_states text[];
    v_told jsonb;
begin
    select array_agg(a.answer order by a.item), array_agg(a.state order by a.item) into v_answers, v_states
    from act_answers(p_settle_id, p_job_ids, p_done, p_state, p_busy, p_refused) a;
    if tracing() then
        v_told := told_list(p_job_ids, v_answers, v_states);
        if p_done <> '{}' or v_told <> '{}' then
            perform emit(p_event || jsonb_build_object('settle', p_settle_id) || v_told);
        end if;
    end if;
    return query select t.item::int, t.answer, t.state from unnest(v_answers, v_states) with ordinality t (answer, state, item);
end $$;
