-- The document of enqueue_many, read as rows: once, because reading costs as much as storing.

create type document_row as (ord bigint, kind text, args jsonb, opts jsonb);

create type document as (rows document_row[], lanes int[]);

-- A document's rows, checked, and the lanes they need, created where they are missing. Options are read
-- once for each different set of them: most documents have one.
create function read_document(p_jobs jsonb) returns document
language plpgsql as $$
declare
    v document;
    v_bad bigint;
begin
    select array_agg(row (j.ord, j.job ->> 'kind', j.job -> 'args', coalesce(nullif(j.job -> 'opts', 'null'), '{}'))::document_row order by j.ord),
           min(case
               when jsonb_typeof(j.job) <> 'object' or jsonb_typeof(j.job -> 'kind') is distinct from 'string'
                    or char_length(j.job ->> 'kind') not between 1 and 200
                    or coalesce(jsonb_typeof(j.job -> 'args'), 'null') = 'null' then j.ord
               when j.job - '{kind,args,opts}'::text[] <> '{}' then j.ord end)
    into v.rows, v_bad
    from jsonb_array_elements(p_jobs) with ordinality as j (job, ord);
    if v_bad is not null then
        perform refuse_input(format('jobs[%s]', v_bad - 1), 'must be an object with a kind of 1 to 200 characters, args that are not null, and nothing else but opts');
    end if;
    select array_agg(ensure_lane(q.queue, q.priority, 0)) into v.lanes
    from (select distinct o.queue, o.priority from (select distinct r.opts from unnest(v.rows) r) d, read_options(d.opts) o) q;
    return v;
end $$;

-- The rows with what their options say, and their lane.
create function lane_rows(p_rows document_row[])
returns table (ord bigint, kind text, args jsonb, max_attempts smallint, extra jsonb, lane int, seq regclass)
language sql stable rows 1000 as $$
    with choice as materialized (
        select c.opts, o.max_attempts, o.extra, l.lane, l.seq
        from (select distinct d.opts from unnest(p_rows) d) c
        cross join lateral read_options(c.opts) o
        join lanes l on l.queue = o.queue and l.priority = o.priority and l.shard = 0
    )
    select d.ord, d.kind, d.args, c.max_attempts, c.extra, c.lane, c.seq
    from unnest(p_rows) d join choice c on c.opts = d.opts
$$;
