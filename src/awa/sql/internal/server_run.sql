-- server_run: the run of the server whose sessions and locks there are now; another one after a restart, after
-- the crash of a single backend, which ends all sessions and does not show in the server's start, and on a
-- standby that was promoted. A crash empties the statistics, and the time of that is readable by everybody.
-- Who resets these statistics by hand makes it a new run too, which is safe: the next beats are of it.
create function server_run() returns text
language sql stable as $$
    select extract(epoch from pg_postmaster_start_time())::text || ' ' || extract(epoch from pg_stat_get_bgwriter_stat_reset_time())::text
$$;
