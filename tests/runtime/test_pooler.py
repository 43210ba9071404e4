"""A worker behind a pooler in transaction mode: it polls, leaves nothing behind, and says so."""

import asyncio
import logging
from collections import Counter

import psycopg
import pytest
import trio

import awa
from correctness.bouncer import Bouncer
from tests.fix_database import Session
from tests.fix_workers import NewWorker
from tests.workers import Number, health_of, until

JOBS = 30
"""psycopg prepares a statement when it is sent for the sixth time."""


async def runs(client: awa.AsyncClient, producer: awa.AsyncClient | None = None) -> None:
    """Hold that the client's worker runs every job once, each stored in its own transaction."""
    seen: Counter[int] = Counter()

    @client.task(Number, queue="q")
    async def handle(job: awa.Job[Number]) -> None:
        seen[job.args.n] += 1

    await client.start([("q", 4)])
    for n in range(JOBS):
        await (producer or client).insert(Number(n), queue="q")
    await until(lambda: len(seen) == JOBS)
    await until(lambda: health_of(client).completed == JOBS)
    assert {1} == set(seen.values())


def held_locks(session: Session) -> int:
    """Count the locks of Awa's that anybody holds in this database."""
    row = session.execute(
        "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2"
        " and database = (select oid from pg_database where datname = current_database())"
    ).fetchone()
    assert row is not None
    return int(row[0])


async def test_behind_a_pooler_a_worker_only_polls_and_says_so(
    pooled: str, database: str, one: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards poll-only workers: every job once, nothing left in the pool, one warning."""
    async with awa.AsyncClient(pooled) as client, awa.AsyncClient(database) as direct:
        await runs(client)
        health = health_of(client)
        assert (True, False, False) == (health.poll_only, health.listening, health.leading)
        # Those of a claim that is at work go with it; a session's would stay.
        await until(lambda: held_locks(one) == 0)
        assert 1 == sum(
            "pooler in transaction mode" in each.getMessage() for each in caplog.records
        )
        vitals = await direct.vitals()
        assert [(True, False)] == [(each.poll_only, each.leads) for each in vitals.workers]
        assert "has to go directly" in vitals.problems()[0]
        await direct.override_queue("q", max_workers=2)
        # Nobody can tell it: it asks with its beats.
        await until(lambda: health_of(client).queues["q"].max_workers == 2)


async def test_with_a_direct_url_it_listens_and_leads(
    pooled: str, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the way past the pooler: for what lives in a session, and for nothing else."""
    caplog.set_level(logging.INFO, "awa.worker")
    async with awa.AsyncClient(pooled, direct_url=database) as client:
        await runs(client)
        await until(lambda: health_of(client).listening)
        await until(lambda: health_of(client).leading)
        assert not health_of(client).poll_only
        assert any("claims and settles go through" in each.getMessage() for each in caplog.records)


async def test_a_pooler_that_is_killed_is_waited_for(
    bouncer: Bouncer, pooled: str, database: str
) -> None:
    """Guards workers over a restart of their pooler."""
    async with awa.AsyncClient(pooled) as client, awa.AsyncClient(database) as direct:
        await runs(client)
        await trio.to_thread.run_sync(bouncer.kill)
        left = health_of(client).completed
        job = await direct.insert(Number(0), queue="q")
        await until(lambda: bool(health_of(client).troubles))
        await trio.to_thread.run_sync(bouncer.start)
        await until(lambda: health_of(client).completed == left + 1)
        found = await direct.get_job(job.id)
        assert found is not None
        assert "completed" == found.state


async def test_a_leader_rescues_a_worker_behind_a_pooler_that_is_killed(
    pooled: str, database: str, new_worker: NewWorker
) -> None:
    """Guards jobs of poll-only workers: their silence alone tells that they are gone."""
    async with awa.AsyncClient(database) as client:
        lost = new_worker("lost", conninfo=pooled, heartbeat_s=0.5)
        job = await client.insert({"stay_in": "lost"}, kind="stay", queue="q")
        lost.until(f"begun {job.id} 1")
        heir = new_worker("heir", heartbeat_s=0.5)
        lost.kill()
        heir.until(f"begun {job.id} 1")


async def test_producers_under_trio_store_jobs_through_a_pooler(pooled: str, one: Session) -> None:
    """Guards producers behind a pooler: none of their statements is prepared."""
    async with awa.AsyncClient(pooled) as client:
        await insert_many(client)
    assert JOBS == stored(one)


async def insert_many(client: awa.AsyncClient) -> None:
    """Store jobs in two kinds of transactions, on several connections at once."""
    for n in range(JOBS // 2):
        await client.insert({"n": n}, kind="k", queue="q")
        async with client.transaction() as transaction:
            await transaction.insert({"n": n}, kind="k", queue="q")


def test_producers_under_asyncio_store_jobs_through_a_pooler(pooled: str, one: Session) -> None:
    """Guards the same under asyncio."""

    async def main() -> None:
        async with awa.AsyncClient(pooled) as client:
            await insert_many(client)

    asyncio.run(main())
    assert JOBS == stored(one)


def test_synchronous_producers_store_jobs_through_a_pooler(
    pooled: str, one: Session, empty_database: str, bouncer: Bouncer
) -> None:
    """Guards the same without an event loop; the schema is installed through the pooler as well."""
    with awa.Client(pooled) as client:
        for n in range(JOBS):
            client.insert({"n": n}, kind="k", queue="q")
    assert JOBS == stored(one)
    name = str(psycopg.conninfo.conninfo_to_dict(empty_database)["dbname"])
    with awa.Client(bouncer.conninfo(name)) as client:
        client.migrate()
        client.insert({"n": 1}, kind="k", queue="q")
    bouncer.kill()


def stored(session: Session) -> int:
    """Count the jobs."""
    row = session.execute("select count(*) from awa.jobs").fetchone()
    assert row is not None
    return int(row[0])
