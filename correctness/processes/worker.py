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
from typing import Any, Final

import trio

import awa
from awa._runtime.events import WorkerEvent
from awa._runtime.settings import WorkerSettings
from awa._runtime.worker import Worker
from correctness.processes.steps import QUEUES, WORKS
from correctness.worker_traces import as_line

HEARTBEAT_S: Final = 0.5
"""What has to do with liveness is ten times as fast as by default."""
PERMITS: Final = 3
GRACE_S: Final = 0.5
LEAVE_S: Final = 1.0
AGAIN_S: Final = 0.1
LASTING_S: Final = {"slow": 0.4, "thread": 0.1, "overdue": 3600.0}


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

    def tell(self, event: WorkerEvent) -> None:
        """Write what the worker did."""
        self.say(as_line(event))


def handlers(said: Sayings) -> awa.AsyncClient:
    """A client with a handler for each kind of work."""
    client = awa.AsyncClient("postgresql:///unused")

    def note(what: str, job: awa.Job[dict[str, Any]]) -> None:
        said.say({"e": what, "job": job.id, "run": job.run_lease, "n": job.args["n"]})

    async def handle(job: awa.Job[dict[str, Any]]) -> object:
        note("start", job)
        await trio.sleep(LASTING_S.get(job.kind, 0))
        ended = otherwise(job)
        if ended is None:
            note("effect", job)
        return ended

    def handle_in_thread(job: awa.Job[dict[str, Any]]) -> None:
        note("start", job)
        # Not time.sleep: under libfaketime it fails with EINVAL unless all clocks are faked.
        select.select([], [], [], LASTING_S["thread"])
        note("effect", job)

    for work in WORKS:
        register = client.task(dict, kind=work, queue=QUEUES[0])
        register(handle_in_thread if work == "thread" else handle)
    return client


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
        version="0",
        name=place.name,
        heartbeat_s=HEARTBEAT_S,
        grace_s=GRACE_S,
    )
    worker = Worker(settings, handlers(said)._handlers, tell=told.tell)  # noqa: SLF001
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
