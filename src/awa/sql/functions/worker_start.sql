-- worker_start: a worker process appears.
--   spec      Storage!WorkerStart           event    worker_start
--   requires  a random number nobody used before (from the system's entropy)
--   outcome   'started', or 'already' when the row is there (a repeat after a lost reply)
--   touches   insert workers (0 or 1)
--   one step  a single INSERT; its key conflict decides a race.
create function worker_start(worker bigint, info jsonb) returns text
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    v_answer text;
begin
    perform require_read_committed('worker_start');
    perform require_number('worker', worker_start.worker);
    if worker_start.info is null or jsonb_typeof(worker_start.info) <> 'object' then
        perform refuse_input('info', 'must be an object');
    end if;
    insert into workers (worker, info) values (worker_start.worker, worker_start.info) on conflict do nothing;
    v_answer := case when found then 'started' else 'already' end;
    if tracing() then
        perform emit(jsonb_build_object('a', 'worker_start', 'worker', worker_start.worker, 'answer', v_answer));
    end if;
    return v_answer;
end $$;
