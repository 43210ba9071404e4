"""Handlers that tests run in child processes: found there by their names."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import awa


@dataclass
class Deed:
    """What a child shall do: `what` names one of the ways below."""

    what: str
    place: str = ""


class Refusal(Exception):
    """An error that is made from two values, and so cannot be sent as it is."""

    def __init__(self, who: str, why: str) -> None:
        super().__init__(f"{who}: {why}")


def do(job: awa.Job[Deed]) -> dict[str, Any]:
    """Do the deed of a job."""
    if job.args.what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.args.what == "hang":
        job.set_progress(70)
        _hang(Path(job.args.place))
    if job.args.what == "note":
        _note(job)
    if job.args.what == "fail":
        raise KeyError("of the child")
    if job.args.what == "refuse":
        raise Refusal("the child", "does not want to")
    return {
        "pid": os.getpid(),
        "job": [job.id, job.kind, job.queue, job.priority, job.attempt, *job.tags],
        "deadline": job.deadline is not None,
        "cancelled": job.is_cancelled(),
    }


def do_all(jobs: awa.JobBatch[Deed]) -> list[object]:
    """Say how far each is, and put them off."""
    for percent, job in enumerate(jobs):
        job.set_progress(percent, job.args.what)
    return [awa.Cancel() for _ in jobs]


def _note(job: awa.Job[Deed]) -> None:
    """Say how far it is, and fail for as long as nobody said it before."""
    if job.progress is not None:
        return
    with suppress(awa.ConfigurationError):
        job.complete_in_sync(None)
        raise AssertionError("in a child process")
    job.update_metadata({"huge": [1e300] * 200})
    with suppress(awa.InvalidInput):
        job.flush_progress_sync()
        raise AssertionError("the database has refused it")
    job.update_metadata({"huge": None})
    for percent in range(200):
        job.set_progress(percent / 4)
    job.flush_progress_sync()
    Path(job.args.place).write_text("flushed")
    while Path(job.args.place).read_text() != "seen":
        time.sleep(0.01)
    job.update_metadata({"last": "word"})
    raise LookupError


def _hang(place: Path) -> Never:
    place.with_suffix(".new").write_text(str(os.getpid()))
    place.with_suffix(".new").rename(place)
    while True:
        time.sleep(1)
