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
    wait_until(lambda: place.state() is State.DOWN, what="the end of the server")
    shutil.rmtree(path)


def test_the_example_of_the_readme_runs_its_job(home: Path) -> None:
    """Guards the first minute: the program in the readme does what it says, and ends."""
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        env={**os.environ, "AWA_EMBEDDED_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    assert (0, "sending to a@example.com\n") == (done.returncode, done.stdout), done.stderr


def statements(text: str) -> tuple[set[str], list[str]]:
    """Return a program's imports, and the rest of it, without docstrings and formatting."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node):
            node.body = node.body[1:]
    imports = {ast.unparse(node) for node in tree.body if isinstance(node, ast.Import)}
    return imports, [ast.unparse(node) for node in tree.body if not isinstance(node, ast.Import)]


def test_the_readme_shows_the_program_that_is_tested() -> None:
    """Guards the readme: its example and the file are one program."""
    shown = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    assert statements(EXAMPLE.read_text()) == statements(shown[1])
