"""Make fixtures/schema_1.sql: the first schema with jobs in every state, as pg_dump writes it.

    python -m tests.migration.make_schema_1 /path/to/postgresql-15/bin

Made with the oldest PostgreSQL that is supported, so that every newer one loads it. Upgrade tests
start from it; once version 1 is released it is never made again.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Final

import psycopg

from awa._core.entries import Ask, Body, Result, SettleItem, WorkerInfo
from awa._core.options import new_job
from awa._core.ranges import Ranges
from awa._storage.executors import run_sync
from awa._storage.functions import Storage
from awa._storage.install import migrate
from awa.embedded import Cluster

FIXTURE: Final = Path(__file__).parent / "fixtures" / "schema_1.sql"
WORKER: Final = 4242
CLAIM: Final = 1001
STORAGE: Final = Storage()

# What takes many attempts or operators to come about.
LATER: Final = """
insert into awa.deferred (job_id, run_at, state, lane, run_lease, attempt, max_attempts, kind, args,
                          enqueued_at)
values (nextval('awa.job_id_seq'), '2100-01-01Z', 'scheduled', 1, 0, 1, 25,
        'scheduled', '{"n": 1}', now()),
       (nextval('awa.job_id_seq'), '2100-01-01Z', 'retryable', 1, 1, 2, 25,
        'retryable', '{"n": 1}', now());
insert into awa.finals (job_id, state, reason, finished_at, lane, run_lease, attempt, max_attempts,
                        kind, args, enqueued_at)
values (nextval('awa.job_id_seq'), 'failed', 'exhausted', now(), 1, 25, 25, 25,
        'failed', '{"n": 1}', now()),
       (nextval('awa.job_id_seq'), 'cancelled', 'by an operator', now(), 1, 1, 1, 25,
        'cancelled', '{"n": 1}', now());
insert into awa.dlq (job_id, state, reason, finished_at, lane, run_lease, attempt, max_attempts,
                     kind, args, enqueued_at)
values (nextval('awa.job_id_seq'), 'failed', 'exhausted', now(), 1, 25, 25, 25,
        'dead_lettered', '{"n": 1}', now());
"""
PARK: Final = """
insert into awa.leases (seq, token, lane, slot, part, progress, callback_id, parked_until)
values (%s, %s, %s, %s, %s, '{"done": 0.5}', '00000000-0000-4000-8000-000000000001', '2100-01-01Z')
"""


def main() -> None:
    """Fill a database of a throw-away cluster and dump it."""
    bindir = Path(sys.argv[1])
    with Cluster(bindir=bindir) as cluster:
        with psycopg.connect(cluster.conninfo(), autocommit=True) as session:
            fill(session)
        command = [str(bindir / "pg_dump"), "--inserts", "--no-owner", "--no-privileges"]
        dump = subprocess.run(
            [*command, "--schema=awa", cluster.conninfo()],
            check=True,
            capture_output=True,
            text=True,
        )
    # psql's own commands, which no other client understands.
    lines = [line for line in dump.stdout.splitlines() if not line.startswith("\\")]
    FIXTURE.write_text("\n".join(lines).rstrip() + "\n")


def fill(session: psycopg.Connection) -> None:
    """One job of each sort, its kind saying which."""
    run_sync(session, migrate())
    info = WorkerInfo(name="w", host="h", pid=1, queues=("default",), version="0.1.0")
    run_sync(session, STORAGE.worker_start(WORKER, info))
    for kind in ("completed", "released", "running", "waiting_external"):
        run_sync(session, STORAGE.enqueue(new_job({"n": 1}, {"kind": kind, "tags": ["t"]})))
    run_sync(
        session,
        STORAGE.claim(WORKER, call=1, token=CLAIM, asks=[Ask(queue="default", limit=10)]),
    )
    bodies = {body.kind: body for body in chain(*run_sync(session, STORAGE.bodies(CLAIM)))}
    result = Result(item=1, seq=bodies["completed"].seq, value=b'{"answer": 42}')
    run_sync(session, STORAGE.complete(WORKER, 1, [item(bodies["completed"])], [result]))
    run_sync(session, STORAGE.release(WORKER, 2, [item(bodies["released"])]))
    parked = bodies["waiting_external"]
    session.execute(PARK, [parked.seq, CLAIM, parked.lane, parked.slot, parked.part])
    # A number that was rolled back, and that no claim has passed yet.
    with session.transaction(force_rollback=True):
        run_sync(session, STORAGE.enqueue(new_job({}, {"kind": "never"})))
    run_sync(session, STORAGE.enqueue(new_job({"n": 1}, {"kind": "available"})))
    session.execute(LATER)


def item(body: Body) -> SettleItem:
    """The receipt of one entry."""
    seqs = Ranges([(body.seq, body.seq + 1)])
    return SettleItem(slot=body.slot, token=CLAIM, part=body.part, seqs=seqs)


if __name__ == "__main__":
    main()
