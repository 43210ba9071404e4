"""Handlers in child processes: four jobs that only count, and one that kills its process."""

import os
import signal
from dataclasses import dataclass

import trio

import awa


@dataclass
class CountPrimes:
    """Count the primes below a number."""

    below: int


@dataclass
class Crash:
    """End the process, as a fault in a C extension would."""

    how: str


PRIMES_BELOW_20_000 = 2262

client = awa.AsyncClient("embedded://demo", schema="example_processes")


@client.task(CountPrimes, queue="cpu", executor="process", deadline=60)
def count_primes(job: awa.Job[CountPrimes]) -> dict[str, int]:
    """Run in a child: the worker goes on meanwhile."""
    numbers = range(2, job.args.below)
    primes = sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in numbers)
    return {"primes": primes, "pid": os.getpid()}


@client.task(Crash, queue="cpu", executor="process", fail_on=awa.ProcessDied)
def crash(_job: awa.Job[Crash]) -> None:
    """Die. Only this job fails."""
    os.kill(os.getpid(), signal.SIGKILL)


async def ended(job_id: int) -> awa.JobRecord:
    """Wait for the end of a job."""
    while True:
        job = await client.get_job(job_id)
        if job is not None and job.finished_at is not None:
            return job
        await trio.sleep(0.05)


async def main() -> None:
    """Enqueue, work, and look at what came of it."""
    async with client:
        await client.migrate()
        jobs = await client.insert_many([CountPrimes(20_000 + n) for n in range(4)])
        fatal = await client.insert(Crash("segmentation fault"))
        await client.start([("cpu", 2)])
        counted = [(await ended(job.id)).result for job in jobs]
        failed = await ended(fatal.id)
        await client.shutdown()
    assert all(result["primes"] == PRIMES_BELOW_20_000 for result in counted), counted
    assert os.getpid() not in {result["pid"] for result in counted}
    assert failed.state == "failed"
    children = len({result["pid"] for result in counted})
    print(f"primes counted by {children} children; the crash: {failed.errors[-1]['error']}")


if __name__ == "__main__":
    trio.run(main)
