"""Processor time from /proc: whose it is can be told apart, whoever waited for whom."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
# Fields of /proc/PID/stat counted behind the program's name, which may hold anything.
_PARENT, _USER, _SYSTEM, _DEAD_USER, _DEAD_SYSTEM = 1, 11, 12, 13, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTimes:
    """One look at a process."""

    parent: int
    own_s: float
    """User and system time of the process itself."""
    dead_children_s: float
    """The same of its children that it has waited for."""


def process_times(pid: int) -> ProcessTimes | None:
    """Look at a process; None when there is none, or no /proc on this machine."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    fields = text.rpartition(")")[2].split()
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    return ProcessTimes(
        parent=int(fields[_PARENT]),
        own_s=(int(fields[_USER]) + int(fields[_SYSTEM])) * tick_s,
        dead_children_s=(int(fields[_DEAD_USER]) + int(fields[_DEAD_SYSTEM])) * tick_s,
    )


def resident_mb(pid: int) -> float | None:
    """Memory that a process holds, in units of 10^6 bytes; None without /proc."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def family_cpu_s(parent: int) -> float | None:
    """Processor seconds of a process and its children, dead ones included; None without it.

    PostgreSQL's processes are all children of its first one, which waits for each that ends.
    """
    first = process_times(parent)
    if first is None:
        return None
    children = (process_times(pid) for pid in _pids())
    alive_s = sum(child.own_s for child in children if child and child.parent == parent)
    return first.own_s + first.dead_children_s + alive_s


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
