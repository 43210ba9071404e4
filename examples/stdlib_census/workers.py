"""Worker processes: started, killed, and gone at the end whatever happens."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

CHECKOUT: Final = Path(__file__).parents[2]
STOP_TIMEOUT_S: Final = 20.0
TARGET: Final = "examples.stdlib_census.app:client"


class WorkerFailed(Exception):
    """A worker process ended by itself, or badly. The message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """One `awa worker`."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def require(self, *states: int | None) -> None:
        """Raise WorkerFailed unless the process is in one of these states (None: it runs)."""
        found = self.process.poll()
        if found not in states:
            self.log.seek(0)
            said = self.log.read().decode(errors="replace")[-2000:]
            raise WorkerFailed(f"a worker ended with status {found}:\n{said}")


class Crew:
    """Workers of one database, those that are meant to live."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack
        self._alive: list[WorkerProcess] = []

    def start(self) -> None:
        """Start one more."""
        self._alive.append(self._stack.enter_context(_worker(self._url)))

    def kill(self, pid: int) -> None:
        """Kill one as the machine would that loses its power: it cannot say or tidy anything."""
        (victim,) = [worker for worker in self._alive if worker.process.pid == pid]
        self._alive.remove(victim)
        victim.process.kill()
        victim.process.wait()
        victim.require(-signal.SIGKILL)

    def require_alive(self) -> None:
        """Raise WorkerFailed when one has ended that nobody ended."""
        for worker in self._alive:
            worker.require(None)

    def stop(self) -> None:
        """Ask all of them to stop, then wait: each finishes what it runs. Raises WorkerFailed."""
        for worker in self._alive:
            worker.process.terminate()
        for worker in self._alive:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(STOP_TIMEOUT_S)
            # With few files the others are done before this one has even begun to listen.
            worker.require(0, -signal.SIGTERM)


@contextmanager
def crew(url: str, count: int) -> Iterator[Crew]:
    """Run so many workers within the block. No one is left behind, even when the block fails."""
    with ExitStack() as stack:
        workers = Crew(url, stack)
        for _ in range(count):
            workers.start()
        yield workers
        workers.stop()


@contextmanager
def _worker(url: str) -> Iterator[WorkerProcess]:
    awa = Path(sys.executable).with_name("awa")
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [awa, "worker", TARGET],
            cwd=CHECKOUT,
            env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is for us alone, and we stop the workers in our own order.
            start_new_session=True,
        )
        try:
            yield WorkerProcess(process, log)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process: politely at first, and at once when we are interrupted meanwhile."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()
