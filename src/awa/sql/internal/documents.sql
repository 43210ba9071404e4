-- The document of enqueue_many, read as rows.

-- The lanes it needs, created where they are missing; every element has been checked when this returns.
create function lanes_of_document(p_jobs jsonb) returns int[]
language plpgsql as $$
declare
    r record;
    v_lanes int[] := '{}';
begin
    for r in
        select j.ord from rows from (jsonb_to_recordset(p_jobs) as (kind text, args jsonb, opts jsonb))
                          with ordinality as j (kind, args, opts, ord)
        where j.kind is null or j.args is null or char_length(j.kind) not between 1 and 200
        limit 1
    loop
        perform refuse_input(format('jobs[%s]', r.ord - 1),
                             'needs a kind of 1 to 200 characters, and args that are not null');
    end loop;
    for r in
        select distinct o.queue, o.priority
        from jsonb_to_recordset(p_jobs) as j (opts jsonb), read_options(coalesce(j.opts, '{}')) o
    loop
        v_lanes := v_lanes || ensure_lane(r.queue, r.priority, 0);
    end loop;
    return v_lanes;
end $$;

create function read_document(p_jobs jsonb)
returns table (ord bigint, kind text, args jsonb, max_attempts smallint, extra jsonb, lane int, seq regclass)
language sql stable rows 1000 as $$
    select j.ord, j.kind, j.args, o.max_attempts, o.extra, l.lane, l.seq
    from rows from (jsonb_to_recordset(p_jobs) as (kind text, args jsonb, opts jsonb))
         with ordinality as j (kind, args, opts, ord),
         read_options(coalesce(j.opts, '{}')) o
    join lanes l on true
    where l.queue = o.queue and l.priority = o.priority and l.shard = 0
$$;
