"""The database of a stage: Awa's schema, and tables of ends and fires that triggers write.

What has ended is forgotten in time, so each end is written down in the transaction that makes it:
a completed job by its closure, a failed or cancelled one by its row. So is each attempt that was
lost, and the instant of each job that a schedule stores. Handlers write effects of their own
transactions to a table.
"""

from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from awa._storage.executors import run_sync
from awa._storage.install import RoleNames, install_roles, migrate_sync
from awa.embedded import Cluster

DATABASE: Final = "stage"

ENDS: Final = """\
create schema chaos;
create table chaos.ends (
    n bigint not null, job_id bigint not null, lease int not null, state text not null, reason text,
    at timestamptz not null default clock_timestamp()
);
create index on chaos.ends (n);
create table chaos.losses (n bigint not null, lease int not null);
create table chaos.own (n bigint not null, lease int not null);
create table chaos.fires (job_id bigint primary key, due timestamptz not null);
-- as jobs.number_of
create function chaos.number_of(args jsonb, job_id bigint) returns bigint language sql immutable as
$$ select coalesce(nullif((args->>'n')::bigint, 0), -job_id) $$;
create function chaos.note_completed() returns trigger language plpgsql security definer as $$
begin
    execute format(
        'insert into chaos.ends (n, job_id, lease, state)'
        ' select chaos.number_of(r.args, r.job_id), r.job_id, r.run_lease, ''completed'''
        ' from unnest($2) u, awa.ready_%s r'
        ' where r.lane = $1 and r.seq >= lower(u) and r.seq < upper(u)', new.slot)
    using new.lane, new.seqs;
    return null;
end $$;
create function chaos.note_lost() returns trigger language plpgsql security definer as $$
begin
    execute format(
        'insert into chaos.losses (n, lease)'
        ' select chaos.number_of(r.args, r.job_id), r.run_lease'
        ' from unnest($2) u, awa.ready_%s r'
        ' where r.lane = $1 and r.seq >= lower(u) and r.seq < upper(u)', new.slot)
    using new.lane, new.seqs;
    return null;
end $$;
create function chaos.note_final() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.ends (n, job_id, lease, state, reason)
    values (chaos.number_of(new.args, new.job_id), new.job_id, new.run_lease, new.state,
            new.reason);
    return null;
end $$;
create function chaos.note_fired() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.fires (job_id, due)
    values (new.job_id, (new.extra->'metadata'->>'cron_fire_time')::timestamptz)
    on conflict do nothing;  -- it was stored before: this is another attempt's entry
    return null;
end $$;
create trigger note_fired after insert on awa.ready for each row
    when (new.extra->'metadata' ? 'cron_fire_time') execute function chaos.note_fired();
create trigger note after insert on awa.closures for each row
    when (new.outcome = 'completed') execute function chaos.note_completed();
create trigger note_lost after insert on awa.closures for each row
    when (new.outcome = 'lost') execute function chaos.note_lost();
create trigger note after insert on awa.finals for each row execute function chaos.note_final();
create trigger note after insert on awa.dlq for each row execute function chaos.note_final();
"""

SETTINGS: Final = {
    "max_connections": "100",
    "max_locks_per_transaction": "256",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    "autovacuum_naptime": "5s",
}
"""Of every stage's server."""

HAND: Final = "stagehand"
"""The role of workers and producers: no superuser, so that limits reach it."""
PASSWORD: Final = "no secret on a private server"  # noqa: S105


def prepare(cluster: Cluster, database: str = DATABASE) -> None:
    """Create the stage's database."""
    with open_session(cluster.conninfo()) as session:
        session.execute(f'create database "{database}"'.encode())
    migrate_sync(cluster.conninfo(database))
    with open_session(cluster.conninfo(database)) as session:
        session.execute(ENDS.encode())
        run_sync(session, install_roles("awa", RoleNames()))
        role = f"create role {HAND} login password '{PASSWORD}' in role awa_producer, awa_worker"
        session.execute(role.encode())
        session.execute(f"grant usage on schema chaos to {HAND}".encode())
        session.execute(f"grant insert on chaos.own to {HAND}".encode())


def of_hand(conninfo: str) -> str:
    """Return the same connection string for workers and producers."""
    return make_conninfo(conninfo, user=HAND, password=PASSWORD)


def open_session(conninfo: str) -> psycopg.Connection[Any]:
    """Open a session of the audience: faults are not meant for it."""
    return psycopg.connect(conninfo, autocommit=True, application_name="chaos audience")
