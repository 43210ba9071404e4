-- Everything that writes deferred rows comes through here: first begin_defer, then the rows, then
-- tell_timer, all in one transaction. The leader sets its timer to for ever, looks whether somebody is
-- between these steps, looks for due jobs, and only then sets the timer to the next of them: so a row is
-- either seen by that look, or its writer read the timer and tells.

create function begin_defer() returns void
language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(lk_deferring(), 0);
end $$;

create function tell_timer(p_run_at timestamptz) returns void
language plpgsql as $$
begin
    if p_run_at is not null and extract(epoch from p_run_at) * 1000 < (select last_value from timer_seq)
       and coalesce(current_setting('awa.notify', true), 'on') <> 'off' then
        perform pg_notify(awa_name(), '');
    end if;
end $$;
