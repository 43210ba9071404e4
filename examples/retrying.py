"""When a job is tried again: as the other side asks, or as a function of yours says."""

import os
from dataclasses import dataclass
from datetime import timedelta

import trio

import awa


class BankError(Exception):
    """The bank did not do it."""


@dataclass
class Pay:
    """Pay a bill, by a bank that is busy at first."""

    bill: int


@dataclass
class Refund:
    """Pay something back, by a bank that fails twice."""

    bill: int


async def main(url: str) -> None:
    """Pay and refund; one waits for as long as it is told, one longer each time."""
    waited: list[float] = []

    def longer(attempt: int, error: BaseException) -> float:
        waited.append(0.05 * attempt if isinstance(error, BankError) else 1.0)
        return waited[-1]

    async with awa.AsyncClient(url) as client:
        await client.migrate()

        @client.task(Pay, queue="bank")
        async def pay(job: awa.Job[Pay]) -> dict[str, int] | awa.RetryAfter:
            if job.attempt == 1:
                return awa.RetryAfter(timedelta(seconds=0.1), "the bank is busy")
            return {"attempts": job.attempt}

        @client.task(Refund, queue="bank", backoff=longer, retry_on=[BankError], max_attempts=3)
        async def refund(job: awa.Job[Refund]) -> dict[str, int]:
            if job.attempt < job.max_attempts:
                raise BankError("try later")
            return {"attempts": job.attempt}

        paid = await client.insert(Pay(bill=1))
        refunded = await client.insert(Refund(bill=2))
        await client.run_until_drained(due_within_s=60)
        first, second = await client.get_job(paid.id), await client.get_job(refunded.id)
    assert first is not None
    assert first.result == {"attempts": 2}
    assert second is not None
    assert second.result == {"attempts": 3}
    print(f"paid at the second attempt; refunded at the third, after {waited} s")


if __name__ == "__main__":
    trio.run(main, os.environ.get("DATABASE_URL", "embedded://demo"))
