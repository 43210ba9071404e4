import os
import subprocess
import sys
from typing import Final

from tests.tidy.tree import ROOT

RUN_S_MAX: Final = 400
# Tests of their own run these, and look at every line: test_quickstart.py and test_demo.py.
RUN_ELSEWHERE: Final = ("quickstart", "stdlib_census", "tour")


def examples(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the examples as `make examples` does, on no server of a user's."""
    users = ("DATABASE_URL", "AWA_TEST_URL")
    return subprocess.run(
        [sys.executable, "-m", "examples", *options],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in users},
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )


def test_every_example_runs_to_its_good_end() -> None:
    """Guards `make examples`: what the guides show is a program, and ends with status 0."""
    done = examples("--at-once", "3", "--without", *RUN_ELSEWHERE)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "examples ran" in done.stdout


def test_an_example_that_is_not_there_is_named() -> None:
    """Guards a typing error: nothing is started for it, and the status is 2."""
    done = examples("no_such_example")
    assert 2 == done.returncode
    assert "no_such_example" in done.stderr
