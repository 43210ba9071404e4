"""Handlers that complete their jobs in transactions of their own: both commit, or neither does."""

from typing import Any

import psycopg
import pytest
import trio

import awa
from awa._storage.driver import TrioConnection
from awa.errors import AttemptCompleted, StaleAttempt, TransactionLost
from tests.fix_database import NewSession, open_session
from tests.fix_workers import NewWorker
from tests.tcp_proxy import open_proxy
from tests.workers import Number, health_of, until, until_state

LEDGER = "create table ledger (n int, by text)"
ENTER = "insert into ledger values ($1, $2)"
RELEASE = """
    select awa.release(0, 1, array[slot], array[token], array[part],
                       array[int8multirange(int8range(seq, seq + 1))]) from awa.attempts
"""


@pytest.fixture
def ledger(database: str) -> str:
    """Create what the handlers write to, and return the database."""
    with open_session(database) as session:
        session.execute(LEDGER)
    return database


def entered(conninfo: str) -> list[tuple[Any, ...]]:
    """Return what handlers wrote, in order."""
    with open_session(conninfo) as session:
        return session.execute("select n, by from ledger order by n, by").fetchall()


async def test_what_a_handler_writes_and_its_jobs_end_commit_together(ledger: str) -> None:
    """Guards EffectsWithEnd: from a task and from a thread; jobs it stores and its result too."""
    async with awa.AsyncClient(ledger) as client:

        @client.task(Number, kind="task", queue="q")
        async def task(job: awa.Job[Number]) -> None:
            async with job.transaction() as tx:
                assert 1 == await tx.execute(ENTER, job.args.n, "task")
                await tx.insert(Number(10), kind="next", queue="q")
                tx.complete({"n": job.args.n})

        @client.task(Number, kind="thread", queue="q")
        def thread(job: awa.Job[Number]) -> None:
            with job.transaction() as tx:
                assert [(1,)] == tx.fetch_all("select $1::int", 1)
                assert 1 == tx.execute(ENTER, job.args.n, "thread")
                tx.insert_many([Number(11), Number(12)], kind="next", queue="q")

        @client.task(Number, kind="next", queue="q")
        async def follow(job: awa.Job[Number]) -> None:
            async with job.transaction() as tx:
                await tx.execute(ENTER, job.args.n, "next")

        await client.start([("q", 4)])
        first = await client.insert(Number(1), kind="task")
        second = await client.insert(Number(2), kind="thread")
        assert {"n": 1} == (await until_state(client, first.id, "completed")).result
        assert None is (await until_state(client, second.id, "completed")).result
        await until(lambda: health_of(client).completed == 5)
        await client.shutdown()
    assert [(1, "task"), (2, "thread"), (10, "next"), (11, "next"), (12, "next")] == entered(ledger)


async def test_a_block_that_raises_leaves_nothing_and_the_attempt_fails(ledger: str) -> None:
    """Guards EffectsWithEnd: the next attempt finds nothing of the one before."""
    async with awa.AsyncClient(ledger) as client:

        @client.task(Number, queue="q", backoff=[0])
        async def handle(job: awa.Job[Number]) -> None:
            async with job.transaction() as tx:
                await tx.execute(ENTER, job.attempt, "task")
                if job.attempt == 1:
                    raise ValueError(job.attempt)
                if job.attempt == 2:
                    await tx.execute("select 1 / 0")

        await client.start([("q", 1)])
        stored = await client.insert(Number(1), queue="q")
        done = await until_state(client, stored.id, "completed")
        assert ["ValueError", "DivisionByZero"] == [past["type"] for past in done.errors]
    assert [(3, "task")] == entered(ledger)


async def test_a_block_inside_of_a_block_is_refused_and_nothing_is_written(ledger: str) -> None:
    """Guards EffectsWithEnd: an inner block that completed the job would lose what the outer wrote.

    On a connection of its own the completion would wait for itself.
    """
    async with awa.AsyncClient(ledger) as client:

        @client.task(Number, queue="q", backoff=[0])
        async def handle(job: awa.Job[Number]) -> None:
            async with job.transaction() as tx:
                await tx.execute(ENTER, job.attempt, "task")
                if job.attempt == 1:
                    async with job.transaction():
                        raise AssertionError("an attempt has one block at a time")
                if job.attempt == 2:
                    await job.complete_in(None)

        await client.start([("q", 1)])
        stored = await client.insert(Number(1), queue="q")
        done = await until_state(client, stored.id, "completed")
        assert 2 * ["WrongTransaction"] == [past["type"] for past in done.errors]
    assert [(3, "task")] == entered(ledger)


