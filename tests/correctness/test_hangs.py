"""Runs that hang."""

import subprocess
import sys
from pathlib import Path

_HANGS = """
import pytest
import trio

async def waits_for_ever():
    await trio.sleep_forever()

async def test_it(database):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waits_for_ever, name="the one that waits")
"""


def test_a_test_that_hangs_ends_the_run_and_says_where_all_stand(tmp_path: Path) -> None:
    """Guards the gate: it ends, with the test's name, its tasks, and the sessions of its server."""
    (tmp_path / "test_hanging.py").write_text(_HANGS)
    root = Path(__file__).parents[2]
    pytest = [sys.executable, "-m", "pytest", "-c", str(root / "pyproject.toml")]
    ran = subprocess.run(
        [*pytest, "-p", "tests.conftest", "--hangs-after", "3", str(tmp_path / "test_hanging.py")],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 1 == ran.returncode, ran.stdout
    for part in ("test_it has not ended within 3 s", "waits_for_ever", "sessions of", "| idle |"):
        assert part in ran.stderr
