-- Advisory locks have two-int keys (class, object). The classes are allocated here, once, and stored:
-- as a table for people, and as constant functions that the planner inlines. Two schemas in one
-- database get different classes, because the schema's own number goes into them.
create table lock_classes (name text primary key, class int not null unique);

do $$
declare
    v_schema text := current_schema();
    v_base int := ('x' || substr(md5('awa lock classes of ' || current_schema()), 1, 7))::bit(28)::int / 2 * 16;
    v_names text[] := array['claim', 'lane', 'inflight', 'sleeping', 'alive', 'maintenance', 'leader', 'declare',
                             'deferring'];
    v_ended text := current_schema();
begin
    for k in 1 .. cardinality(v_names) loop
        insert into lock_classes values (v_names[k], v_base + k - 1);
        execute format(
            'create function lk_%s() returns int language sql immutable parallel safe as %L',
            v_names[k], format('select %s', v_base + k - 1));
    end loop;
    -- NOTIFY channel, and prefix of the events in the WAL: the schema's name as it is at installation.
    execute format(
        'create function awa_name() returns text language sql immutable parallel safe as %L',
        format('select %L::text', v_schema));
    -- The channel on which a worker hears that others ended attempts of its own.
    while octet_length(v_ended) > 57 loop
        v_ended := left(v_ended, -1);
    end loop;
    execute format(
        'create function ended_channel() returns text language sql immutable parallel safe as %L',
        format('select %L::text', v_ended || '.ended'));
end $$;
