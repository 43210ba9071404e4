"""The database of a stage: Awa's schema, and a table of ends that triggers write.

What has ended is forgotten in time, so each end is written down in the transaction that makes it:
a completed job by its closure, a failed or cancelled one by its row.
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
create function chaos.note_completed() returns trigger language plpgsql security definer as $$
begin
    execute format(
        'insert into chaos.ends (n, job_id, lease, state)'
        ' select (r.args->>''n'')::bigint, r.job_id, r.run_lease, ''completed'''
        ' from unnest($2) u, awa.ready_%s r'
        ' where r.lane = $1 and r.seq >= lower(u) and r.seq < upper(u)', new.slot)
    using new.lane, new.seqs;
    return null;
end $$;
create function chaos.note_final() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.ends (n, job_id, lease, state, reason)
    values ((new.args->>'n')::bigint, new.job_id, new.run_lease, new.state, new.reason);
    return null;
end $$;
create trigger note after insert on awa.closures for each row
    when (new.outcome = 'completed') execute function chaos.note_completed();
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


def of_hand(conninfo: str) -> str:
    """Return the same connection string for workers and producers."""
    return make_conninfo(conninfo, user=HAND, password=PASSWORD)


def open_session(conninfo: str) -> psycopg.Connection[Any]:
    """Open a session of the audience: faults are not meant for it."""
    return psycopg.connect(conninfo, autocommit=True, application_name="chaos audience")
