"""`awa health`: whether the work goes on, for a probe and for a person at night."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import awa
from awa.cli import main
from tests.acceptance.test_worker_process import Process
from tests.facts import wait_until
from tests.fix_database import Session
from tests.fix_faults import Limited

Run = Callable[..., Result]
URL = re.compile(r"http://[\d.]+:\d+")


@pytest.fixture
def run(database: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `run(*words)`: `awa health` on the test's database."""
    monkeypatch.delenv("AWA_SCHEMA", raising=False)

    def command(*words: str, url: str = database) -> Result:
        return CliRunner().invoke(main, ["health", *words], env={"DATABASE_URL": url})

    return command


@pytest.fixture
def worker(tmp_path: Path, database: str) -> Iterator[Process]:
    """Return a worker process with a health port."""
    process = Process(tmp_path, database, "--timeout-ms", "200", "--health-port", "0")
    process.until(event="started")
    yield process
    process.process.kill()
    process.process.wait()


def report_of(result: Result) -> Any:
    """Return the JSON that was printed."""
    return json.loads(result.stdout)


def url_of(worker: Process) -> str:
    """Return where the worker answers, as its log says."""
    found = [URL.search(record["message"]) for record in worker.records()]
    return next(match[0] for match in found if match is not None)


def test_a_database_without_workers_is_unwell(run: Run) -> None:
    """Guards the probe's exit code: 1, and the reason in words."""
    said = run()
    assert (1, "awa: there is no worker\n") == (said.exit_code, said.stderr)
    assert "promote_lag_s      0.0" in said.stdout
    report = report_of(run("--json"))
    assert (False, ["there is no worker"]) == (report["healthy"], report["problems"])


def test_a_worker_that_works_is_well_by_its_own_word_and_the_databases(
    run: Run, worker: Process, database: str
) -> None:
    """Guards the report: leader and beats from the database; claims and listener from the port."""
    with awa.Client(database) as client:
        job = client.insert({"n": 1}, kind="in_thread", queue="q")
        wait_until(lambda: state_of(client, job.id) == "completed", what="the job's end")
        wait_until(lambda: client.vitals().leader is not None, what="a leader")
    url = url_of(worker)
    wait_until(lambda: run("--url", url).exit_code == 0, what="a listener")
    report = report_of(run("--json", "--url", url))
    assert (True, []) == (report["healthy"], report["problems"])
    (shown,) = report["database"]["workers"]
    assert (shown["name"], ["q"]) == (report["database"]["leader"], shown["queues"])
    for age in ("leader_age_s", "last_claim_age_s", "last_settle_age_s"):
        assert report["database"][age] >= 0
    assert report["database"]["oldest_available_s"] is None
    assert (1, True) == (report["worker"]["completed"], report["worker"]["listening"])
    for age in ("claim_age_s", "settle_age_s", "listener_age_s", "beat_age_s"):
        assert report["worker"][age] >= 0


def state_of(client: awa.Client, job_id: int) -> str:
    """Return a job's state."""
    job = client.get_job(job_id)
    assert job is not None
    return job.state


@pytest.mark.by_hand
def test_what_waits_too_long_is_said(run: Run, one: Session, database: str) -> None:
    """Guards against a silent stop: a due job nobody promotes, an available one nobody claims."""
    with awa.Client(database) as client:
        client.insert({}, kind="k", queue="q", delay=3600)
        client.insert({}, kind="k", queue="q")
    one.execute("update awa.deferred set run_at = now() - interval '1 minute'")
    problems = report_of(run("--json", "--max-wait-s", "0"))["problems"]
    assert any("has been due for" in problem for problem in problems)
    assert any("to be claimed" in problem for problem in problems)


def test_a_role_that_may_not_look_into_the_tables_learns_the_rest(
    run: Run, limited: Limited
) -> None:
    """Guards probes with few rights: what they may not know is null, and said to be so."""
    database = report_of(run("--json", url=limited.conninfo))["database"]
    assert (0, None) == (database["promote_lag_s"], database["last_claim_age_s"])
    assert "last_claim_age_s" in database["hidden"]
    shown = run("--max-wait-s", "9", url=limited.conninfo)
    assert "last_claim_age_s   (only for the owner)" in shown.stdout
    assert "how long a job waits is not known" in shown.stderr
    assert [] == report_of(run("--json"))["database"]["hidden"]


def test_a_port_that_is_no_workers_is_a_problem_and_a_wrong_url_the_callers(run: Run) -> None:
    """Guards the words: nobody answers is the world's fault, a malformed URL the caller's."""
    nobody = run("--json", "--url", "http://127.0.0.1:1")
    assert 1 == nobody.exit_code
    assert any("no answer" in problem for problem in report_of(nobody)["problems"])
    assert 2 == run("--url", "ftp://x").exit_code
