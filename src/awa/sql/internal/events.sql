-- Events travel with the transaction: they vanish with a rollback, appear in commit order, touch no
-- table and take no lock. Off unless awa.trace is on (then logical decoding reads them back).

create function tracing() returns boolean
language sql stable as $$ select coalesce(current_setting('awa.trace', true), 'off') = 'on' $$;

create function emit(p_event jsonb) returns void
language plpgsql as $$
begin
    perform pg_logical_emit_message(true, awa_name(), p_event::text);
end $$;
