-- worker_stop: a worker process leaves.
--   spec      Storage!WorkerStop            event    worker_stop
--   requires  nothing; a worker settles or releases what it holds before it leaves
--   outcome   'stopped', or 'gone' when the row was not there
--   touches   delete workers (0 or 1)
--   one step  a single DELETE. A claim of this worker that commits later finds no row to lean on: its
--             entries are open and belong to nobody, which is what a rescue looks for.
create function worker_stop(worker bigint) returns text
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    v_answer text;
begin
    perform require_read_committed('worker_stop');
    perform require_number('worker', worker_stop.worker);
    delete from workers w where w.worker = worker_stop.worker;
    v_answer := case when found then 'stopped' else 'gone' end;
    if tracing() then
        perform emit(jsonb_build_object('a', 'worker_stop', 'worker', worker_stop.worker, 'answer', v_answer));
    end if;
    return v_answer;
end $$;
