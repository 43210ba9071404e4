"""A worker as a process of its own, for tests that stop and kill it.

It says on its standard output, a line each: `started`, `begun JOB ATTEMPT`, `cancelled JOB`.
Jobs of the kind `own` write to the table `ledger` in a transaction of their own, and say `written
RUN_LEASE` and `completed RUN_LEASE`; `stay_in` names the worker that never commits.
Jobs of the kind `stay` name in `stay_in` the worker that never ends them; every other one works on
them for a moment, at their first run, and returns its own name.
What hooks hear of rescues of theirs is said as `rescued JOB RUN_LEASE WHY STAY_IN`.
"""

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import trio

import awa
from awa import hooks
from awa._runtime.events import Tell
from awa._runtime.settings import WorkerSettings
from awa._runtime.worker import Worker
from correctness.worker_traces import as_line
from tests.worker_replay_plugin import FOLDER

WORK_S = 0.3


def handlers(name: str) -> awa.AsyncClient:
    """Return a client with the handlers."""
    client = awa.AsyncClient("postgresql:///unused")

    @client.task(dict, kind="stay", queue="q")
    async def stay(job: awa.Job[dict[str, Any]]) -> str:
        say(f"begun {job.id} {job.attempt}")
        if job.args["stay_in"] == name:
            try:
                await trio.sleep_forever()
            finally:
                say(f"cancelled {job.id}")
        if job.run_lease == 1:
            # Who has as many of these as permits takes no more, whatever it did before.
            await trio.sleep(WORK_S)
        return name

    @client.on_event("stay")
    def told(event: hooks.JobEvent) -> None:
        if isinstance(event, hooks.Rescued):
            say(f"rescued {event.job_id} {event.run_lease} {event.why} {event.args['stay_in']}")

    @client.task(dict, kind="own", queue="q")
    async def own(job: awa.Job[dict[str, Any]]) -> None:
        async with job.transaction() as tx:
            await tx.execute("insert into ledger values ($1, $2)", job.run_lease, name)
            say(f"written {job.run_lease}")
            if job.args["stay_in"] == name:
                await trio.sleep_forever()
        say(f"completed {job.run_lease}")

    return client


def say(line: str) -> None:
    """Write a line that the test can read at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tell() -> Tell | None:
    """Return who is told what the worker does: a file, where the test named a folder for it."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return None
    file = (Path(folder) / f"{os.getpid()}.ndjson").open("a", buffering=1)
    return lambda event: print(json.dumps(as_line(event)), file=file)


async def main(settings: WorkerSettings) -> None:
    """Work until killed."""
    client = handlers(settings.name)
    worker = Worker(settings, client._handlers, transact=client._transact, tell=_tell())
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        say("started")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("conninfo")
    parser.add_argument("name")
    parser.add_argument("--heartbeat-s", type=float, default=5.0)
    parser.add_argument("--no-lead", dest="lead", action="store_false")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    trio.run(
        main,
        WorkerSettings(
            conninfo=given.conninfo,
            schema="awa",
            queues=(("q", 4),),
            version="0",
            name=given.name,
            heartbeat_s=given.heartbeat_s,
            lead=given.lead,
        ),
    )
