"""Steps of several orders: each order's one after the other, the orders side by side.

A fan-out has three queues with one handler each, and a key always goes to the same one.
"""

import os
from collections import defaultdict
from dataclasses import dataclass

import trio

import awa


@dataclass
class Step:
    """A step of an order: paid, packed, shipped and so on."""

    order: int
    number: int


ORDERS = 6
STEPS = 4


async def main() -> None:
    """Enqueue the steps of all orders, mixed, and run them."""
    done: defaultdict[str, list[int]] = defaultdict(list)
    running: set[str] = set()
    most = 0
    orders = awa.QueueFanout("orders", 3)
    url = os.environ.get("DATABASE_URL", "embedded://demo")
    async with awa.AsyncClient(url, schema="example_ordering") as client:
        await client.migrate()

        @client.task(Step)
        async def take(job: awa.Job[Step]) -> None:
            nonlocal most
            key = job.ordering_key
            assert key is not None
            assert key not in running, "two steps of one order at once"
            running.add(key)
            most = max(most, len(running))
            await trio.sleep(0.06)
            running.remove(key)
            done[key].append(job.args.number)

        for number in range(STEPS):
            for order in range(ORDERS):
                route = orders.route_by_key(f"order-{order}")
                await client.insert(Step(order, number), **route)
        work = orders.queue_configs(max_workers_per_partition=1)
        await client.run_until_drained(work)
    assert len(done) == ORDERS
    assert all(numbers == list(range(STEPS)) for numbers in done.values())
    print(f"{ORDERS} orders, each in its order, up to {most} of them at once")


if __name__ == "__main__":
    trio.run(main)
