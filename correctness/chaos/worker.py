"""A worker as a process of its own: `python -m correctness.chaos.worker CONNINFO NAME FOLDER`.

It says `started` once the database knows it, and ends as it should when it is sent SIGTERM.
Handlers write what they do to FOLDER/NAME.effects.
"""

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import trio

import awa
from awa._core.tuning import Tuning
from awa._runtime.settings import Retention, WorkerSettings
from awa._runtime.worker import Worker
from correctness.chaos.effects import What
from correctness.chaos.jobs import (
    DOOMED,
    FLAKY,
    NOTING,
    OWNING,
    QUEUE,
    QUICK,
    SNOOZING,
    THREADED,
    TICKING,
    Errand,
    number_of,
)

BACKOFF_S = (0.2,)
SNOOZE_S = 0.3
STOP_S = 20.0
CLAIM_BATCH = 2
"""Where there are several claimers, so that they claim beside each other."""
TRANSACTIONS = 2
"""Handlers that are in one of their own at once."""
STEPS = 4
"""Of a job that notes its progress; every other one is waited for."""
OWN_EFFECT = "insert into chaos.own (n, lease) values ($1, $2)"


class Refusal(Exception):
    """What failing handlers raise."""


class Journal:
    """Writes effects."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, what: What, job: awa.Job[Errand], place: int = 0) -> None:
        """Write one line, at once."""
        n = number_of(job.args.n, job.id)
        line = f"{what} {time.monotonic():.4f} {n} {job.run_lease} {place}\n"
        os.write(self._file, line.encode())


def handlers(journal: Journal) -> awa.AsyncClient:
    """Return a client with the handlers."""
    client = awa.AsyncClient("postgresql:///unused")

    @client.task(Errand, kind=QUICK, queue=QUEUE)
    async def quick(job: awa.Job[Errand]) -> int:
        journal.write("begun", job)
        await trio.sleep(job.args.last_s)
        journal.write("done", job)
        return job.args.n

    @client.task(Errand, kind=THREADED, queue=QUEUE)
    def threaded(job: awa.Job[Errand]) -> None:
        journal.write("begun", job)
        time.sleep(job.args.last_s)
        journal.write("done", job)

    @client.task(Errand, kind=TICKING, queue=QUEUE)
    async def ticking(job: awa.Job[Errand]) -> None:
        journal.write("begun", job)
        await trio.lowlevel.checkpoint()
        journal.write("done", job)

    add_unsteady(client, journal)
    add_lasting(client, journal)
    return client


def add_unsteady(client: awa.AsyncClient, journal: Journal) -> None:
    """Add the handlers that do not complete at once."""

    @client.task(Errand, kind=FLAKY, queue=QUEUE, backoff=BACKOFF_S)
    async def flaky(job: awa.Job[Errand]) -> None:
        journal.write("begun", job)
        await trio.lowlevel.checkpoint()
        if job.attempt == 1:
            raise Refusal("the first attempt always fails")
        journal.write("done", job)

    @client.task(Errand, kind=SNOOZING, queue=QUEUE)
    async def snoozing(job: awa.Job[Errand]) -> awa.Snooze | None:
        journal.write("begun", job)
        await trio.lowlevel.checkpoint()
        if job.run_lease == 1:
            return awa.Snooze(SNOOZE_S)
        journal.write("done", job)
        return None

    @client.task(Errand, kind=DOOMED, queue=QUEUE, backoff=BACKOFF_S)
    async def doomed(job: awa.Job[Errand]) -> None:
        journal.write("begun", job)
        await trio.lowlevel.checkpoint()
        if job.attempt == job.max_attempts:
            journal.write("done", job)
        raise Refusal("every attempt fails")


def add_lasting(client: awa.AsyncClient, journal: Journal) -> None:
    """Add the handlers that leave something in the database before they have ended."""

    @client.task(Errand, kind=OWNING, queue=QUEUE)
    async def owning(job: awa.Job[Errand]) -> None:
        journal.write("begun", job)
        async with job.transaction() as tx:
            await tx.execute(OWN_EFFECT, job.args.n, job.run_lease)
            await trio.sleep(job.args.last_s)

    @client.task(Errand, kind=NOTING, queue=QUEUE, backoff=BACKOFF_S)
    async def noting(job: awa.Job[Errand]) -> None:
        journal.write("begun", job)
        found = (job.progress or {}).get("metadata", {}).get("place", 0)
        journal.write("found", job, found)
        for place in range(found + 1, found + 1 + STEPS):
            journal.write("set", job, place)
            job.update_metadata({"place": place})
            if place % 2:
                await job.flush_progress()
                journal.write("kept", job, place)
            await trio.sleep(job.args.last_s / STEPS)
        if job.attempt == 1:
            raise Refusal("the first attempt always fails")
        journal.write("done", job)


async def main(settings: WorkerSettings, journal: Journal) -> None:
    """Work until told to stop."""
    client = handlers(journal)
    worker = Worker(settings, client._handlers, transact=client._transact)  # noqa: SLF001  # as it does
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(worker.run)
            print("started", flush=True)
            nursery.start_soon(stop_when_told, worker, signals)
            await worker.ended.wait()
            nursery.cancel_scope.cancel()


async def stop_when_told(worker: Worker, signals: AsyncIterator[int]) -> None:
    """Stop at the first signal."""
    async for _ in signals:
        worker.stop(timeout_s=STOP_S)


def tunings(handlers: int, claimers: int) -> dict[str, Tuning]:
    """Several claimers claim beside each other only what one of them leaves."""
    if claimers == 1:
        return {}
    return {QUEUE: Tuning(max_workers=handlers, claim_batch=CLAIM_BATCH, claimers=claimers)}


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("conninfo")
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--handlers", type=int, default=8, help="that run at once")
    parser.add_argument("--claimers", type=int, default=1, help="more than 1 make small claims")
    parser.add_argument("--heartbeat-s", type=float, default=5.0)
    parser.add_argument("--no-lead", dest="lead", action="store_false")
    parser.add_argument("--direct", help="where to listen and to lead, past a pooler")
    parser.add_argument("--retention", type=json.loads, default={}, help="awa.Retention, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    trio.run(
        main,
        WorkerSettings(
            conninfo=given.conninfo,
            direct_conninfo=given.direct,
            schema="awa",
            queues=((QUEUE, given.handlers),),
            tunings=tunings(given.handlers, given.claimers),
            version="0",
            name=given.name,
            heartbeat_s=given.heartbeat_s,
            lead=given.lead,
            retention=Retention(**given.retention),
            transaction_connections=TRANSACTIONS,
        ),
        Journal(given.folder / f"{given.name}.effects"),
    )
