"""Work until nothing is left, and end: a nightly script, or a tick of a serverless platform."""

import os
from dataclasses import dataclass

import trio

import awa

BUSY = 2


@dataclass
class Invoice:
    """Send an invoice."""

    number: int


async def main() -> None:
    """Run what is there, wait for the retry, and leave the invoice of tomorrow."""
    async with awa.AsyncClient(os.environ.get("DATABASE_URL", "embedded://demo")) as client:
        await client.migrate()

        @client.task(Invoice, queue="invoices", backoff=[0.1])
        async def send(job: awa.Job[Invoice]) -> None:
            if job.args.number == BUSY and job.attempt == 1:
                raise OSError("the mail server is busy")

        await client.insert_many([Invoice(number) for number in (1, 2, 3)])
        await client.insert(Invoice(4), delay=86_400, unique=True, on_conflict="return")
        done = await client.run_until_drained(due_within_s=60)
        print(f"{done.completed} sent, {done.retried} of them at the second attempt")
        tick = await client.tick(budget_s=10)
        print(f"nothing left: {tick.drained}, for later: {tick.deferred}")


trio.run(main)
