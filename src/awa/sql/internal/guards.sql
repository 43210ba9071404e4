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

-- Acts on pending entries take a lane's claim lock: inside a larger transaction it would stop the lane for
-- everybody. Such a transaction is known by its xid, once it has written anything.
create function require_own_transaction(p_function text, p_own boolean default pg_current_xact_id_if_assigned() is null) returns void
language plpgsql as $$
begin
    perform require_read_committed(p_function);
    if not p_own then
        raise exception 'awa: % refuses to run inside a larger transaction', p_function
            using errcode = 'AW007', hint = 'Call it alone, with autocommit on: it stops claims of the lane until the end of its transaction.';
    end if;
end $$;

create function check_count(p_field text, p_count int, p_max int) returns void
language plpgsql as $$
begin
    if p_count is null or p_count not between 1 and p_max then
        perform refuse_input(p_field, format('must be an integer from 1 to %s', p_max));
    end if;
end $$;
