import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from uuid import uuid4

import pytest

from examples.stdlib_census.census import count_file, stdlib_files
from examples.stdlib_census.findings import Attempts, Findings, Rescues, mismatches
from examples.stdlib_census.plan import FILES_MIN, plan_of
from tests.facts import wait_until
from tests.tidy.tree import ROOT

MARK: Final = "AWA_TEST_DEMO"
RUN_S_MAX: Final = 120

GOOD: Final = Findings(
    files=3,
    completed=3,
    failing=1,
    attempts=Attempts(made=8, completed=3, given_back=1, retried=1, lost=2, failed=1),
    rescues=Rescues(jobs=2, first_s=3.5, last_s=4.0),
    late_ms=12.5,
    letters=("gone.py",),
    letters_expected=("gone.py",),
    mismatches=(),
    lines=100,
    jobs_per_s=1000.0,
    wal_bytes=1000,
    changed_rows=2,
    violations=(),
)


class Demo:
    """The demo in a process of its own, and everything that it starts."""

    def __init__(self, *options: str) -> None:
        self._mark: Final = f"{MARK}={uuid4().hex}"
        name, _, value = self._mark.partition("=")
        self.process: Final = subprocess.Popen(
            [sys.executable, "-m", "examples.stdlib_census", *options],
            cwd=ROOT,
            env={**os.environ, name: value, "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def remains(self) -> list[str]:
        """Return the processes that are there because of it: they inherited its environment."""
        listed = subprocess.run(
            ["ps", "axeww", "-o", "pid,command"],  # noqa: S607  # wherever ps is
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
        )
        return [line for line in listed.stdout.splitlines() if self._mark in line]


@pytest.fixture
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    """Return the demo, started with the options of the test's parameter."""
    running = Demo(*request.param)
    with running.process:
        yield running
        running.process.kill()


@pytest.mark.parametrize("demo", [("--files", "60")], indirect=True)
def test_the_demo_counts_every_file_although_a_worker_is_killed(demo: Demo) -> None:
    """Guards `make demo`: real files, processes and trouble, a checked report, nothing left."""
    said, _ = demo.process.communicate(timeout=RUN_S_MAX)
    assert 0 == demo.process.returncode, said
    assert "60 of 60 files counted" in said
    assert re.search(r"worker \d+ is killed with its jobs in hand", said)
    assert "every file was counted, and every result is right" in said
    assert re.search(r"dead letter: .*no_such_module\.py", said)
    (rescued,) = re.findall(r"rescued: they ran again +(\d+)", said)
    assert int(rescued) > 0
    assert re.search(r"jobs that failed once and were retried +2\b", said)
    assert re.search(r"the scheduled job's lateness +\d+ ms", said)
    wait_until(lambda: not demo.remains(), what="the end of the demo's processes")


@pytest.mark.parametrize("demo", [()], indirect=True)
def test_an_interrupted_demo_leaves_no_process_behind(demo: Demo) -> None:
    """Guards Ctrl-C: workers and server end too, and the status says that it was interrupted."""
    assert demo.process.stdout is not None
    for line in demo.process.stdout:
        if "files counted" in line:
            break
    demo.process.send_signal(signal.SIGINT)
    said, _ = demo.process.communicate(timeout=RUN_S_MAX)
    assert 130 == demo.process.returncode, said
    wait_until(lambda: not demo.remains(), what="the end of the demo's processes")


@pytest.mark.parametrize(
    "findings",
    [
        replace(GOOD, completed=2, attempts=replace(GOOD.attempts, made=7, completed=2)),
        replace(GOOD, attempts=replace(GOOD.attempts, made=9, completed=4)),
        replace(GOOD, attempts=replace(GOOD.attempts, made=9)),
        replace(GOOD, failing=2),
        replace(
            GOOD,
            attempts=replace(GOOD.attempts, made=6, lost=0),
            rescues=Rescues(jobs=0, first_s=0.0, last_s=0.0),
        ),
        replace(GOOD, rescues=replace(GOOD.rescues, jobs=1)),
        replace(GOOD, late_ms=-1.0),
        replace(GOOD, letters=()),
        replace(GOOD, letters=("gone.py", "there.py")),
        replace(GOOD, mismatches=("a.py",)),
        replace(GOOD, violations=("NoJobLost: job 1",)),
        replace(
            GOOD,
            files=0,
            completed=0,
            attempts=replace(GOOD.attempts, made=5, completed=0),
        ),
    ],
    ids=[
        "not counted",
        "completed twice",
        "an attempt without an end",
        "not retried",
        "nothing rescued",
        "not all rescued",
        "too early",
        "no dead letter",
        "another dead letter",
        "wrong result",
        "broken property",
        "nothing done",
    ],
)
def test_the_verdict_is_bad_when_anything_is_wrong(findings: Findings) -> None:
    """Guards the exit status: each kind of wrong alone is enough, and has a name of its own."""
    assert [] == GOOD.problems()
    assert 1 == len(findings.problems())


@pytest.mark.parametrize("count", [FILES_MIN, FILES_MIN + 1, 500])
def test_every_trouble_is_planned_for_any_number_of_files(count: int) -> None:
    """Guards the story: something fails, is slow, is for later and is missing, however few."""
    files = stdlib_files()[:count]
    plan = plan_of(files)
    assert files == plan.files
    assert plan.failing > 0
    assert any(job.slow_s for job in plan.now)
    assert 1 == len(plan.letters)


@pytest.mark.parametrize("options", [["--files", "3"], ["--workers", "0"], ["--files", "x"]])
def test_the_demo_says_what_it_cannot_do(options: list[str]) -> None:
    """Guards bad options: one line and status 2, before anything is started."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.stdlib_census", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 2 == done.returncode
    assert options[0] in done.stderr


def test_a_wrong_or_missing_result_is_found() -> None:
    """Guards the check of the results: every file is counted again and compared."""
    right, wrong, missing = stdlib_files()[:3]
    stored = {right: count_file(right), wrong: replace(count_file(wrong), lines=-1)}
    assert (wrong, missing) == mismatches([right, wrong, missing], stored)
