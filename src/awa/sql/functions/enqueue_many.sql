-- enqueue_many: a document of jobs, in the caller's transaction.
--   spec      Storage!EnqueueMany           event    enqueue_many
--   requires  an array of {"kind", "args", "opts"?}; each as for enqueue; otherwise nothing is written
--   outcome   a row per job, in the order of the document; of two jobs with one unique key the first stands
--   touches   as enqueue, per job
--   one step  as enqueue; unique keys are taken first, in their order, then the lanes' in-flight locks in
--             lane order, before any number is drawn. Numbers within a lane follow the document's order.
create function enqueue_many(jobs jsonb)
returns table (id bigint, state text, duplicate boolean, answer text)
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    v_alike alike;
    v_document document;
    v_keyed keyed[] := '{}';
    v_event jsonb;
begin
    if jobs is null or jsonb_typeof(jobs) <> 'array' then
        perform refuse_input('jobs', 'must be an array of {"kind", "args", "opts"?}');
    elsif jobs = '[]' then
        return;
    end if;
    v_alike := alike_of(jobs);
    if (v_alike.lane).lane is not null then
        return query select i, 'available'::text, false, 'inserted'::text from unnest(store_alike(jobs, v_alike)) i;
        return;
    end if;
    v_document := read_document(jobs);
    if v_document.keyed then
        v_keyed := take_keys(wishes(v_document.rows));
    end if;
    if v_document.deferred then
        perform begin_defer();
    end if;
    perform begin_append_all(v_document.lanes);
    v_event := store_document(v_document.rows, array(select k.ord from unnest(v_keyed) k where k.answer in ('existing', 'skipped')));
    if tracing() then
        perform emit(jsonb_build_object('a', 'enqueue_many') || v_event
            || replaced_lists(array(select w from unnest(v_keyed) k, unnest(k.replaced) w))
            || told_list(array(select k.job_id from unnest(v_keyed) k order by k.ord), array(select k.answer from unnest(v_keyed) k order by k.ord),
                         array(select k.state from unnest(v_keyed) k order by k.ord)));
    end if;
    return query
    select case when k.answer = 'skipped' then null else coalesce(k.job_id, d.job_id) end,
           case when k.answer = 'skipped' then null
                else coalesce(k.state, case when v_document.deferred and exists (select from deferred w where w.job_id = coalesce(k.job_id, d.job_id))
                                            then 'scheduled' else 'available' end) end,
           coalesce(k.answer in ('existing', 'skipped'), false), coalesce(k.answer, 'inserted')
    from unnest(v_document.rows) d left join unnest(v_keyed) k on k.ord = d.ord order by d.ord;
end $$;
