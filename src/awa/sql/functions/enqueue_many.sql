-- enqueue_many: a document of jobs, in the caller's transaction.
--   spec      Storage!EnqueueMany           event    enqueue_many
--   requires  an array of {"kind", "args", "opts"?}; each as for enqueue; otherwise nothing is written
--   outcome   a row per job, in the order of the document
--   touches   insert ready (one per job)
--   one step  as enqueue; the lanes' in-flight locks are taken in lane order before any number is
--             drawn, and numbers within a lane follow the document's order.
create function enqueue_many(jobs jsonb)
returns table (id bigint, state text, duplicate boolean)
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    v_document document;
    v_ids bigint[];
    v_event jsonb;
begin
    if jobs is null or jsonb_typeof(jobs) <> 'array' then
        perform refuse_input('jobs', 'must be an array of {"kind", "args", "opts"?}');
    elsif jobs = '[]' then
        return;
    end if;
    v_document := read_document(jobs);
    perform begin_append_all(v_document.lanes);
    -- ids and numbers are drawn above an ORDER BY, so that both follow the document
    with doc as materialized (
        select d.*, nextval('job_id_seq') as job_id, nextval(d.seq) as number
        from (select * from lane_rows(v_document.rows) order by ord) d
    ), written as (
        insert into ready (slot, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args, extra, enqueued_at)
        select (select last_value from ring_seq), d.lane, d.number, d.job_id, 1, 1,
               d.max_attempts, 0, d.kind, d.args, d.extra, clock_timestamp()
        from doc d
        returning slot, lane, seq, job_id
    )
    select (select array_agg(d.job_id order by d.ord) from doc d),
           case when tracing() then (select jsonb_agg(jsonb_build_array(w.lane, w.slot, w.seq, w.job_id, 1, 1)
                                                      order by w.lane, w.seq) from written w) end
    into v_ids, v_event;
    if v_event is not null then
        perform emit(jsonb_build_object('a', 'enqueue_many', 'entries', v_event));
    end if;
    return query select u, 'available'::text, false from unnest(v_ids) u;
end $$;
