-- Nobody has anything by default: PostgreSQL grants EXECUTE on new functions to everybody.
do $$
begin
    execute format('revoke all on all functions in schema %I from public', current_schema());
    execute format('revoke all on all tables in schema %I from public', current_schema());
    execute format('revoke all on schema %I from public', current_schema());
end $$;
