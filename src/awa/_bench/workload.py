"""What the workers of a drain run: `awa worker awa._bench.workload:client`.

The handler does nothing. What it tells the harness goes through the pipe that REPORT_FD names: a
line when the first job starts, and one at the end with the number of handler runs.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from typing import Final

import trio

import awa
from awa._bench.jobs import (
    REPORT_FD,
    BatchJob,
    BenchJob,
    HeldJob,
    MixedJob,
    SleepingJob,
    TimedJob,
)

client: Final = awa.AsyncClient()
_runs: Final = [0]
_HELD_S: Final = 8.0
_SLEEP_S: Final = 20.0
_snoozed: Final[set[int]] = set()


@client.task(BenchJob)
async def bench_job(_job: awa.Job[BenchJob]) -> None:
    """Do nothing, and be counted."""
    _count()


@client.batch_task(BatchJob, max_size=1000)
async def batch_job(jobs: awa.JobBatch[BatchJob]) -> None:
    """Look at every job's arguments, and count them."""
    assert all(args.n >= 0 for args in jobs.args)
    _count(len(jobs))


@client.task(TimedJob)
async def timed_job(_job: awa.Job[TimedJob]) -> float:
    """Answer when it started, by the machine's clock."""
    return time.time()


@client.task(MixedJob, backoff=[0.0])
async def mixed_job(job: awa.Job[MixedJob]) -> awa.Snooze | None:
    """Fail at the first attempt, or ask for another entry, where the job says so."""
    _count()
    if job.args.how == "fail" and job.attempt == 1:
        raise ValueError("the first attempt fails")
    # Not by the job's counts: one that was given back before it ran has another entry as well.
    if job.args.how == "snooze" and job.args.n not in _snoozed:
        _snoozed.add(job.args.n)
        return awa.Snooze(0.0)
    return None


@client.task(HeldJob)
async def held_job(job: awa.Job[HeldJob]) -> None:
    """Tell when it starts, and outlast the rescue of a worker that is killed."""
    _tell({"job": job.args.n, "started_s": time.monotonic()})
    await trio.sleep(_HELD_S)


@client.task(SleepingJob)
async def sleeping_job(_job: awa.Job[SleepingJob]) -> None:
    """Wait, as most handlers do for most of their time."""
    await trio.sleep(_SLEEP_S)


def _count(jobs: int = 1) -> None:
    _runs[0] += jobs
    if _runs[0] == jobs:
        _tell({"first_s": time.monotonic(), "cpu_s": time.process_time()})


def _tell(fact: dict[str, float]) -> None:
    pipe = os.environ.get(REPORT_FD)
    if pipe is not None:
        os.write(int(pipe), json.dumps(fact).encode() + b"\n")


@atexit.register
def _tell_runs() -> None:
    _tell({"runs": _runs[0]})
