"""`awa worker --drain`, `awa tick` and `awa worker --maintenance-only` as processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

import awa
from awa.cli import main
from tests.facts import WAIT_S_MAX, wait_until

APP: Final = """
from dataclasses import dataclass

import awa
import trio

client = awa.AsyncClient()


@dataclass
class Plain:
    n: int


@dataclass
class Endless:
    pass


@client.task(Plain, queue="plain")
async def handle_plain(job: awa.Job[Plain]) -> int:
    return job.args.n


@client.task(Endless, queue="endless")
async def handle_endless(job: awa.Job[Endless]) -> None:
    await trio.sleep_forever()
"""


@pytest.fixture
def client(database: str) -> Iterator[awa.Client]:
    """Return a synchronous client of the test's database."""
    with awa.Client(database) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an application in it."""
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def start(folder: Path, url: str, *words: str) -> subprocess.Popen[str]:
    """Start `awa` there."""
    return subprocess.Popen(
        [sys.executable, "-m", "awa", *words],
        cwd=folder,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return its status, and what it said."""
    out, err = process.communicate(timeout=WAIT_S_MAX)
    return process.returncode, out, err


def summary(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """Return its status, and the summary it printed."""
    status, out, err = ended(process)
    assert out, err
    return status, json.loads(out)


def test_a_drained_worker_ends_well(folder: Path, database: str, client: awa.Client) -> None:
    """Guards `awa worker --drain`: exit code 0, a summary, and nothing left but what is later."""
    client.insert_many([{"n": 1}, {"n": 2}], kind="plain", queue="plain")
    client.insert({"n": 3}, kind="plain", queue="plain", delay=3600)
    words = ("worker", "app:client", "--queue", "plain", "--drain")
    one = start(folder, database, *words, "--max-jobs", "1")
    status, out, err = ended(one)
    assert 0 == status, err
    assert "available     1" in out
    status, found = summary(start(folder, database, *words, "--json"))
    assert (0, True, 1, 1) == (status, found["drained"], found["completed"], found["deferred"])
    assert found["due_in_s"] > 0


def test_a_drain_that_is_cut_short_says_so(folder: Path, database: str, client: awa.Client) -> None:
    """Guards exit codes: 1 when the time was up, and after a signal; the job is given back."""
    job = client.insert({}, kind="endless", queue="endless")
    words = ("worker", "app:client", "--drain", "--timeout-ms", "0", "--json")
    status, found = summary(start(folder, database, *words, "--drain-timeout-s", "2"))
    assert (1, False, 1) == (status, found["drained"], found["released"])
    process = start(folder, database, *words)

    def runs() -> bool:
        record = client.get_job(job.id)
        return record is not None and record.state == "running"

    wait_until(runs, what="the endless job")
    process.send_signal(signal.SIGTERM)
    status, found = summary(process)
    assert (1, False, 1) == (status, found["drained"], found["available"])


def test_a_tick_does_what_is_due_and_ends(folder: Path, database: str, client: awa.Client) -> None:
    """Guards cron and serverless platforms: promoted, run, and told."""
    client.insert({"n": 1}, kind="plain", queue="plain", delay=0.001)
    words = ("tick", "app:client", "--budget-s", "60", "--json")
    status, found = summary(start(folder, database, *words, "--queue", "plain=2"))
    assert (0, True, True, 1) == (status, found["drained"], found["led"], found["completed"])


def test_a_tick_keeps_ended_jobs_as_long_as_it_is_told(
    folder: Path, database: str, client: awa.Client
) -> None:
    """Guards workers beside a tick: retention and shares of handlers are said to it as to them."""
    ended_before = client.insert({"n": 1}, kind="plain", queue="plain")
    client.cancel(ended_before.id)
    shares = ("--global-max-workers", "2", "--queue", '{"name": "plain", "weight": 2}')
    words = ("tick", "app:client", "--json", *shares)
    status, found = summary(start(folder, database, *words, "--keep-failed-s", "0"))
    assert (0, True) == (status, found["led"])
    assert client.get_job(ended_before.id) is None


def test_a_worker_that_only_maintains_needs_no_client(folder: Path, database: str) -> None:
    """Guards the role: it leads, says what it is, and SIGTERM ends it cleanly."""
    process = start(folder, database, "worker", "--maintenance-only")
    with awa.Client(database) as client:
        wait_until(lambda: client.vitals().leader is not None, what="a leader")
        assert [("maintenance", ())] == [(one.role, one.queues) for one in client.vitals().workers]
    process.send_signal(signal.SIGTERM)
    status, _, err = ended(process)
    assert 0 == status, err


def test_how_long_the_end_may_take_is_checked_at_the_start(client: awa.Client) -> None:
    """Guards the drain at a signal: what it would fail at is told with all else that is wrong."""
    told = r"3 things are wrong(?s:.)*timeout_ms(?s:.)*max_workers(?s:.)*grace_s"
    for work in (client.run_worker, client.run_until_drained, client.tick):
        with pytest.raises(awa.InvalidInput, match=told):
            work([("plain", 0)], timeout_ms=-1, grace_s=-1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("worker",), "name the client"),
        (("worker", "app:client", "--json"), "go with --drain"),
        (("worker", "--maintenance-only", "--queue", "plain"), "runs no job"),
        (("worker", "--maintenance-only", "--drain"), "never drains"),
        (("worker", "--maintenance-only", "--global-max-workers", "5"), "is what queues share"),
        (("tick",), "name the client"),
        (("worker", "--maintenance-only", "--timeout-ms", "100000000"), "0<=x<=86400000"),
        (("tick", "app:client", "--timeout-ms", "100000000"), "0<=x<=86400000"),
    ],
)
def test_what_does_not_go_together_is_refused(
    database: str, words: tuple[str, ...], told: str
) -> None:
    """Guards the command line: one line that says what is wrong, and status 2."""
    done = CliRunner().invoke(main, ["--database-url", database, *words])
    assert 2 == done.exit_code, done.output
    assert told in done.output