async def test_an_attempt_that_was_given_to_another_commits_nothing(
    ledger: str, session: NewSession
) -> None:
    """Guards EffectsWithEnd: released behind its worker's back, the job runs once more."""
    seen: list[int] = []
    async with awa.AsyncClient(ledger) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            if job.run_lease == 1:
                await stale(job)
            async with job.transaction() as tx:
                await tx.execute(ENTER, job.run_lease, "task")

        async def stale(job: awa.Job[Number]) -> None:
            try:
                async with job.transaction() as tx:
                    await tx.execute(ENTER, job.run_lease, "task")
                    with session() as operator:
                        operator.execute(RELEASE)
            except StaleAttempt:
                seen.append(job.run_lease)

        await client.start([("q", 1)])
        stored = await client.insert(Number(1), queue="q")
        await until_state(client, stored.id, "completed")
        assert 1 == health_of(client).ended_elsewhere
        assert (0, 0) == (health_of(client).failures, health_of(client).late)
    assert [1] == seen
    assert [(2, "task")] == entered(ledger)


async def test_a_deadline_a_cancel_and_a_shutdown_roll_back(ledger: str) -> None:
    """Guards EffectsWithEnd: whoever ends the attempt before its commit, nothing of it stays."""
    reached: set[int] = set()
    async with awa.AsyncClient(ledger) as client:

        @client.task(Number, queue="q", backoff=[3600])
        async def handle(job: awa.Job[Number]) -> None:
            async with job.transaction() as tx:
                await tx.execute(ENTER, job.args.n, "task")
                reached.add(job.args.n)
                await tx.execute("select pg_sleep(600)")

        await client.start([("q", 3)])
        late = await client.insert(Number(1), queue="q", deadline=2)
        cancelled = await client.insert(Number(2), queue="q")
        released = await client.insert(Number(3), queue="q")
        await until(lambda: reached >= {2, 3})
        assert (await client.cancel(cancelled.id)).done
        await until_state(client, late.id, "retryable")
        await until(lambda: health_of(client).ended_elsewhere >= 1)
        await client.shutdown(timeout_ms=0)
        await until_state(client, released.id, "available")
    assert [] == entered(ledger)


async def test_a_killed_worker_leaves_nothing_and_its_job_runs_again(
    ledger: str, new_worker: NewWorker, session: NewSession
) -> None:
    """Guards EffectsWithEnd: a crash between the last write and the commit doubles no effect."""
    first = new_worker("first", heartbeat_s=1.0)
    with session() as producer:
        producer.execute(
            'select awa.enqueue(\'own\', \'{"stay_in": "first"}\', \'{"queue": "q"}\')'
        )
    first.until("written 1")
    first.kill()
    second = new_worker("second", heartbeat_s=1.0)
    await trio.to_thread.run_sync(second.until, "completed 2")
    assert [(2, "second")] == entered(ledger)


