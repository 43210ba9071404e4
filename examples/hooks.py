"""What handlers share, what runs around them, and who is told what became of their jobs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import trio

import awa
from awa import hooks


@dataclass
class Greet:
    """Greet somebody."""

    name: str


GUESTS = ("Ada", "", "Grace")


async def main() -> None:
    """Greet three people, one of whom has no name."""
    greeted: list[str] = []
    told: list[str] = []
    all_told = trio.Event()
    async with awa.AsyncClient("embedded://demo", schema="example_hooks") as client:
        await client.migrate()

        @client.state
        async def guests() -> AsyncIterator[list[str]]:
            told.append("opened")
            yield greeted
            told.append("closed")

        @client.middleware
        async def polite(job: awa.Job[Any], call_next: awa.CallNext) -> Any:
            if not job.args.name:
                return awa.Cancel("nobody is there")
            return await call_next(job)

        @client.on_event(Greet)
        async def note(event: hooks.JobEvent) -> None:
            match event:
                case hooks.Completed(args=Greet(name=name)):
                    told.append(f"{name} was greeted")
                case hooks.Cancelled(reason=reason):
                    told.append(f"cancelled: {reason}")
            if len(told) == 1 + len(GUESTS):
                all_told.set()

        @client.task(Greet, queue="door")
        async def greet(job: awa.Job[Greet]) -> None:
            job.state[guests].append(job.args.name)

        await client.insert_many([Greet(name) for name in GUESTS])
        await client.start([("door", 1)])
        await all_told.wait()
        await client.shutdown()
    assert {"Ada was greeted", "Grace was greeted", "cancelled: nobody is there"} == set(told[1:-1])
    assert (told[0], told[-1]) == ("opened", "closed")
    print("; ".join(told))


if __name__ == "__main__":
    trio.run(main)
