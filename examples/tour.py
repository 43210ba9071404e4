"""The second example of the readme: what may become of a job, and what an operator may do."""

from dataclasses import dataclass
from datetime import timedelta

import trio

import awa


@dataclass
class Charge:
    """Charge for an order."""

    order: int
    cents: int


@dataclass
class Report:
    """Write the report of a day."""

    day: str


async def ended(client: awa.AsyncClient, job_id: int) -> awa.JobRecord:
    """Wait for the end of a job."""
    while True:
        job = await client.get_job(job_id)
        if job is not None and job.finished_at is not None:
            return job
        await trio.sleep(0.1)


async def main() -> None:
    """Let jobs be retried, dead-lettered, snoozed, scheduled, refused and cancelled."""
    async with awa.AsyncClient("embedded://demo") as client:
        await client.migrate()
        await client.configure_queue("payments", dead_letters=True)

        @client.task(Charge, queue="payments", max_attempts=3, backoff=[1, 5], fail_on=ValueError)
        async def charge(job: awa.Job[Charge]) -> dict[str, int]:
            if job.args.cents <= 0:
                raise ValueError("nothing to charge")  # never tried again: a dead letter
            if job.attempt == 1:
                raise OSError("the bank does not answer")  # tried again after a second
            return {"charged": job.args.cents}  # stored with the job

        @client.task(Report, queue="reports")
        async def report(job: awa.Job[Report]) -> awa.Snooze | awa.Cancel:
            if job.args.day == "sunday":
                return awa.Cancel("there is no report on sundays")
            return awa.Snooze(timedelta(minutes=5))  # not now; this attempt does not count

        good = await client.insert(Charge(order=1, cents=500), unique=True)
        same = await client.insert(Charge(order=1, cents=500), unique=True, on_conflict="return")
        bad = await client.insert(Charge(order=2, cents=0), tags=["shop"])
        await client.insert(Report(day="monday"))
        await client.insert(Report(day="sunday"))
        later = await client.insert(Report(day="tuesday"), delay=timedelta(hours=1))
        act = await client.cancel(later.id, reason="nobody reads it")
        print("the same job:", same.id == good.id, "- cancelled:", act.done)

        await client.start([("payments", 5), ("reports", 1)])
        for job in (await ended(client, good.id), *await client.list_jobs(kind="report", limit=3)):
            print(job.kind, job.args, job.state, job.result or job.reason or "")
        for letter in await client.list_dlq(tag="shop"):
            print("dead letter:", letter.args, letter.errors[-1]["error"])

        await client.dlq_purge(bad.id)  # or dlq_retry, when the cause is mended
        await client.pause_queue("reports", paused_by="tour")  # nothing of it is claimed now
        drained = await client.drain_queue("reports")  # what waits there is cancelled
        await client.resume_queue("reports")
        print("drained:", drained.done)
        await client.shutdown()


trio.run(main)
