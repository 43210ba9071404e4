"""Worker processes that a test may stop and kill.

new_worker   new_worker(name, heartbeat_s=..., lead=...) starts one and returns when it works
leader_name  leader_name() says which worker leads, None when nobody does
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.facts import wait_until
from tests.fix_database import open_session

ROOT: Final = Path(__file__).resolve().parents[1]


class WorkerProcess:
    """A process that runs `tests.worker_program`."""

    def __init__(self, folder: Path, conninfo: str, name: str, options: list[str]) -> None:
        self.name: Final = name
        self._said: Final = folder / f"{name}.out"
        self._log: Final = folder / f"{name}.log"
        command = [sys.executable, "-m", "tests.worker_program", conninfo, name, *options]
        with self._said.open("w") as out, self._log.open("w") as log:
            self.process: Final = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
                stdout=out,
                stderr=log,
            )

    def said(self) -> list[str]:
        """Return the lines so far."""
        return self._said.read_text().splitlines()

    def log(self) -> str:
        """Return its log so far."""
        return self._log.read_text()

    def until(self, line: str) -> None:
        """Wait for a line."""
        wait_until(lambda: line in self.said(), what=f"{line!r} of {self.name}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> float:
        """End it as the kernel does when there is no memory; return when."""
        self.process.kill()
        self.process.wait()
        return time.monotonic()


NewWorker = Callable[..., WorkerProcess]


@pytest.fixture
def new_worker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[NewWorker]:
    """Return `new_worker(name, conninfo=..., heartbeat_s=..., lead=...)`."""
    running: list[WorkerProcess] = []

    def start(
        name: str, *, conninfo: str | None = None, heartbeat_s: float = 5.0, lead: bool = True
    ) -> WorkerProcess:
        options = [f"--heartbeat-s={heartbeat_s}"] + ([] if lead else ["--no-lead"])
        place = conninfo or request.getfixturevalue("database")
        worker = WorkerProcess(tmp_path, place, name, options)
        running.append(worker)
        worker.until("started")
        return worker

    yield start
    for worker in running:
        worker.signal(signal.SIGCONT)
        worker.kill()


def leader_name(conninfo: str) -> str | None:
    """Return the name of the worker that leads."""
    with open_session(conninfo) as session:
        row = session.execute(
            "select a.application_name from pg_locks l join pg_stat_activity a using (pid)"
            " where l.locktype = 'advisory' and l.classid = awa.lk_leader()::oid and l.granted"
        ).fetchone()
    return None if row is None else str(row[0]).removeprefix("awa worker ")
