"""Worker processes of a drain: real `awa worker` commands, and what they report through a pipe."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from awa._bench.jobs import REPORT_FD
from awa._bench.processes import process_times
from awa.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO

    import psycopg

    Session = psycopg.Connection[tuple[Any, ...]]

MAX_WORKERS: Final = 1000
START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 30.0
_LOG_BYTES_SHOWN: Final = 4000
_UP_INTERVAL_S: Final = 0.05
_UP: Final = """
    select (select count(*) from awa.workers), exists (
        select from pg_locks l join awa.lock_classes c on c.class::oid = l.classid
        where c.name = 'leader' and l.locktype = 'advisory' and l.granted)"""
# The command `awa`, by this interpreter.
_AWA: Final = (sys.executable, "-c", "from awa.cli import main; main()")


@dataclass(slots=True)
class WorkerProcess:
    """One `awa worker`, from its start to its end."""

    process: subprocess.Popen[bytes]
    pipe: int
    log: IO[bytes]
    first_s: float | None = None
    """When its first handler started, by the machine's monotonic clock."""
    cpu_before_first_s: float = 0.0
    runs: int = 0
    """Handler runs, known when it has ended."""
    started_s: dict[int, float] = field(default_factory=dict)
    """When each job that says so has started here last, by the machine's monotonic clock."""
    _text: bytes = field(default=b"")

    def read(self) -> None:
        """Take in what it has reported; does not block when `pipe` is readable."""
        self._text += os.read(self.pipe, 65536)
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            fact = json.loads(line)
            self.first_s = fact.get("first_s", self.first_s)
            self.cpu_before_first_s = fact.get("cpu_s", self.cpu_before_first_s)
            self.runs = fact.get("runs", self.runs)
            if "job" in fact:
                self.started_s[fact["job"]] = fact["started_s"]

    def cpu_since_first_s(self) -> float | None:
        """Processor seconds since its first handler started; None without /proc."""
        times = process_times(self.process.pid)
        # /proc counts in ticks of 10 ms, cut off; the worker's own word before is exact.
        return None if times is None else max(0.0, times.own_s - self.cpu_before_first_s)

    def require_running(self) -> None:
        """Raise InternalError, with what the worker said, when it has ended by itself."""
        code = self.process.poll()
        if code is not None:
            raise InternalError(f"a worker ended with status {code}:\n{self.said()}")

    def said(self) -> str:
        """The end of its log."""
        self.log.seek(0)
        return self.log.read()[-_LOG_BYTES_SHOWN:].decode(errors="replace")


@contextmanager
def worker_processes(
    conninfo: str, count: int, *, max_workers: int = MAX_WORKERS
) -> Iterator[tuple[WorkerProcess, ...]]:
    """Run so many workers within the block; at its end they are asked to stop and waited for.

    Afterwards each knows its `runs`. Raises InternalError when one ends badly.
    """
    with ExitStack() as stack:
        workers = tuple(
            stack.enter_context(one_worker(conninfo, max_workers=max_workers)) for _ in range(count)
        )
        yield workers
        stop(workers)


def wait_for_first(workers: Sequence[WorkerProcess]) -> float:
    """Wait until a handler runs somewhere; answer when it started. Raises InternalError."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not any(worker.first_s for worker in workers):
        for worker in workers:
            worker.require_running()
        if time.monotonic() > deadline:
            raise InternalError(f"no worker runs a job:\n{workers[0].said()}")
        read_reports(workers, timeout_s=0.1)
    return min(worker.first_s for worker in workers if worker.first_s is not None)


def wait_until_up(session: Session, workers: Sequence[WorkerProcess]) -> None:
    """Wait until the database knows every worker and one of them leads. Raises InternalError."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while session.execute(_UP).fetchone() != (len(workers), True):
        for worker in workers:
            worker.require_running()
        if time.monotonic() > deadline:
            raise InternalError(f"a worker does not come up:\n{workers[0].said()}")
        time.sleep(_UP_INTERVAL_S)


def read_reports(workers: Sequence[WorkerProcess], *, timeout_s: float) -> None:
    """Take in what the workers report, waiting at most so long for something."""
    by_pipe = {worker.pipe: worker for worker in workers}
    for pipe in select.select(list(by_pipe), [], [], timeout_s)[0]:
        by_pipe[pipe].read()


def stop(workers: Sequence[WorkerProcess]) -> None:
    """Ask all to stop, wait for them, and read their last words. Raises InternalError."""
    for worker in workers:
        worker.process.send_signal(signal.SIGTERM)
    for worker in workers:
        try:
            code = worker.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise InternalError(f"a worker does not stop:\n{worker.said()}") from None
        worker.read()
        # One that was not yet up when the others had done everything dies of the signal. Had it
        # run a job, its number of runs would be missing.
        if code not in (0, -signal.SIGTERM):
            raise InternalError(f"a worker stopped with status {code}:\n{worker.said()}")


@contextmanager
def one_worker(conninfo: str, *, max_workers: int = MAX_WORKERS) -> Iterator[WorkerProcess]:
    """Run one worker within the block. Who has not stopped it by the end has given up on it."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*_AWA, "worker", "awa._bench.workload:client", "--max-workers", str(max_workers)],
            env={**os.environ, "DATABASE_URL": conninfo, REPORT_FD: str(writing)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            # A Ctrl-C in our terminal is for us, and we stop the workers.
            start_new_session=True,
        )
        os.close(writing)
        try:
            yield WorkerProcess(process=process, pipe=reading, log=log)
        finally:
            process.kill()
            process.wait()
            os.close(reading)