async def test_a_job_is_completed_in_a_transaction_of_the_handlers_own_connection(
    ledger: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards EffectsWithEnd beyond our connections: the attempt ends as that transaction does."""
    async with awa.AsyncClient(ledger) as client:

        @client.task(Number, kind="task", queue="q", backoff=[0])
        async def task(job: awa.Job[Number]) -> None:
            conn: TrioConnection[Any] = await TrioConnection.connect(ledger)
            async with conn:
                await conn.execute("insert into ledger values (%s, 'task')", [job.attempt])
                await job.complete_in(conn, {"attempt": job.attempt})
                await (conn.rollback() if job.attempt == 1 else conn.commit())

        @client.task(Number, kind="thread", queue="q")
        def thread(job: awa.Job[Number]) -> str:
            with psycopg.connect(ledger) as conn:
                conn.execute("insert into ledger values (7, 'thread')")
                job.complete_in_sync(conn)
            return "told too late"

        await client.start([("q", 2)])
        one = await client.insert(Number(1), kind="task")
        two = await client.insert(Number(2), kind="thread")
        found = await until_state(client, one.id, "completed")
        assert ({"attempt": 2}, ["TransactionLost"]) == (
            found.result,
            [past["type"] for past in found.errors],
        )
        assert None is (await until_state(client, two.id, "completed")).result
        await until(lambda: health_of(client).completed == 2)
    assert [(2, "task"), (7, "thread")] == entered(ledger)
    assert "returned something after it had completed its job" in caplog.text


async def in_its_own_way(job: awa.Job[Number], conn: TrioConnection[Any], stale: Any) -> None:
    """End one job of a batch, or do not, in the way that its number says."""
    n = job.args.n
    if n == 0:
        async with job.transaction() as tx:
            await tx.execute(ENTER, n, "block")
            tx.complete("its own")
    elif n in {1, 2, 3}:
        await conn.execute("insert into ledger values (%s, 'elsewhere')", [n])
        await job.complete_in(conn)
        if n != 1:
            await (conn.rollback() if n == 3 else conn.commit())
    elif n == 4:
        job.set_progress(40)
    elif job.run_lease == 1:
        stale(job.id)
        with pytest.raises(StaleAttempt):
            async with job.transaction() as tx:
                await tx.execute(ENTER, n, "too late")


async def test_jobs_of_a_batch_end_in_transactions_of_their_own(
    ledger: str, session: NewSession
) -> None:
    """Guards EffectsWithEnd in batches: one job, or two at once, and the others as is said.

    Their progress as well: it is each job's.
    """

    def give_away(job_id: int) -> None:
        with session() as operator:
            operator.execute(f"{RELEASE} where job_id = {job_id}")

    async with awa.AsyncClient(ledger) as client:

        @client.batch_task(Number, queue="q", max_wait_ms=300, max_attempts=1)
        async def handle(jobs: awa.JobBatch[Number]) -> dict[int, Any]:
            conn: TrioConnection[Any] = await TrioConnection.connect(ledger)
            async with conn:
                for job in jobs:
                    await in_its_own_way(job, conn, give_away)
            return {job.id: awa.Cancel() for job in jobs if job.args.n == 4}

        stored = await client.insert_many([Number(n) for n in range(7)], queue="q")
        await client.start([("q", 10)])
        states = ["completed"] * 3 + ["failed", "cancelled"] + ["completed"] * 2
        ended = [
            await until_state(client, job.id, state)
            for job, state in zip(stored, states, strict=True)
        ]
        await until(lambda: health_of(client).completed == 5)
    assert "its own" == ended[0].result
    assert "TransactionLost" == ended[3].errors[-1]["type"]
    assert {"percent": 40} == ended[4].progress
    assert [(0, "block"), (1, "elsewhere"), (2, "elsewhere")] == entered(ledger)


async def wrongly(job: awa.Job[Number]) -> None:
    """Open a transaction in a way that cannot work, which the number says."""
    if job.args.n == 1:
        with job.transaction():
            pass
    async with job.transaction() as tx:
        if job.args.n == 2:
            await tx.execute("commit")
        elif job.args.n == 3:
            await tx.execute("set transaction isolation level repeatable read")
        else:
            tx.complete(object())


async def test_what_cannot_be_done_says_so(ledger: str) -> None:
    """Guards the surface: each wrong way is an error that tells the right one."""
    told: list[str] = []
    async with awa.AsyncClient(ledger) as client:

        @client.task(Number, kind="wrong", queue="q", max_attempts=1)
        async def wrong(job: awa.Job[Number]) -> None:
            try:
                await wrongly(job)
            except awa.CallerError as error:
                told.append(type(error).__name__)
                raise

        await client.start([("q", 1)])
        for n in (1, 2, 3, 4):
            stored = await client.insert(Number(n), kind="wrong")
            await until_state(client, stored.id, "failed")
    assert ["ConfigurationError", "WrongTransaction", "WrongIsolation", "InvalidInput"] == told


async def test_what_a_handler_raises_after_its_commit_changes_nothing(
    ledger: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards FinalForGood: the job is completed, and the error is told."""
    async with awa.AsyncClient(ledger) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            async with job.transaction() as tx:
                await tx.execute(ENTER, job.args.n, "task")
            raise ValueError

        await client.start([("q", 1)])
        stored = await client.insert(Number(5), queue="q")
        await until_state(client, stored.id, "completed")
        await until(lambda: health_of(client).completed == 1)
        assert 0 == health_of(client).failures
    assert [(5, "task")] == entered(ledger)
    assert "raised after it had completed its job" in caplog.text


@pytest.mark.parametrize("happened", [True, False])
async def test_a_commit_without_an_answer_is_asked_about_and_never_repeated(
    ledger: str, happened: bool
) -> None:
    """Guards EffectsWithEnd: the handler learns the truth, and nothing happens twice or halfway."""
    seen: list[str] = []
    async with open_proxy(ledger) as proxy, awa.AsyncClient(proxy.conninfo) as client:

        @client.task(Number, queue="q", backoff=[0])
        async def handle(job: awa.Job[Number]) -> None:
            try:
                async with job.transaction() as tx:
                    await tx.execute(ENTER, job.attempt, "task")
                    if job.attempt == 1:
                        if happened:
                            proxy.cut_after_sending("COMMIT")
                        else:
                            proxy.cut_before_sending("COMMIT")
            except TransactionLost:
                seen.append("lost")
                raise
            seen.append("done")
            if job.attempt == 1:
                with pytest.raises(AttemptCompleted):
                    async with job.transaction():
                        raise AssertionError("an attempt ends once")

        await client.start([("q", 1)])
        stored = await client.insert(Number(1), queue="q")
        done = await until_state(client, stored.id, "completed")
        assert (1 if happened else 2) == done.attempt
        await until(lambda: health_of(client).completed == 1)
        assert 1 == proxy.cuts
    assert (["done"] if happened else ["lost", "done"]) == seen
    assert [(done.attempt, "task")] == entered(ledger)
