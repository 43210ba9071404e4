"""A worker as a process of its own, which says on a line of JSON each what its handlers do.

What it says goes to a file, at once and in one write a line: so it is there whatever becomes of the
process or of the server, and no part of what is tested. See `forge` for how it comes to be.
"""

import json
import logging
import os
import select
import signal
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import trio

import awa
from awa._core.tuning import Tuning
from awa._runtime.events import WorkerEvent
from awa._runtime.settings import WorkerSettings
from awa._runtime.worker import Worker
from correctness.processes.steps import QUEUES, WORKS
from correctness.worker_traces import as_line

HEARTBEAT_S: Final = 0.5
"""What has to do with liveness is ten times as fast as by default."""
PERMITS: Final = 3
CLAIM_BATCH: Final = 1
"""Of one queue, so that its two claimers claim beside each other."""
GRACE_S: Final = 0.5
LEAVE_S: Final = 1.0
AGAIN_S: Final = 0.1
LASTING_S: Final = {"slow": 0.4, "thread": 0.1, "overdue": 3600.0}
OWN_S: Final = 0.1
OWN_EFFECT: Final = "insert into public.own_effects (job, run) values ($1, $2)"
NOTES: Final = 4
"""Of an attempt; every other one is waited for."""
NOTE_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a worker works, and where it says what it does."""

    conninfo: str
    name: str
    said: str
    told: str
    log: str
    clock: str
    """A file that says how far its clock is from the machine's; see `ground`."""


class Sayings:
    """A file that grows by whole lines."""

    def __init__(self, path: str) -> None:
        self._file: Final = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(self, line: dict[str, Any]) -> None:
        """Write one."""
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def note(self, what: str, job: awa.Job[dict[str, Any]], **more: int) -> None:
        """Write what an attempt did."""
        self.say({"e": what, "job": job.id, "run": job.run_lease, "n": job.args["n"], **more})

    def tell(self, event: WorkerEvent) -> None:
        """Write what the worker did."""
        self.say(as_line(event))


def handlers(said: Sayings) -> awa.AsyncClient:
    """A client with a handler for each kind of work."""
    client = awa.AsyncClient("postgresql:///unused")

    async def handle(job: awa.Job[dict[str, Any]]) -> object:
        said.note("start", job)
        await trio.sleep(LASTING_S.get(job.kind, 0))
        ended = otherwise(job)
        if ended is None:
            said.note("effect", job)
        return ended

    def handle_in_thread(job: awa.Job[dict[str, Any]]) -> None:
        said.note("start", job)
        # Not time.sleep: under libfaketime it fails with EINVAL unless all clocks are faked.
        select.select([], [], [], LASTING_S["thread"])
        said.note("effect", job)

    bodies: dict[str, Any] = {
        "thread": handle_in_thread,
        "own": partial(handle_own, said),
        "note": partial(handle_noting, said),
    }
    for work in WORKS:
        register = client.task(dict, kind=work, queue=QUEUES[0], backoff=[AGAIN_S])
        register(bodies.get(work, handle))
    return client


async def handle_own(said: Sayings, job: awa.Job[dict[str, Any]]) -> None:
    """Write an effect in a transaction of its own: it is there when the job is completed."""
    said.note("start", job)
    async with job.transaction() as tx:
        await tx.execute(OWN_EFFECT, job.id, job.run_lease)
        await trio.sleep(OWN_S)


async def handle_noting(said: Sayings, job: awa.Job[dict[str, Any]]) -> object:
    """Go on where the attempts before it were, and say how far it is."""
    said.note("start", job)
    found = (job.progress or {}).get("metadata", {}).get("place", 0)
    said.note("found", job, place=found)
    for place in range(found + 1, found + 1 + NOTES):
        said.note("set", job, place=place)
        job.update_metadata({"place": place})
        if place % 2:
            await job.flush_progress()
            said.note("kept", job, place=place)
        await trio.sleep(NOTE_S)
    if job.attempt == 1:
        return awa.RetryAfter(AGAIN_S)
    said.note("effect", job)
    return None


def otherwise(job: awa.Job[dict[str, Any]]) -> object:
    """How an attempt ends that does not succeed; None for one that does."""
    match job.kind:
        case "retry" if job.attempt == 1:
            return awa.RetryAfter(AGAIN_S)
        case "snooze" if job.run_lease == 1:
            return awa.Snooze(AGAIN_S)
        case "cancel":
            return awa.Cancel("as it was told to")
        case "fail":
            raise awa.TerminalError("as it was told to")
    return None


async def main(place: Place) -> None:
    """Work until told to leave."""
    said, told = Sayings(place.said), Sayings(place.told)
    settings = WorkerSettings(
        conninfo=place.conninfo,
        schema="awa",
        queues=tuple((queue, PERMITS) for queue in QUEUES),
        tunings={QUEUES[0]: Tuning(max_workers=PERMITS, claim_batch=CLAIM_BATCH, claimers=2)},
        version="0",
        name=place.name,
        heartbeat_s=HEARTBEAT_S,
        grace_s=GRACE_S,
    )
    client = handlers(said)
    worker = Worker(
        settings,
        client._handlers,  # noqa: SLF001
        transact=client._transact,  # noqa: SLF001
        tell=told.tell,
    )
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_leave_when_told, worker, signals)
            await worker.run()
            nursery.cancel_scope.cancel()


async def _leave_when_told(worker: Worker, signals: Any) -> None:
    async for _ in signals:
        worker.stop(timeout_s=LEAVE_S)


def set_up_logging() -> None:
    """Log to standard error, with the time that the worker believes in."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
