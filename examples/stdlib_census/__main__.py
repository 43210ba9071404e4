"""The demo: real files, real processes, a real database, and a report that is checked."""

import argparse
import signal
import sys
import time
from types import FrameType
from typing import Final

import psycopg
from rich.console import Console

import awa
from awa.embedded import Cluster
from examples.stdlib_census.census import CountFile, stdlib_files
from examples.stdlib_census.findings import Findings, look, wal_position
from examples.stdlib_census.progress import progress
from examples.stdlib_census.report import show
from examples.stdlib_census.workers import WorkerFailed, WorkerProcess, workers

QUEUE: Final = "census"
LOOK_INTERVAL_S: Final = 0.05
STALL_TIMEOUT_S: Final = 60.0
INTERRUPTED: Final = 130


def main() -> int:
    """Run the demo. The status is 0 only when every file was counted once, and rightly."""
    options = _options()
    console = Console()
    for wish in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(wish, _interrupt)
    try:
        findings = run(console, files_max=options.files, worker_count=options.workers)
    except KeyboardInterrupt:
        console.print("interrupted; the workers and the database are gone")
        return INTERRUPTED
    except (WorkerFailed, awa.AwaError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    show(findings, console, workers=options.workers)
    return 0 if findings.is_good() else 1


def run(console: Console, *, files_max: int | None, worker_count: int) -> Findings:
    """Count the files with so many worker processes, on a database that is thrown away."""
    files = stdlib_files()[:files_max]
    console.print("starting a PostgreSQL of our own, thrown away at the end")
    # Durable, as a real server is: what is counted below was synced.
    with Cluster(durable=True) as cluster, awa.Client(cluster.url()) as client:
        client.migrate()
        with psycopg.connect(cluster.conninfo(), autocommit=True) as session:
            began = wal_position(session)
            client.insert_many((CountFile(path) for path in files), queue=QUEUE)
            note = f"{len(files):,} jobs enqueued; {worker_count} worker processes start"
            console.print(note, highlight=False)
            with workers(cluster.url(), worker_count) as started:
                _wait(client, console, len(files), started)
            # The workers have left: all that they did is in the server's statistics.
            return look(session, files, wal_bytes=wal_position(session) - began)


def _wait(client: awa.Client, console: Console, total: int, started: list[WorkerProcess]) -> None:
    """Show the progress until the database says that all jobs are completed."""
    completed, moved_s = -1, time.monotonic()
    with progress(console, total) as advance:
        while completed < total:
            before = completed
            completed = sum(queue.completed for queue in client.queue_stats())
            advance(completed)
            for worker in started:
                worker.require(None)
            if completed != before:
                moved_s = time.monotonic()
            elif time.monotonic() - moved_s > STALL_TIMEOUT_S:
                raise WorkerFailed(f"{total - completed} jobs are left, and nothing moves")
            time.sleep(LOOK_INTERVAL_S)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.stdlib_census",
        description="Hash every file of the standard library with worker processes, checked.",
    )
    parser.add_argument("--files", type=int, metavar="N", help="only the first N files")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes; default 2")
    return parser.parse_args()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Be stopped by SIGTERM, or a closed terminal, as by Ctrl-C: cleanly."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
