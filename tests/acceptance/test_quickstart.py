import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from awa._embedded import binaries
from awa._embedded.accounts import server_account
from awa._embedded.postmaster import Postmaster, State
from tests.facts import wait_until
from tests.tidy.tree import ROOT

EXAMPLE: Final = ROOT / "examples" / "quickstart.py"
TOUR: Final = ROOT / "examples" / "tour.py"
TOLD: Final = """\
the same job: True - cancelled: True
charge {'cents': 500, 'order': 1} completed {'charged': 500}
report {'day': 'tuesday'} cancelled nobody reads it
report {'day': 'sunday'} cancelled there is no report on sundays
report {'day': 'monday'} scheduled
dead letter: {'cents': 0, 'order': 2} nothing to charge
drained: 1
"""
RUN_S_MAX: Final = 60
DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a directory for the example's server, gone when the server has stopped."""
    path = Path(tempfile.mkdtemp(prefix="awa-home-"))
    path.chmod(0o711)
    yield path
    account = server_account()
    found = binaries.find_binaries(account, bindir=None, home=path)
    place = Postmaster(place=path / "demo", account=account, binaries=found)
    # Its file goes last: while it is there, the server still cleans up among what we delete.
    left = place.data / "postmaster.pid"
    wait_until(
        lambda: place.state() is State.DOWN and not left.exists(), what="the end of the server"
    )
    shutil.rmtree(path)


def run(example: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run an example, with its server below `home`."""
    return subprocess.run(
        [sys.executable, example],
        env={**os.environ, "AWA_EMBEDDED_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )


def test_the_example_of_the_readme_runs_its_job(home: Path) -> None:
    """Guards the first minute: the program in the readme does what it says, and ends."""
    done = run(EXAMPLE, home)
    assert (0, "sending to a@example.com\n") == (done.returncode, done.stdout), done.stderr


def test_the_tour_of_the_readme_does_what_its_comments_say(home: Path) -> None:
    """Guards the second example: every outcome and act in it ends as it is told."""
    done = run(TOUR, home)
    told = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
    assert (0, TOLD) == (done.returncode, told), done.stderr


def statements(text: str) -> tuple[set[str], list[str]]:
    """Return a program's imports, and the rest of it, without docstrings and formatting."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node):
            node.body = node.body[1:]
    importing = (ast.Import, ast.ImportFrom)
    imports = {ast.unparse(node) for node in tree.body if isinstance(node, importing)}
    return imports, [ast.unparse(node) for node in tree.body if not isinstance(node, importing)]


def test_the_readme_shows_the_programs_that_are_tested() -> None:
    """Guards the readme: its examples and the files are the same programs."""
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    tested = [EXAMPLE, TOUR]
    assert [statements(path.read_text()) for path in tested] == [statements(text) for text in shown]
