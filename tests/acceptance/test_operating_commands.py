"""The commands of operators: what they print, and one line for each mistake."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from awa.cli import main
from tests.acceptance.test_operating_jobs import failed
from tests.fix_database import Session
from tests.fix_sql import claim, complete, enqueue, enqueue_many, start_worker

Run = Callable[..., Result]


@pytest.fixture
def run(database: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `run(*words)`: a command of awa on the test's database."""
    monkeypatch.delenv("AWA_SCHEMA", raising=False)

    def command(*words: object) -> Result:
        return CliRunner().invoke(main, [str(w) for w in words], env={"DATABASE_URL": database})

    return command


def parsed(result: Result) -> Any:
    """Return the JSON that was printed."""
    return json.loads(result.stdout)


def test_a_job_is_cancelled_and_retried_by_command(run: Run, one: Session) -> None:
    """Guards both readers, and exit codes: 0 when it was done, 1 when it was not."""
    job = enqueue(one)
    done = run("job", "cancel", job, "--reason", "enough")
    assert (0, f"job {job} cancelled: it is cancelled now\n") == (done.exit_code, done.stdout)
    late = run("job", "cancel", job)
    assert (1, "", f"awa: job {job} was not cancelled: it is cancelled\n") == (
        late.exit_code,
        late.stdout,
        late.stderr,
    )
    assert 0 == run("job", "retry", job).exit_code
    again = run("job", "retry", job, "--json")
    assert 1 == again.exit_code
    assert {"job_id": job, "answer": "stale", "state": "available"} == parsed(again)
    assert "there is no such job" in run("job", "cancel", 999).stderr


def test_a_job_and_an_attempt_are_dumped_by_command(run: Run, one: Session) -> None:
    """Guards incidents: the error is there for people and programs, what users wrote as it is."""
    start_worker(one)
    job = failed(one, metadata={"note": "[bold]x[/bold]"})
    assert "[bold]x[/bold]" in run("job", "dump", job).stdout
    assert "boom" in run("job", "dump", job).stdout
    assert "boom" == parsed(run("job", "dump", job, "--json"))["job"]["errors"][0]["error"]
    assert "boom" in run("job", "dump-run", job).stdout
    shown = parsed(run("job", "dump-run", job, "--attempt", 1, "--json"))
    assert ("boom", ["failed"]) == (shown["error"]["error"], [r["outcome"] for r in shown["runs"]])
    missing = run("job", "dump-run", job, "--attempt", 2)
    assert (1, f"awa: no attempt 2 at job {job} is known\n") == (missing.exit_code, missing.stderr)
    run("dlq", "move", job)
    assert "a dead letter" in run("job", "dump", job).stdout


def test_failed_jobs_are_retried_by_command(run: Run, one: Session) -> None:
    """Guards bulk acts: nothing happens to everything without being asked for by name."""
    start_worker(one)
    failed(one)
    asked = run("job", "retry-failed")
    assert 2 == asked.exit_code
    assert "--all" in asked.stderr
    assert "1 of 1 jobs retried\n" == run("job", "retry-failed", "--queue", "default").stdout
    found = parsed(run("job", "retry-failed", "--all", "--json"))
    assert {"matched": 0, "done": 0, "busy": 0, "duplicate": 0} == found


def test_a_queue_is_overridden_by_command(run: Run, one: Session) -> None:
    """Guards `awa queue override`: set, shown without options, and taken back."""
    enqueue(one)
    words = ("--max-workers", 5, "--rate", 2, "--burst", 3, "--by", "ops", "--json")
    shown = parsed(run("queue", "override", "default", *words))
    assert ("ops", 5, 2.0, 3) == (
        shown["overridden_by"],
        *(shown["overrides"][name] for name in ("max_workers", "rate", "burst")),
    )
    assert "ops" in run("queue", "override", "default").stdout
    endless = parsed(run("queue", "override", "default", "--deadline-s", 0, "--json"))
    assert (0, 5) == (endless["overrides"]["deadline_s"], endless["overrides"]["max_workers"])
    cleared = parsed(run("queue", "override", "default", "--clear", "--weight", 2, "--json"))
    assert {"weight": 2} == {k: v for k, v in cleared["overrides"].items() if v is not None}


