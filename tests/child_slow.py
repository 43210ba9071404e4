"""A handler that tests run in child processes, whose module takes longer than its job may."""

import os
import time
from multiprocessing import parent_process
from pathlib import Path
from typing import Final

import awa
from tests.workers import Number

IMPORT_S: Final = 1.5
GATE: Final = "CHILD_GATE"
"""Names a folder: the module notes its process there, and is read when `open` is."""


def _wait(gate: Path) -> None:
    (gate / str(os.getpid())).touch()
    while not (gate / "open").exists():
        time.sleep(0.01)


if parent_process() is not None:
    if GATE in os.environ:
        _wait(Path(os.environ[GATE]))
    else:
        time.sleep(IMPORT_S)


def answer(_job: awa.Job[Number]) -> int:
    """Say where it ran."""
    if GATE in os.environ:
        with (Path(os.environ[GATE]) / "runs").open("a") as runs:
            runs.write("one\n")
    return os.getpid()
