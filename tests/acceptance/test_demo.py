import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from uuid import uuid4

import pytest

from examples.stdlib_census.census import count_file, stdlib_files
from examples.stdlib_census.findings import Findings, mismatches
from tests.facts import wait_until
from tests.tidy.tree import ROOT

MARK: Final = "AWA_TEST_DEMO"
RUN_S_MAX: Final = 120

GOOD: Final = Findings(
    files=3,
    completed=3,
    attempts=3,
    mismatches=(),
    lines=100,
    took_s=1.0,
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


@pytest.mark.parametrize("demo", [("--files", "40")], indirect=True)
def test_the_demo_counts_files_in_two_processes_and_checks_every_result(demo: Demo) -> None:
    """Guards `make demo`: real files and processes, a report that was checked, nothing left."""
    said, _ = demo.process.communicate(timeout=RUN_S_MAX)
    assert 0 == demo.process.returncode, said
    assert "40 of 40 files counted" in said
    assert "every file was counted once, and every result is right" in said
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
        replace(GOOD, completed=2, attempts=2),
        replace(GOOD, attempts=4),
        replace(GOOD, mismatches=("a.py",)),
        replace(GOOD, violations=("NoJobLost: job 1",)),
        replace(GOOD, files=0, completed=0, attempts=0),
    ],
    ids=["lost", "run twice", "wrong result", "broken property", "nothing done"],
)
def test_the_verdict_is_bad_when_anything_is_wrong(findings: Findings) -> None:
    """Guards the exit status: each kind of wrong alone is enough."""
    assert GOOD.is_good()
    assert not findings.is_good()


def test_a_wrong_or_missing_result_is_found() -> None:
    """Guards the check of the results: every file is counted again and compared."""
    right, wrong, missing = stdlib_files()[:3]
    stored = {right: count_file(right), wrong: replace(count_file(wrong), lines=-1)}
    assert (wrong, missing) == mismatches([right, wrong, missing], stored)
