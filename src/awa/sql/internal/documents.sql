-- The document of enqueue_many, read as rows. Options are read once for each different set of them:
-- most documents have one.

create function read_document(p_jobs jsonb)
returns table (ord bigint, kind text, args jsonb, options enqueue_options)
language sql immutable rows 1000 as $$
    with doc as materialized (
        select j.ord, j.kind, j.args, coalesce(j.opts, '{}') as opts
        from rows from (jsonb_to_recordset(p_jobs) as (kind text, args jsonb, opts jsonb)) with ordinality as j (kind, args, opts, ord)
    ), choice as materialized (
        select c.opts, read_options(c.opts) as options from (select distinct d.opts from doc d) c
    )
    select d.ord, d.kind, d.args, c.options from doc d join choice c on c.opts = d.opts
$$;

-- The lanes it needs, created where they are missing; every element has been checked when this returns.
create function lanes_of_document(p_jobs jsonb) returns int[]
language plpgsql as $$
declare
    v_bad bigint;
    v_lanes int[];
begin
    select min(j.ord) into v_bad
    from jsonb_array_elements(p_jobs) with ordinality as j (job, ord)
    where jsonb_typeof(j.job -> 'kind') is distinct from 'string' or char_length(j.job ->> 'kind') not between 1 and 200
       or coalesce(jsonb_typeof(j.job -> 'args'), 'null') = 'null' or j.job - '{kind,args,opts}'::text[] <> '{}';
    if v_bad is not null then
        perform refuse_input(format('jobs[%s]', v_bad - 1), 'needs a kind of 1 to 200 characters, args that are not null, and nothing else but opts');
    end if;
    select array_agg(ensure_lane(q.queue, q.priority, 0)) into v_lanes
    from (select distinct (o.options).queue, (o.options).priority
          from (select read_options(j.opts) as options
                from (select distinct coalesce(d.opts, '{}') as opts from jsonb_to_recordset(p_jobs) as d (opts jsonb)) j) o) q;
    return v_lanes;
end $$;
