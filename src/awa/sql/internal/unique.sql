-- Unique keys. A key's row stays when its job leaves the states that hold it: whoever wants the key looks
-- where the holder is. So no settle has to know of keys. The row goes together with the last trace of its job.

-- A key that somebody has locked is left alone: retiring and pruning wait for nobody's transaction. What is
-- left over that way is found by sweep_keys, or by whoever wants the key next.
create function drop_keys(p_job_ids bigint[]) returns void
language sql volatile as $$
    delete from unique_keys u where u.unique_key in (
        select k.unique_key from unique_keys k
        where k.job_id = any (p_job_ids) and (k.until is null or k.until < clock_timestamp()) for update skip locked)
$$;

-- Keys whose time is over, and of p_max others, from anywhere among all keys, those whose job is nowhere.
create function sweep_keys(p_max int) returns void
language plpgsql as $$
declare
    v_jobs bigint[];
begin
    delete from unique_keys u where u.unique_key in (
        select k.unique_key from unique_keys k where k.until < clock_timestamp() limit p_max for update skip locked);
    v_jobs := array(select k.job_id from unique_keys k
                    where k.unique_key >= uuid_send(gen_random_uuid()) and k.until is null order by k.unique_key limit p_max);
    -- a job comes with its key and never comes back, so one that is nowhere now was forgotten
    perform drop_keys(array(select j from unnest(v_jobs) j where j not in (select p.job_id from job_places(v_jobs) p)));
end $$;

-- A job's life begins with its insert, and once more when it returns as a dead letter. `lease` beside its key is
-- the run_lease of the first attempt of that life; none: 1.
create function first_lease(p_extra jsonb) returns int
language sql immutable as $$ select coalesce((p_extra -> 'unique' ->> 'lease')::int, 1) $$;

create function with_first_lease(p_extra jsonb, p_run_lease int) returns jsonb
language sql immutable as $$
    select case when p_extra ? 'unique' then jsonb_set(p_extra, '{unique,lease}', to_jsonb(p_run_lease)) else p_extra end
$$;

-- unclaimed: of a job that is here, nobody has claimed it in its present life. The body is read only of one that came
-- back in some way; it cannot go while the caller has the live slots locked.
create function unclaimed(p_place job_place) returns boolean
language plpgsql as $$
declare
    v_first int := 1;
    v_next int := case p_place.state when 'available' then p_place.run_lease when 'scheduled' then p_place.run_lease + 1 end;
begin
    if v_next is null then
        return false;
    elsif v_next > 1 and p_place.place = 'ring' then
        execute format('select first_lease(e.extra) from ready_%s e where e.lane = $1 and e.seq = $2', p_place.slot)
        into v_first using p_place.lane, p_place.seq;
    elsif v_next > 1 then
        select first_lease(d.extra) into v_first from deferred d where d.job_id = p_place.job_id;
    end if;
    return v_next = v_first;
end $$;

-- keys_held: of these keys' jobs (0: nobody), those that still hold them. A key with a time is held until then.
-- "started": until the first claim of its life, which no retry undoes. A job that is nowhere holds nothing; but a caller's old
-- snapshot may miss one that was just carried elsewhere, so there it does. A dead letter counts as what it ended as.
create function keys_held(p_keys unique_keys[]) returns bigint[]
language plpgsql as $$
begin
    return array(
        select k.job_id
        from unnest(p_keys) k
        left join (select distinct on (x.job_id) x.*
                   from job_places(array(select a.job_id from unnest(p_keys) a where a.until is null and a.job_id > 0)) x
                   order by x.job_id, x.place = 'ring' desc, x.run_lease desc) p on p.job_id = k.job_id
        where k.job_id > 0
          and case when k.until is not null then k.until > clock_timestamp()
                   when p.job_id is null then current_setting('transaction_isolation') <> 'read committed'
                   when k.states = '{started}' then unclaimed(row (p.job_id, p.place, p.state, p.lane, p.slot, p.seq, p.run_lease)::job_place)
                   else p.state = any (k.states) end);