def test_a_queue_is_paused_drained_and_set_by_command(run: Run, one: Session) -> None:
    """Guards operators at night: each command says what it did."""
    enqueue_many(one, 3)
    assert "is paused" in run("queue", "pause", "default", "--by", "ops").stdout
    assert "was paused before" in run("queue", "pause", "default").stdout
    (shown,) = parsed(run("queue", "list", "--json"))
    assert ("ops", 3) == (shown["paused_by"], shown["available"])
    assert "3 of 3 jobs cancelled\n" == run("queue", "drain", "default").stdout
    assert {"queue": "default", "resumed": True} == parsed(
        run("queue", "resume", "default", "--json")
    )
    set_to = ("--deadline-s", 7, "--dead-letters", "yes", "--enqueue-shards", 2, "--aging-s", 0)
    found = parsed(run("queue", "set", "default", *set_to, "--json"))
    assert (7, True, 2, 0) == (
        found["deadline_s"],
        found["dead_letters"],
        found["enqueue_shards"],
        found["aging_s"],
    )
    assert "default" in run("queue", "list").stdout


def test_dead_letters_are_looked_after_by_command(run: Run, one: Session) -> None:
    """Guards the round trip: moved, listed, retried, deleted."""
    start_worker(one)
    jobs = [failed(one) for _ in range(3)]
    assert 0 == run("dlq", "move", jobs[0], "--reason", "look").exit_code
    assert "2 of 2 jobs moved\n" == run("dlq", "move", "--queue", "default").stdout
    assert "boom" in run("dlq", "list").stdout
    listed = parsed(run("dlq", "list", "--limit", 2, "--json"))
    assert jobs[:0:-1] == [letter["id"] for letter in listed]
    assert {"total": 3, "by_queue": {"default": 3}} == parsed(run("dlq", "depth", "--json"))
    assert 0 == run("dlq", "retry", jobs[0], "--to-queue", "slow").exit_code
    assert 0 == run("dlq", "purge", jobs[1]).exit_code
    assert "1 of 1 jobs retried\n" == run("dlq", "retry", "--all").stdout
    assert "0 of 0 jobs deleted\n" == run("dlq", "purge", "--kind", "k").stdout
    assert "default" not in run("dlq", "depth").stdout


def test_the_storage_shows_its_parts_by_command(run: Run, one: Session) -> None:
    """Guards a first look: slots, tables, lanes, workers."""
    start_worker(one, 7)
    enqueue(one)
    complete(one, claim(one, worker=7).row, worker=7)
    parts = ["slots in use", "tables", "lanes", "workers"]
    shown = run("storage", "status").stdout.splitlines()
    assert parts == [line for line in shown if line in parts]
    found = parsed(run("storage", "status", "--json"))
    assert [7] == [worker["worker"] for worker in found["workers"]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("queue", "pause", "none"), "configure_queue makes one"),
        (("queue", "override", "none"), "there is no queue"),
        (("queue", "override", "none", "--weight", "1"), "there is no queue"),
        (("queue", "override", "default", "--burst", "1"), "needs --rate"),
        (("queue", "override", "default", "--rate", "0"), "rate_limit"),
        (("queue", "drain", "none"), "configure_queue makes one"),
        (("queue", "set", "default"), "are empty"),
        (("queue", "set", "default", "--enqueue-shards", "65"), "must be from 1 to 64"),
        (("dlq", "retry"), "--all"),
        (("dlq", "purge"), "--all"),
        (("dlq", "move", "1", "--all"), "contradicts"),
        (("dlq", "retry", "1", "--priority", "9"), "must be from 1 to 4"),
        (("job", "cancel", "0"), "must be from 1"),
        (("job", "list", "--before-id", "0"), "must be from 1"),
        (("job", "cancel", "1", "--reason", "x" * 2001), "2001 characters"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    run: Run, one: Session, words: tuple[str, ...], told: str
) -> None:
    """Guards scripts: the caller's fault is told from what could not be done."""
    result = run(*words)
    assert 2 == result.exit_code, result.output
    assert told in result.stderr
    assert 1 == len(result.stderr.splitlines())
