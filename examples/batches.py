"""A handler that takes many jobs at once: one statement for a batch, an outcome for each job."""

from dataclasses import dataclass
from typing import Any

import trio

import awa


@dataclass
class Measured:
    """A value that a sensor measured."""

    sensor: str
    value: float


JOBS = 1000
BROKEN = 3


async def main() -> None:
    """Enqueue a thousand measurements, and store them in a few batches."""
    table: dict[str, float] = {}
    sizes: list[int] = []
    async with awa.AsyncClient("embedded://demo", schema="example_batches") as client:
        await client.migrate()

        @client.batch_middleware
        async def count(jobs: awa.JobBatch[Any], call_next: awa.CallNextBatch) -> Any:
            sizes.append(len(jobs))
            return await call_next(jobs)

        @client.batch_task(Measured, queue="sensors", max_size=250, max_wait_ms=50)
        async def store(jobs: awa.JobBatch[Measured]) -> dict[int, Any]:
            await trio.sleep(0.01)  # one INSERT of many rows
            table.update({args.sensor: args.value for args in jobs.args})
            # What is not named here is done.
            return {job.id: awa.Cancel("broken sensor") for job in jobs if job.args.value < 0}

        await client.insert_many([Measured(f"s{n}", n - BROKEN) for n in range(JOBS)])
        await client.start([("sensors", 500)])
        (queue,) = await client.queue_stats()
        while queue.completed < JOBS - BROKEN:
            await trio.sleep(0.05)
            (queue,) = await client.queue_stats()
        await client.shutdown()
        cancelled = await client.list_jobs(state="cancelled", kind="measured")
    assert len(table) == sum(sizes) == JOBS
    assert {job.reason for job in cancelled} == {"broken sensor"}
    print(f"{JOBS} jobs in {len(sizes)} calls; {len(cancelled)} cancelled by their handler")


if __name__ == "__main__":
    trio.run(main)
