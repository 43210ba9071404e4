"""The program: an order is confirmed at once, and its customer is asked for a review later."""

import os
from dataclasses import dataclass
from datetime import timedelta

import awa

client = awa.AsyncClient(os.environ.get("DATABASE_URL", "embedded://demo"))
sent: list[str] = []
BUSY = 3


class MailServerBusy(Exception):
    """It takes no mail just now."""


@dataclass
class Confirm:
    """Confirm an order by mail."""

    order: int


@dataclass
class AskForReview:
    """Ask whether all was well."""

    order: int


async def place_order(order: int) -> None:
    """Take an order."""
    await client.insert(Confirm(order))
    await client.insert(AskForReview(order), delay=timedelta(days=7))


@client.task(Confirm, queue="mail")
async def confirm(job: awa.Job[Confirm]) -> None:
    """Send the mail; the server is busy whenever an order's number ends in 3."""
    if job.args.order % 10 == BUSY and job.attempt == 1:
        raise MailServerBusy
    sent.append(f"order {job.args.order} is confirmed")


@client.task(AskForReview, queue="mail")
async def ask_for_review(job: awa.Job[AskForReview]) -> None:
    """Send the other mail."""
    sent.append(f"how was order {job.args.order}?")
