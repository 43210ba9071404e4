"""The jobs of the benchmark: a number and a hundred characters each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

JOBS_DEFAULT: Final = 100_000
TEXT: Final = "x" * 100
REPORT_FD: Final = "AWA_BENCH_REPORT_FD"
"""The environment variable that names the pipe to the harness."""


@dataclass(frozen=True, slots=True)
class BenchJob:
    """The arguments; the kind is `bench_job`."""

    n: int
    s: str


@dataclass(frozen=True, slots=True)
class BatchJob:
    """The same arguments, for a handler that takes many such jobs at once."""

    n: int
    s: str


@dataclass(frozen=True, slots=True)
class TimedJob:
    """A job of a steady rate: its result is the time when its handler started."""

    n: int


@dataclass(frozen=True, slots=True)
class MixedJob:
    """A job that may fail or be snoozed at first; `how` is `fail`, `snooze` or something else."""

    n: int
    how: str


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that runs for some seconds, and says when it starts."""

    n: int


@dataclass(frozen=True, slots=True)
class SleepingJob:
    """A job whose handler waits for as long as it takes to look at a worker full of them."""

    n: int


def bench_jobs(count: int) -> list[BenchJob]:
    """Arguments for so many jobs."""
    return [BenchJob(n, TEXT) for n in range(count)]


def bench_rows(count: int) -> list[tuple[int, str]]:
    """The same as plain rows: a key and a JSON text."""
    return [(n, json.dumps({"n": n, "s": TEXT})) for n in range(count)]
