-- What operators set of a queue. Not actions: no job changes.

create function refuse_queue(p_queue text) returns void
language plpgsql as $$
begin
    perform refuse_input('queue', format('there is no queue %L; configure_queue makes one, and so does its first job or worker', p_queue));
end $$;

-- pause_queue: no more claims of this queue begin; what runs goes on. True when it was not paused before.
create function pause_queue(queue text, by text default null) returns boolean
language plpgsql security definer set search_path from current as $$
begin
    update queue_settings q set paused_at = clock_timestamp(), paused_by = pause_queue.by
    where q.queue = pause_queue.queue and q.paused_at is null;
    if not found and not exists (select from queue_settings q where q.queue = pause_queue.queue) then
        perform refuse_queue(pause_queue.queue);
    end if;
    return found;
end $$;

-- resume_queue: claims go on, and sleeping workers hear of it. True when it was paused.
create function resume_queue(queue text) returns boolean
language plpgsql security definer set search_path from current as $$
declare
    v_was boolean;
begin
    update queue_settings q set paused_at = null, paused_by = null where q.queue = resume_queue.queue and q.paused_at is not null;
    v_was := found;
    if v_was and coalesce(current_setting('awa.notify', true), 'on') <> 'off' then
        perform pg_notify(awa_name(), resume_queue.queue);
    elsif not v_was and not exists (select from queue_settings q where q.queue = resume_queue.queue) then
        perform refuse_queue(resume_queue.queue);
    end if;
    return v_was;
end $$;

-- configure_queue: set what is given of deadline_s, aging_s, enqueue_shards, dead_letters (null: the default).
-- The queue is made if it is missing, and so are the lanes of its shards.
create function configure_queue(queue text, settings jsonb) returns void
language plpgsql security definer set search_path from current as $$
declare
    v jsonb := configure_queue.settings;
begin
    if v is null or jsonb_typeof(v) <> 'object' or v - '{deadline_s,aging_s,enqueue_shards,dead_letters}'::text[] <> '{}' then
        perform refuse_input('settings', 'must be an object with deadline_s, aging_s, enqueue_shards or dead_letters');
    elsif v ? 'enqueue_shards' and int_option(v, 'enqueue_shards', 1, 64, 1) is null then
        return;
    end if;
    perform check_span(jsonb_strip_nulls(v), 'deadline_s'), check_span(jsonb_strip_nulls(v), 'aging_s');
    perform pg_advisory_xact_lock(lk_declare(), 0);    -- before the queue's row: lanes are made before and after
    perform ensure_lane(configure_queue.queue);
    update queue_settings q
    set deadline_s = coalesce((v ->> 'deadline_s')::double precision, q.deadline_s),
        aging_s = coalesce((v ->> 'aging_s')::double precision, q.aging_s),
        enqueue_shards = coalesce((v ->> 'enqueue_shards')::smallint, q.enqueue_shards),
        dead_letters = case when v ? 'dead_letters' then (v ->> 'dead_letters')::boolean else q.dead_letters end
    where q.queue = configure_queue.queue;
    perform ensure_shards(configure_queue.queue, l.priority) from (select distinct x.priority from lanes x where x.queue = configure_queue.queue) l;
exception when invalid_text_representation or numeric_value_out_of_range then
    perform refuse_input('settings', sqlerrm);
end $$;

-- configure_defaults: what holds in every queue that does not say otherwise: dead_letters.
create function configure_defaults(settings jsonb) returns void
language plpgsql security definer set search_path from current as $$
declare
    v jsonb := configure_defaults.settings;
begin
    if v is null or jsonb_typeof(v) <> 'object' or v - 'dead_letters' <> '{}' or jsonb_typeof(v -> 'dead_letters') <> 'boolean' then
        perform refuse_input('settings', 'must be an object with dead_letters, true or false');
    elsif v ? 'dead_letters' then
        update meta set dead_letters = (v ->> 'dead_letters')::boolean;
    end if;
end $$;
