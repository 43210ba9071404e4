"""Two roles: one worker runs jobs and never leads, another one only maintains.

The second one promotes what is due, rescues and retires, for all; it needs none of your code, and
`awa worker --maintenance-only` is the same as a command.
"""

import os
from dataclasses import dataclass

import trio

import awa


@dataclass
class Remind:
    """Remind somebody."""

    whom: str


async def main(url: str) -> None:
    """Leave a reminder for later; somebody has to promote it, and somebody else runs it."""
    reminded: list[str] = []
    done = trio.Event()
    async with awa.AsyncClient(url) as upkeep, awa.AsyncClient(url) as client:
        await client.migrate()

        @client.task(Remind, queue="reminders")
        async def remind(job: awa.Job[Remind]) -> None:
            reminded.append(job.args.whom)
            done.set()

        await client.start([("reminders", 5)], lead=False)
        await upkeep.start([], maintenance_only=True)
        await client.insert(Remind("kim"), delay=0.5)
        with trio.fail_after(60):
            await done.wait()
        roles = sorted(worker.role for worker in (await client.vitals()).workers)
        await client.shutdown()
        await upkeep.shutdown()
    print(f"the reminder of {reminded[0]} was promoted and ran: {', '.join(roles)}")


if __name__ == "__main__":
    trio.run(main, os.environ.get("DATABASE_URL", "embedded://demo"))
