"""Both ends of a job on connections of your own: stored by one, completed by another.

The order and its job are written in one transaction of psycopg; the reservation and the end of the
job in another one. Any driver does that `awa.bridge` knows; psycopg is there with Awa.
"""

import os
from dataclasses import dataclass

import psycopg
import trio

import awa
from awa import bridge
from awa.embedded import server

TABLES = """
    drop table if exists orders, reserved;
    create table orders (number int, parts int);
    create table reserved (number int, parts int);
"""


@dataclass
class Reserve:
    """Which order the parts are for, and how many."""

    number: int
    parts: int


def sell(url: str, reserve: Reserve, *, is_paid: bool) -> None:
    """Write the order and its job; without a payment neither."""
    with psycopg.connect(url) as connection:
        values = [reserve.number, reserve.parts]
        connection.execute("insert into orders values (%s, %s)", values)
        bridge.insert_job_sync(connection, reserve, queue="parts")
        if not is_paid:
            connection.rollback()


async def main(url: str) -> None:
    """Sell twice, once without being paid, and reserve."""
    async with awa.AsyncClient(url) as client:
        await client.migrate()

        @client.task(Reserve, queue="parts", backoff=[0])
        def reserve(job: awa.Job[Reserve]) -> None:
            with psycopg.connect(url) as connection:
                values = [job.args.number, job.args.parts]
                connection.execute("insert into reserved values (%s, %s)", values)
                if job.attempt == 1:
                    raise ConnectionError("the power goes off before the commit")
                job.complete_in_sync(connection, {"reserved": job.args.parts})

        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        sell(url, Reserve(1, parts=3), is_paid=True)
        sell(url, Reserve(2, parts=5), is_paid=False)
        done = await client.run_until_drained(due_within_s=60)
    with psycopg.connect(url) as connection:
        rows = connection.execute("select number, parts from reserved").fetchall()
    assert (done.completed, done.retried) == (1, 1)
    assert rows == [(1, 3)]
    print(f"order 1 has its {rows[0][1]} parts once, after 2 attempts; order 2 never was")


if __name__ == "__main__":
    if "DATABASE_URL" in os.environ:
        trio.run(main, os.environ["DATABASE_URL"])
    else:
        with server("demo") as running:
            trio.run(main, running.url)