end $$;

create function hand_over(p_key bytea, p_job_id bigint, p_states text[], p_until timestamptz) returns void
language sql volatile as $$
    update unique_keys u set job_id = p_job_id, states = p_states, until = p_until where u.unique_key = p_key
$$;

-- lock_key: the key's row as somebody has it, locked until the end of the transaction; or a new one of this job,
-- whose job_id is answered as 0. Whoever wants the same key waits. In a loop: a row may go while we wait for it.
create function lock_key(p_key bytea, p_job_id bigint, p_states text[], p_until timestamptz) returns unique_keys
language plpgsql as $$
declare
    v_held unique_keys;
begin
    loop
        insert into unique_keys (unique_key, job_id, states, until) values (p_key, p_job_id, p_states, p_until) on conflict do nothing;
        if found then
            return row (p_key, 0, p_states, p_until)::unique_keys;
        end if;
        select * into v_held from unique_keys u where u.unique_key = p_key for update;
        if found then
            return v_held;
        end if;
    end loop;
end $$;

-- take_key: the key is this job's (null), or the job that holds it.
create function take_key(p_key bytea, p_job_id bigint, p_states text[], p_until timestamptz) returns bigint
language plpgsql as $$
declare
    v_held unique_keys := lock_key(p_key, p_job_id, p_states, p_until);
begin
    if v_held.job_id <> p_job_id and keys_held(array[v_held]) <> '{}' then
        return v_held.job_id;
    elsif v_held.job_id > 0 then
        -- also when it is ours: an older snapshot than this act must fail, not believe the job to be ended
        perform hand_over(p_key, p_job_id, p_states, p_until);
    end if;
    return null;
end $$;

create function refuse_duplicate(p_job_id bigint) returns void
language plpgsql as $$
begin
    raise exception 'awa: job % has this unique key', p_job_id
        using errcode = 'AW008', detail = p_job_id::text, hint = 'on_conflict = return, replace or skip answers instead of raising.';
end $$;

-- What an enqueue with a unique key comes to: 'inserted' or 'replaced' (the new job is to be written),
-- 'existing' or 'skipped' (it is not, and job_id is the one that stands for it).
create type keyed as (ord bigint, job_id bigint, state text, answer text, replaced withdrawn_job[]);

-- Of these jobs, those that nobody runs end as cancelled. What is promoted while we wait is tried once more.
create function replace_jobs(p_job_ids bigint[]) returns withdrawn_job[]
language plpgsql as $$
declare
    v_left bigint[] := p_job_ids;
    v_gone withdrawal;
    v_done withdrawn_job[] := '{}';
begin
    while v_left <> '{}' loop
        v_gone := withdraw(v_left, 0, 'replaced', true);
        v_done := v_done || v_gone.done;
        v_left := v_gone.busy;
    end loop;
    -- By no settle id: nobody repeats it. Of a job that waited, this is what remains when its final row is retired.
    insert into acts (settle_id, job_id, act, state, reason) select 0, d.job_id, 'replace', 'cancelled', 'replaced' from unnest(v_done) d
    on conflict (settle_id, job_id) do update set at = excluded.at;
    return v_done;
end $$;

create type wish as (ord bigint, job_id bigint, uniq unique_option);

-- take_keys: what becomes of jobs with these wishes. Keys are locked in their order and lanes after all keys, so
-- that two calls never wait for each other in a circle. Of two wishes for one key the first stands.
create function take_keys(p_wishes wish[]) returns keyed[]
language plpgsql as $$
declare
    v_firsts wish[] := array(select distinct on ((w.uniq).key) w from unnest(p_wishes) w order by (w.uniq).key, w.ord);
    v_keys unique_keys[] := '{}';
    v_holders bigint[] := array_fill(0::bigint, array[cardinality(v_firsts)]);
    v_gone withdrawn_job[] := '{}';
    v_refused bigint;
    w wish;
