"""The machine and the programs of a run, without a name or a path."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from typing import Final

import psycopg

_LOOPS: Final = 1_000_000


def calibration_ms() -> float:
    """How long a fixed loop of Python takes now: how fast, and how shared, the machine is."""
    began_s = time.perf_counter()
    total = 0
    for number in range(_LOOPS):
        total += number
    return (time.perf_counter() - began_s) * 1e3


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    return {
        "cpus": os.cpu_count() or 0,
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
    }


def versions(server: str) -> dict[str, str]:
    """The programs that took part."""
    return {
        "awa-trio": version("awa-trio"),
        "postgresql": server,
        "python": platform.python_version(),
        "psycopg": psycopg.__version__,
        "psycopg_implementation": psycopg.pq.__impl__,
        "libpq": str(psycopg.pq.version()),
        "trio": version("trio"),
    }
