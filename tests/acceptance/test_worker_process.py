"""`awa worker` as a process, with signals, logs and a banner."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import awa
from tests.facts import WAIT_S_MAX, wait_until

APP: Final = """
import logging
import time
from dataclasses import dataclass

import awa
import trio

client = awa.AsyncClient()


@dataclass
class InThread:
    n: int


@dataclass
class Slow:
    n: int


@client.task(InThread, queue="q")
def handle_in_thread(job: awa.Job[InThread]) -> int:
    logging.getLogger("library").warning("in a thread")
    return job.args.n + 1


@client.task(Slow, queue="q")
async def handle_slow(job: awa.Job[Slow]) -> None:
    job.log.info("begun")
    with trio.CancelScope(shield=job.args.n == 2):
        await trio.sleep_forever()
"""


class Process:
    """An `awa worker` that runs."""

    def __init__(self, folder: Path, url: str, *options: str) -> None:
        """Start it on the application of this test."""
        (folder / "app.py").write_text(APP)
        self._log: Final = folder / "log"
        command = [sys.executable, "-m", "awa", "worker", "app:client", "--log-format", "json"]
        with self._log.open("w") as log:
            self.process: Final = subprocess.Popen(
                [*command, *options],
                cwd=folder,
                env={**os.environ, "DATABASE_URL": url},
                stderr=log,
            )

    def records(self) -> list[dict[str, Any]]:
        """Return the log so far."""
        lines = self._log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def until(self, **fields: Any) -> dict[str, Any]:
        """Return the first record with these fields."""

        def found() -> list[dict[str, Any]]:
            return [r for r in self.records() if fields.items() <= r.items()]

        wait_until(lambda: bool(found()), what=f"a record with {fields}")
        return found()[0]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def exit_code(self) -> int:
        """Wait for its end."""
        return self.process.wait(WAIT_S_MAX)


@pytest.fixture
def client(database: str) -> Iterator[awa.Client]:
    """Return a synchronous client of the test's database."""
    with awa.Client(database) as opened:
        yield opened


@pytest.fixture
def worker(tmp_path: Path, database: str) -> Iterator[Process]:
    """Return a worker process that has started."""
    process = Process(tmp_path, database, "--timeout-ms", "200")
    process.until(event="started")
    yield process
    process.process.kill()
    process.process.wait()


def test_the_banner_says_what_runs_where(worker: Process) -> None:
    """Guards the first look at a log: version, schema, queues, server, database."""
    banner = worker.until(event="started")
    assert {"q": 10} == banner["queues"]
    assert ["in_thread", "slow"] == banner["kinds"]
    assert ("awa", 1) == (banner["schema"], banner["schema_version"])
    assert banner["server_version"]
    assert banner["database"] in banner["message"]


def test_records_carry_job_and_attempt_from_threads_too(
    worker: Process, client: awa.Client
) -> None:
    """Guards finding a job's story: a library's log line in a handler's thread names the job."""
    handle = client.insert({"n": 1}, kind="in_thread", queue="q")
    record = worker.until(message="in a thread")
    assert (handle.id, 1, "in_thread", "q", "library") == (
        record["job_id"],
        record["attempt"],
        record["kind"],
        record["queue"],
        record["logger"],
    )


def test_sigterm_releases_what_does_not_finish_and_exits_cleanly(
    worker: Process, client: awa.Client
) -> None:
    """Guards deployments: exit code 0, the job is available for the next worker."""
    handle = client.insert({"n": 1}, kind="slow", queue="q")
    worker.until(message="begun", job_id=handle.id)
    worker.signal(signal.SIGTERM)
    assert 0 == worker.exit_code()
    found = client.get_job(handle.id)
    assert found is not None
    assert ("available", 1) == (found.state, found.attempt)


def test_a_worker_leads_unless_it_is_told_not_to(tmp_path: Path, database: str) -> None:
    """Guards roles: --no-lead, and every other worker leads when nobody does."""
    for name in ("follower", "leader"):
        (tmp_path / name).mkdir()
    follower = Process(tmp_path / "follower", database, "--no-lead")
    leader = Process(tmp_path / "leader", database)
    try:
        follower.until(event="started")
        leader.until(message="this worker leads")
        assert [] == [r for r in follower.records() if r["message"] == "this worker leads"]
    finally:
        for worker in (follower, leader):
            worker.process.kill()
            worker.process.wait()


def test_a_handler_that_shields_itself_does_not_keep_the_process(
    tmp_path: Path, database: str, client: awa.Client
) -> None:
    """Guards deployments against DrainEnds: the others are settled, and it is left to a rescue.

    The last line names the job and where it stands.
    """
    worker = Process(tmp_path, database, "--timeout-ms", "100", "--grace-s", "0")
    jobs = [client.insert({"n": n}, kind="slow", queue="q") for n in (1, 2)]
    for job in jobs:
        worker.until(message="begun", job_id=job.id)
    worker.signal(signal.SIGTERM)
    assert 1 == worker.exit_code()
    last = worker.records()[-1]
    said = f"ends without 1 handlers that do not end .* job {jobs[1].id} attempt 1 \\(slow\\)"
    assert re.search(f"{said}.*app.py:[0-9]+ in handle_slow", last["message"])
    states = [found.state for job in jobs if (found := client.get_job(job.id)) is not None]
    assert ["available", "running"] == states


def test_a_second_signal_is_a_fast_exit(tmp_path: Path, database: str, client: awa.Client) -> None:
    """Guards impatience: handlers are cancelled at once, and their jobs still released."""
    worker = Process(tmp_path, database, "--timeout-ms", "600000")
    handle = client.insert({"n": 1}, kind="slow", queue="q")
    worker.until(message="begun", job_id=handle.id)
    worker.signal(signal.SIGINT)
    worker.until(level="info", message="SIGINT: no new jobs; running handlers have 600000 ms")
    worker.signal(signal.SIGINT)
    assert 1 == worker.exit_code()
    found = client.get_job(handle.id)
    assert found is not None
    assert "available" == found.state


def test_a_signal_ends_a_worker_that_never_reached_its_server(tmp_path: Path) -> None:
    """Guards start-up: waiting for a server is no reason to ignore SIGTERM."""
    worker = Process(tmp_path, "postgresql://127.0.0.1:1/nowhere")
    wait_until(lambda: any("trying again" in r["message"] for r in worker.records()))
    worker.signal(signal.SIGTERM)
    assert 0 == worker.exit_code()