begin
    foreach w in array v_firsts loop
        v_keys := array_append(v_keys, lock_key((w.uniq).key, w.job_id, (w.uniq).states, (w.uniq).until));
    end loop;
    if exists (select from unnest(v_keys) k where k.job_id > 0) then
        v_holders := free_keys(v_firsts, v_keys);
    end if;
    select case when f.h > 0 then f.h else f.job_id end into v_refused
    from unnest(p_wishes) d join unnest(v_firsts, v_holders) f (ord, job_id, uniq, h) on (f.uniq).key = (d.uniq).key
    where (d.uniq).on_conflict = 'raise' and (f.h > 0 or f.ord <> d.ord) order by d.ord limit 1;
    if found then
        perform refuse_duplicate(v_refused);
    elsif exists (select from unnest(v_holders) h where h > 0) then
        v_gone := replace_jobs(array(select h from unnest(v_firsts, v_holders) f (ord, job_id, uniq, h) where (f.uniq).on_conflict = 'replace' and h > 0));
        perform hand_over((f.uniq).key, f.job_id, (f.uniq).states, (f.uniq).until)
        from unnest(v_firsts, v_holders) f (ord, job_id, uniq, h) join unnest(v_gone) g on g.job_id = f.h;
    end if;
    return keyed_of(p_wishes, v_firsts, v_holders, v_gone);
end $$;

-- free_keys: who holds each of these keys (0: nobody). Those that nobody holds any more are handed over.
create function free_keys(p_firsts wish[], p_keys unique_keys[]) returns bigint[]
language plpgsql as $$
declare
    v_held bigint[] := keys_held(p_keys);
begin
    perform hand_over((f.uniq).key, f.job_id, (f.uniq).states, (f.uniq).until)
    from unnest(p_firsts, p_keys) f (ord, job_id, uniq, key, holder, states, until)
    where f.holder > 0 and f.holder not in (select h from unnest(v_held) h);
    return array(select case when k.job_id in (select h from unnest(v_held) h) then k.job_id else 0 end
                 from unnest(p_keys) with ordinality k order by k.ordinality);
end $$;

-- The answers: p_holders (0: nobody) held the keys of p_firsts, and of those p_gone were replaced. Where the older
-- job is asked for, its state is looked up once more: it may have been claimed while we waited to replace it.
create function keyed_of(p_wishes wish[], p_firsts wish[], p_holders bigint[], p_gone withdrawn_job[]) returns keyed[]
language plpgsql as $$
declare
    v_places job_place[] := '{}';
    v_asked bigint[] := array(select distinct h from unnest(p_firsts, p_holders) f (ord, job_id, uniq, h)
                              where h > 0 and h not in (select g.job_id from unnest(p_gone) g));
begin
    if v_asked <> '{}' and exists (select from unnest(p_wishes) d where (d.uniq).on_conflict <> 'skip') then
        v_places := array(select p from job_places(v_asked) p);
    end if;
    return (
        with firsts as materialized (
            select f.job_id, (f.uniq).key as key, f.h, g as gone, f.h = 0 or g.job_id is not null as fresh
            from unnest(p_firsts, p_holders) f (ord, job_id, uniq, h) left join unnest(p_gone) g on g.job_id = f.h
        ), places as materialized (
            select distinct on (p.job_id) p.job_id, p.state from unnest(v_places) p order by p.job_id, p.run_lease desc
        )
        select coalesce(array_agg(row (
            d.ord, case when f.fresh then f.job_id else f.h end, case when not f.fresh then coalesce(p.state, 'completed') end,
            case when f.fresh and f.job_id = d.job_id then case when f.h = 0 then 'inserted' else 'replaced' end
                 when (d.uniq).on_conflict = 'skip' then 'skipped' else 'existing' end,
            case when f.h > 0 and f.fresh and f.job_id = d.job_id then array[f.gone] else '{}' end)::keyed order by d.ord), '{}')
        from unnest(p_wishes) d join firsts f on f.key = (d.uniq).key left join places p on p.job_id = f.h);
end $$;
