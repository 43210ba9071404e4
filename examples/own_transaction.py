"""A transfer between accounts, in a job: the two updates and the job's end commit together.

The first attempt fails between the updates, which leaves nothing of it. The second one moves the
money once.
"""

from dataclasses import dataclass

import trio

import awa


@dataclass
class Transfer:
    """Who gives, who gets, and how much."""

    giver: int
    taker: int
    cents: int


async def main() -> None:
    """Move some money, and say who has how much."""
    async with awa.AsyncClient("embedded://demo") as client:
        await client.migrate()
        async with client.transaction() as tx:
            await tx.execute("drop table if exists accounts")
            await tx.execute("create table accounts (id int, cents int)")
            await tx.execute("insert into accounts values (1, 500), (2, 0)")

        @client.task(Transfer, queue="bank", backoff=[0])
        async def transfer(job: awa.Job[Transfer]) -> None:
            move = "update accounts set cents = cents + $1 where id = $2"
            async with job.transaction() as tx:
                await tx.execute(move, -job.args.cents, job.args.giver)
                if job.attempt == 1:
                    raise ConnectionError("the power goes off between the two updates")
                await tx.execute(move, job.args.cents, job.args.taker)
                tx.complete({"moved": job.args.cents})

        stored = await client.insert(Transfer(giver=1, taker=2, cents=120))
        await client.start([("bank", 2)])
        with trio.fail_after(60):
            while True:
                job = await client.get_job(stored.id)
                if job is not None and job.state == "completed":
                    break
                await trio.sleep(0.05)
        await client.shutdown()
        async with client.transaction() as tx:
            accounts = await tx.fetch_all("select id, cents from accounts order by id")
        print(f"after {job.attempt} attempts the accounts hold {dict(accounts)}")


if __name__ == "__main__":
    trio.run(main)
