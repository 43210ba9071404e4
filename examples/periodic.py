"""A job every second, a report every morning in Auckland, and one right now."""

import os
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import trio

import awa


@dataclass
class Poll:
    """Look whether something is new."""

    source: str


@dataclass
class Report:
    """Write the report of a day."""

    format: str


async def main() -> None:
    """Declare two schedules, see the first one fire, and trigger the other."""
    url = os.environ.get("DATABASE_URL", "embedded://demo")
    reported, polled_twice = trio.Event(), trio.Event()
    polls: list[str] = []
    async with awa.AsyncClient(url, namespace="example") as client:
        await client.migrate()

        @client.task(Poll, queue="periodic")
        async def poll(job: awa.Job[Poll]) -> None:
            polls.append(job.metadata["cron_fire_time"])
            if polls[1:]:
                polled_twice.set()

        @client.task(Report, queue="periodic")
        async def report(job: awa.Job[Report]) -> None:
            print(f"a report as {job.args.format}")
            reported.set()

        client.periodic("poll", "* * * * * *", Poll, Poll("inbox"), overlap="skip")
        zone = "Pacific/Auckland"
        client.periodic("daily_report", "0 9 * * *", Report, Report("pdf"), timezone=zone)
        await client.start([("periodic", 2)])

        (first, *_) = await client.next_fires("daily_report")
        print(f"the next report comes at {first.astimezone(ZoneInfo(zone)):%H:%M} in Auckland")
        await client.trigger_schedule("daily_report")
        await reported.wait()
        await polled_twice.wait()
        await client.delete_schedule("poll")
        await client.shutdown()
    print(f"polled at {polls[0]} and at {polls[1]}, each once: {len(polls) == len(set(polls))}")


trio.run(main)
