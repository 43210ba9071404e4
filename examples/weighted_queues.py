"""Two queues that share handlers by their weights, and an operator who changes the weights."""

from collections import Counter
from dataclasses import dataclass

import trio

import awa


@dataclass
class Mail:
    """A mail to send."""

    to: str


JOBS = 150
HANDLERS = 8


async def main() -> None:
    """Send two kinds of mail: what a customer waits for, and what nobody waits for."""
    sent: list[str] = []
    running: Counter[str] = Counter()
    done = {"urgent": trio.Event(), "newsletter": trio.Event()}
    most = 0
    async with awa.AsyncClient("embedded://demo", schema="example_weights") as client:
        await client.migrate()

        @client.task(Mail)
        async def send(job: awa.Job[Mail]) -> None:
            nonlocal most
            running[job.queue] += 1
            most = max(most, running.total())
            await trio.sleep(0.01)
            running[job.queue] -= 1
            sent.append(job.queue)
            if sent.count(job.queue) == JOBS:
                done[job.queue].set()

        for queue in done:
            await client.insert_many([Mail(f"{n}@example.com") for n in range(JOBS)], queue=queue)
        await client.start(
            [
                awa.QueueConfig(name="urgent", min_workers=1, weight=3),
                awa.QueueConfig(name="newsletter", weight=1),
            ],
            global_max_workers=HANDLERS,
        )
        await done["urgent"].wait()
        meanwhile = sent.count("newsletter")
        # One mail at a time from now on, until somebody takes it back.
        await client.override_queue("newsletter", rate_limit=(100.0, 1), by="the example")
        await done["newsletter"].wait()
        await client.override_queue("newsletter", clear=True)
    assert most <= HANDLERS
    assert 0 < meanwhile < JOBS
    print(
        f"{JOBS} urgent mails, {meanwhile} of the newsletter meanwhile; never over {most} at once"
    )


if __name__ == "__main__":
    trio.run(main)
