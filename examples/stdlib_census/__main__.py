"""The demo: real files, real processes, a real database, real trouble, and a checked report."""

import argparse
import signal
import sys
import time
from datetime import datetime
from types import FrameType
from typing import Final

import psycopg
from rich.console import Console

import awa
from awa.embedded import Cluster
from examples.stdlib_census.census import stdlib_files
from examples.stdlib_census.findings import Findings, Session, look, wal_position
from examples.stdlib_census.plan import FILES_MIN, QUEUE, Plan, plan_of, store
from examples.stdlib_census.progress import progress
from examples.stdlib_census.report import show
from examples.stdlib_census.workers import Crew, WorkerFailed, crew

LOOK_INTERVAL_S: Final = 0.1
STALL_TIMEOUT_S: Final = 60.0
INTERRUPTED: Final = 130

_BEATING: Final = "select count(*) from awa.workers where beat > 0"
# The worker that has most of the slow files in hand, and what time it is.
_VICTIM: Final = """
    select (w.info ->> 'pid')::int, clock_timestamp()
    from awa.jobs j join awa.workers w on w.worker = j.worker
    where j.state = 'running' and (j.args ->> 'slow_s')::float8 > 0
    group by w.worker order by count(*) desc limit 1"""


def main() -> int:
    """Run the demo. The status is 0 only when all is as it has to be."""
    options = _options()
    console = Console()
    for wish in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(wish, _interrupt)
    try:
        plan = plan_of(stdlib_files()[: options.files])
        findings = run(console, plan, worker_count=options.workers)
    except KeyboardInterrupt:
        console.print("interrupted; the workers and the database are gone")
        return INTERRUPTED
    except (WorkerFailed, awa.AwaError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    show(findings, console)
    return 1 if findings.problems() else 0


def run(console: Console, plan: Plan, *, worker_count: int) -> Findings:
    """Count the files with so many worker processes, on a database that is thrown away."""
    console.print("starting a PostgreSQL of our own, thrown away at the end")
    # Durable, as a real server is: what is counted below was synced.
    with Cluster(durable=True) as cluster, awa.Client(cluster.url()) as client:
        client.migrate()
        with psycopg.connect(cluster.conninfo(), autocommit=True) as session:
            began = wal_position(session)
            with crew(cluster.url(), worker_count) as workers:
                _begun(session, workers, worker_count)
                run_at = store(plan, client)
                _tell(console, plan, worker_count)
                killed_at = _follow(client, session, console, plan, workers)
            # The workers have left: all that they did is in the server's statistics.
            wal_bytes = wal_position(session) - began
            return look(session, plan, run_at=run_at, killed_at=killed_at, wal_bytes=wal_bytes)


def _begun(session: Session, workers: Crew, count: int) -> None:
    """Return when all workers are there: a death is for another one to notice, which was alive."""
    began_s = time.monotonic()
    while session.execute(_BEATING).fetchone() != (count,):
        workers.require_alive()
        if time.monotonic() - began_s > STALL_TIMEOUT_S:
            raise WorkerFailed(f"not all of {count} workers have begun")
        time.sleep(LOOK_INTERVAL_S)


def _tell(console: Console, plan: Plan, worker_count: int) -> None:
    files, missing = len(plan.files), len(plan.missing)
    for line in (
        f"{files:,} jobs enqueued, one of them for later, and {missing} that cannot succeed",
        f"{worker_count} worker processes begin; {plan.failing} jobs fail at their first attempt",
    ):
        console.print(line, highlight=False)


def _follow(
    client: awa.Client, session: Session, console: Console, plan: Plan, workers: Crew
) -> datetime:
    """Show the progress, and kill a worker half way. Return when all is done, with that moment."""
    killed_at: datetime | None = None
    counts = _counts(client)
    moved_s = time.monotonic()
    with progress(console, len(plan.files)) as advance:
        while True:
            before, counts = counts, _counts(client)
            advance(counts)
            if killed_at is None:
                killed_at = _kill_one(session, console, workers)
            elif _is_done(counts, plan):
                return killed_at
            workers.require_alive()
            if counts != before:
                moved_s = time.monotonic()
            elif time.monotonic() - moved_s > STALL_TIMEOUT_S:
                raise WorkerFailed(f"nothing moves any more: {counts}")
            time.sleep(LOOK_INTERVAL_S)


def _counts(client: awa.Client) -> awa.QueueStats:
    (counts,) = [queue for queue in client.queue_stats() if queue.queue == QUEUE]
    return counts


def _is_done(counts: awa.QueueStats, plan: Plan) -> bool:
    return counts.completed >= len(plan.files) and counts.dead >= len(plan.missing)


def _kill_one(session: Session, console: Console, workers: Crew) -> datetime | None:
    """Kill a worker that reads a slow file, and start another; None while nobody does."""
    victim = session.execute(_VICTIM).fetchone()
    if victim is None:
        return None
    pid, now = victim
    killed_at: datetime = now
    workers.kill(pid)
    workers.start()
    for line in (
        f"worker {pid} is killed with its jobs in hand; another one starts in its place",
        "they run again once the leader has missed it for 3 s, and is sure that it is gone",
    ):
        console.print(line, style="yellow", highlight=False)
    return killed_at


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.stdlib_census",
        description="Hash every file of the standard library with worker processes, one of which"
        " is killed half way, and check everything.",
    )
    parser.add_argument("--files", type=int, metavar="N", help="only the first N files")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes; default 2")
    options = parser.parse_args()
    if options.files is not None and options.files < FILES_MIN:
        parser.error(f"--files must be at least {FILES_MIN}")
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    return options


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Be stopped by SIGTERM, or a closed terminal, as by Ctrl-C: cleanly."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
