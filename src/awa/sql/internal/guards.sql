-- What several functions refuse, in one place each.

create function require_read_committed(p_function text) returns void
language plpgsql as $$
begin
    -- Under an older snapshot a claim returned entries that others had claimed long before.
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'awa: % refuses to run under %', p_function, current_setting('transaction_isolation')
            using errcode = 'AW002', hint = 'Call it in a READ COMMITTED transaction.';
    end if;
end $$;

create function refuse_input(p_field text, p_problem text) returns void
language plpgsql as $$
begin
    raise exception 'awa: %: %', p_field, p_problem using errcode = 'AW001', detail = p_field;
end $$;

create function require_number(p_field text, p_number bigint) returns void
language plpgsql as $$
begin
    if p_number is null then
        perform refuse_input(p_field, 'must be a number, not null');
    end if;
end $$;

create function require_worker(p_worker bigint) returns void
language plpgsql as $$
begin
    if not exists (select from workers w where w.worker = p_worker) then
        raise exception 'awa: worker % is not known', p_worker
            using errcode = 'AW003', hint = 'Call worker_start first; a worker that was removed starts anew.';
    end if;
end $$;
