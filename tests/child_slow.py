"""A handler that tests run in child processes, whose module takes longer than its job may."""

import os
import time
from multiprocessing import parent_process
from typing import Final

import awa
from tests.workers import Number

IMPORT_S: Final = 1.5

if parent_process() is not None:
    time.sleep(IMPORT_S)


def answer(_job: awa.Job[Number]) -> int:
    """Say where it ran."""
    return os.getpid()
