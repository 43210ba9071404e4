-- Unique keys. A key's row stays when its job leaves the states that hold it: whoever wants the key looks
-- where the holder is. So no settle has to know of keys. The row goes together with the last trace of its job.

create function drop_keys(p_job_ids bigint[]) returns void
language sql volatile as $$
    delete from unique_keys u where u.job_id = any (p_job_ids) and (u.until is null or u.until < clock_timestamp())
$$;

-- Whether the job still holds its key. A key with a time is held until then. "started": until the first claim,
-- which no retry undoes. A job that is nowhere holds nothing; but a caller's old snapshot may miss one
-- that was just carried elsewhere, so there it does. A dead letter counts as failed.
create function key_held(p_key unique_keys) returns boolean
language plpgsql as $$
declare
    v_place job_place;
begin
    if p_key.until is not null then
        return p_key.until > clock_timestamp();
    end if;
    select * into v_place from job_places(array[p_key.job_id]) p order by p.place = 'ring' desc, p.run_lease desc limit 1;
    if v_place.job_id is null then
        return current_setting('transaction_isolation') <> 'read committed';
    elsif p_key.states = '{started}' then
        return v_place.state = 'available' and v_place.run_lease = 1 or v_place.state = 'scheduled' and v_place.run_lease = 0;
    end if;
    return v_place.state = any (p_key.states);
end $$;

-- take_key: the key is this job's (null), or the job that holds it. The row is locked until the end of the
-- transaction: whoever wants the same key waits for it. In a loop, because a row may go while we wait for it.
create function take_key(p_key bytea, p_job_id bigint, p_states text[], p_until timestamptz) returns bigint
language plpgsql as $$
declare
    v_held unique_keys;
begin
    loop
        insert into unique_keys (unique_key, job_id, states, until) values (p_key, p_job_id, p_states, p_until) on conflict do nothing;
        if found then
            return null;
        end if;
        select * into v_held from unique_keys u where u.unique_key = p_key for update;
        if found then
            if v_held.job_id = p_job_id then
                return null;
            elsif key_held(v_held) then
                return v_held.job_id;
            end if;
            update unique_keys u set job_id = p_job_id, states = p_states, until = p_until where u.unique_key = p_key;
            return null;
        end if;
    end loop;
end $$;

create function refuse_duplicate(p_job_id bigint) returns void
language plpgsql as $$
begin
    raise exception 'awa: job % has this unique key', p_job_id
        using errcode = 'AW008', detail = p_job_id::text, hint = 'on_conflict = return, replace or skip answers instead of raising.';
end $$;

create type keyed as (job_id bigint, state text, answer text, replaced withdrawn_job[]);

-- What an enqueue with a unique key comes to: 'inserted' or 'replaced' (p_job_id is to be written), 'existing'
-- or 'skipped'. Only what nobody runs can be replaced.
create function settle_key(p_unique unique_option, p_job_id bigint) returns keyed
language plpgsql as $$
declare
    v_holder bigint := take_key(p_unique.key, p_job_id, p_unique.states, p_unique.until);
    v_gone withdrawal;
begin
    if v_holder is null then
        return row (p_job_id, null, 'inserted', '{}')::keyed;
    elsif p_unique.on_conflict = 'raise' then
        perform refuse_duplicate(v_holder);
    elsif p_unique.on_conflict = 'skip' then
        return row (null, null, 'skipped', '{}')::keyed;
    elsif p_unique.on_conflict = 'replace' then
        v_gone := withdraw(array[v_holder], 0, 'replaced', true);
        if cardinality(v_gone.done) > 0 then
            update unique_keys u set job_id = p_job_id, states = p_unique.states, until = p_unique.until where u.unique_key = p_unique.key;
            return row (p_job_id, null, 'replaced', v_gone.done)::keyed;
        end if;
    end if;
    return row (v_holder, coalesce((select p.state from job_places(array[v_holder]) p order by p.run_lease desc limit 1), 'completed'),
                'existing', '{}')::keyed;
end $$;
