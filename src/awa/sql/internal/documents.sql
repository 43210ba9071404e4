-- The document of enqueue_many, read as rows: once, because reading costs as much as storing.

create type document_row as (ord bigint, kind text, args jsonb, opts jsonb, job_id bigint);

create type document as (rows document_row[], lanes int[], keyed boolean, deferred boolean);

create function is_job(p_job jsonb) returns boolean
language sql immutable as $$
    select case when jsonb_typeof(p_job) <> 'object' or jsonb_typeof(p_job -> 'kind') is distinct from 'string'
                     or char_length(p_job ->> 'kind') not between 1 and 200
                     or coalesce(jsonb_typeof(p_job -> 'args'), 'null') = 'null' then false
                else p_job - '{kind,args,opts}'::text[] = '{}' end
$$;

create function refuse_job(p_ord bigint) returns text
language plpgsql as $$
begin
    perform refuse_input(format('jobs[%s]', p_ord - 1), 'must be an object with a kind of 1 to 200 characters, args that are not null, and nothing else but opts');
    return null;
end $$;

-- Most documents hold plain jobs of one lane whose options are the same, and are stored as they are read: half the work.
create type alike as (options enqueue_options, lane lanes);

-- alike_of: those options and that lane; nulls for any other document.
create function alike_of(p_jobs jsonb) returns alike
language plpgsql as $$
declare
    v_opts jsonb := coalesce(nullif(p_jobs -> 0 -> 'opts', 'null'), '{}');
    v_options enqueue_options;
    v_lane lanes;
begin
    if not v_opts ?| '{unique,on_conflict,run_at,delay_s,ordering_key}'
       and not exists (select from jsonb_array_elements(p_jobs) e (job) where coalesce(nullif(e.job -> 'opts', 'null'), '{}') <> v_opts) then
        v_options := read_options(v_opts);
        select l.* into v_lane from lanes l join queue_settings q on q.queue_id = l.queue_id
        where l.queue = v_options.queue and l.priority = v_options.priority and l.shard = 0 and q.enqueue_shards = 1;
    end if;
    return row (v_options, v_lane)::alike;
end $$;

-- The jobs' ids, in the order of the document: a scan of its elements, which nothing sorts or joins, draws the numbers.
create function store_alike(p_jobs jsonb, p_alike alike) returns bigint[]
language plpgsql as $$
declare
    o enqueue_options := p_alike.options;
    v_lane lanes := p_alike.lane;
    v_ids bigint[];
    v_entries jsonb;
