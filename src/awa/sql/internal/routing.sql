-- Which lane a job goes to.

-- Jobs of one ordering key share a shard; others are spread by their id.
create function shard_of(p_key text, p_job_id bigint, p_shards int) returns int
language sql immutable as $$
    select case when p_shards = 1 then 0 when p_key is null then (p_job_id % p_shards)::int else ordering_shard(p_key, p_shards) end
$$;

create function lane_for(p_options enqueue_options, p_job_id bigint) returns lanes
language plpgsql as $$
declare
    v_lane lanes;
    v_shard int := shard_of(p_options.shard_key, p_job_id,
                            coalesce((select q.enqueue_shards from queue_settings q where q.queue = p_options.queue), 1));
begin
    select l.* into v_lane from lanes l where l.queue = p_options.queue and l.priority = p_options.priority and l.shard = v_shard;
    if not found then
        perform ensure_lane(p_options.queue, p_options.priority, v_shard);
        select l.* into v_lane from lanes l where l.queue = p_options.queue and l.priority = p_options.priority and l.shard = v_shard;
    end if;
    return v_lane;
end $$;

-- The lanes that jobs of this queue and priority may go to, made where they are missing.
create function ensure_shards(p_queue text, p_priority int) returns int[]
language plpgsql as $$
begin
    return array(select ensure_lane(p_queue, p_priority, s)
                 from generate_series(0, coalesce((select q.enqueue_shards from queue_settings q where q.queue = p_queue), 1) - 1) s);
end $$;