begin
    perform begin_append(v_lane.lane, v_lane.queue_id, v_lane.queue);
    with written as (
        insert into ready (slot, lane, job_id, seq, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
        select (select last_value from ring_seq), v_lane.lane, nextval('job_id_seq'), nextval(v_lane.seq), 1, 1, o.max_attempts, 0,
               case when is_job(e.job) then e.job ->> 'kind' else refuse_job(e.ord) end, e.job -> 'args', marked(o.extra, currval('job_id_seq')), clock_timestamp()
        from jsonb_array_elements(p_jobs) with ordinality as e (job, ord)
        returning slot, lane, seq, job_id
    )
    select array_agg(w.job_id), case when tracing() then
        (select jsonb_agg(jsonb_build_array(x.lane, x.slot, x.seq, x.job_id, 1, 1)) from written x) end
    into v_ids, v_entries from written w;
    if tracing() then
        perform emit(enqueue_event('[]', v_entries, '{}') || '{"a": "enqueue_many"}');
    end if;
    return v_ids;
end $$;

-- A document's rows, checked, and the lanes they may need, created where they are missing. Options are read
-- once for each different set of them: most documents have one.
create function read_document(p_jobs jsonb) returns document
language plpgsql as $$
declare
    v document;
    v_bad bigint;
    v_replace boolean;
    v_own boolean := pg_current_xact_id_if_assigned() is null;    -- before ids are drawn: that may assign one
begin
    select array_agg(row (j.ord, j.job ->> 'kind', j.job -> 'args',
                          case when j.opts ? 'unique' then keyed_opts(j.opts, j.job ->> 'kind', j.job -> 'args') else j.opts end,
                          nextval('job_id_seq'))::document_row order by j.ord),
           min(case when not is_job(j.job) then j.ord end)
    into v.rows, v_bad
    -- ids are drawn above the ORDER BY, so that they follow the document
    from (select e.job, e.ord, coalesce(nullif(e.job -> 'opts', 'null'), '{}') as opts
          from jsonb_array_elements(p_jobs) with ordinality as e (job, ord) order by e.ord) j;
    if v_bad is not null then
        perform refuse_job(v_bad);
    end if;
    select array_agg(l order by l), bool_or(q.keyed), bool_or(q.deferred), bool_or(q.replaces) into v.lanes, v.keyed, v.deferred, v_replace
    from (select o.queue, o.priority, bool_or(o.unique_job is not null) as keyed, bool_or(coalesce(o.run_at > clock_timestamp(), o.delay_s > 0, false)) as deferred,
                 bool_or(o.on_conflict = 'replace') as replaces
          from (select distinct r.opts from unnest(v.rows) r) d, read_options(d.opts) o group by o.queue, o.priority) q,
         lateral unnest(ensure_shards(q.queue, q.priority)) l;
    if v_replace then
        perform require_own_transaction('enqueue_many with on_conflict = replace', v_own);
    end if;
    return v;
end $$;

-- The rows with what their options say, and their lane.
create function lane_rows(p_rows document_row[])
returns table (ord bigint, kind text, args jsonb, job_id bigint, max_attempts smallint, extra jsonb, run_at timestamptz, lane int, seq regclass)
language sql volatile rows 1000 as $$
    with choice as materialized (
        select c.opts, o.max_attempts, o.extra, o.shard_key, l.enqueue_shards, l.lanes, l.seqs,
               coalesce(o.run_at, clock_timestamp() + make_interval(secs => o.delay_s)) as run_at
        from (select distinct d.opts from unnest(p_rows) d) c
        cross join lateral read_options(c.opts) o
        cross join lateral (
            select min(q.enqueue_shards) as enqueue_shards, array_agg(x.lane order by x.shard) as lanes, array_agg(x.seq order by x.shard) as seqs
            from queue_settings q join lanes x on x.queue = q.queue and x.priority = o.priority and x.shard < q.enqueue_shards
            where q.queue = o.queue) l
    )
    select d.ord, d.kind, d.args, d.job_id, c.max_attempts, c.extra, case when c.run_at > clock_timestamp() then c.run_at end, c.lanes[s + 1], c.seqs[s + 1]
    from unnest(p_rows) d join choice c on c.opts = d.opts, shard_of(c.shard_key, d.job_id, c.enqueue_shards) s
$$;

create function wishes(p_rows document_row[]) returns wish[]
language sql volatile as $$
    select array_agg(row (d.ord, d.job_id, read_unique(o.unique_job, o.on_conflict))::wish)
    from unnest(p_rows) d cross join lateral read_options(d.opts) o where o.unique_job is not null
$$;

-- The rows of a document, but those whose key another job has; numbers are drawn above the ORDER BY, so that
-- they follow the document.
create function store_document(p_rows document_row[], p_without bigint[]) returns jsonb
language plpgsql as $$
declare
    v_event jsonb;
    v_run_at timestamptz;
begin
    with doc as materialized (
        select d.*, case when d.run_at is null then nextval(d.seq) end as number
        from (select * from lane_rows(p_rows) where ord <> all (p_without) order by ord) d
    ), written as (
        insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
        select (select last_value from ring_seq), d.lane, d.number, d.job_id, 1, 1,
               d.max_attempts, 0, d.kind, d.args, marked(d.extra, d.job_id), clock_timestamp()
        from doc d where d.number is not null
        returning slot, lane, seq, job_id
    ), waits as (
        insert into deferred (job_id, run_at, enqueued_at, lane, run_lease, attempt, max_attempts, losses, state, kind, args, extra)
        select d.job_id, d.run_at, clock_timestamp(), d.lane, 0, 1, d.max_attempts, 0, 'scheduled', d.kind, d.args, d.extra
        from doc d where d.number is null
        returning lane, job_id
    )
    select (select min(d.run_at) from doc d), case when tracing() then jsonb_build_object(
        'entries', (select coalesce(jsonb_agg(jsonb_build_array(w.lane, w.slot, w.seq, w.job_id, 1, 1) order by w.lane, w.seq), '[]') from written w),
        'deferred', (select coalesce(jsonb_agg(jsonb_build_array(w.lane, w.job_id, 0, 1, 0, null) order by w.job_id), '[]') from waits w)) end
    into v_run_at, v_event;
    perform tell_timer(v_run_at);
    return v_event;
end $$;
