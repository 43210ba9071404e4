"""`awa.testing`: what programs that use Awa test with."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import awa
from awa.embedded import Cluster
from awa.testing import (
    Databases,
    advance,
    all_enqueued,
    assert_enqueued,
    drain,
    inline,
    pointed_at,
    refute_enqueued,
    run_one,
)
from tests.workers import Number

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def databases(cluster: Cluster) -> Iterator[Databases]:
    """Return databases on the tests' server."""
    with Databases(cluster.conninfo()) as made:
        yield made


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    """Return a database for tests, which all properties hold in when the test has ended."""
    with databases.fresh() as conninfo:
        yield conninfo
        with awa.Client(conninfo) as client:
            assert () == client.check()


ClientT = TypeVar("ClientT", awa.AsyncClient, awa.Client)


def handled(client: ClientT, ran: list[int]) -> ClientT:
    """Register a handler: odd numbers fail once, tens enqueue another job."""

    @client.task(Number, queue="q", backoff=[HOUR_S])
    def handle(job: awa.Job[Number]) -> int:
        ran.append(job.args.n)
        if job.args.n % 2 and job.attempt == 1:
            raise OSError("odd")
        if job.args.n % 10 == 0:
            with awa.Client(client._target.conninfo) as another:
                another.insert(Number(job.args.n + 2), queue="q")
        return job.args.n

    return client


def test_what_is_enqueued_can_be_asked_and_asserted(url: str) -> None:
    """Guards the asserts: kinds, classes, instances, some arguments, queues, and counts."""
    with awa.Client(url) as client:
        client.insert_many([Number(1), Number(2)], queue="q")
        client.insert({"to": "a", "cc": None}, kind="mail", delay=HOUR_S)
        found = all_enqueued(client)
        assert ["number", "number", "mail"] == [job.kind for job in found]
        assert 2 == len(assert_enqueued(client, Number, queue="q", count=2))
        assert_enqueued(client, Number(2))
        (mail,) = assert_enqueued(client, "mail", args={"to": "a"})
        assert "scheduled" == mail.state
        refute_enqueued(client, Number(3))
        refute_enqueued(client, "mail", queue="q")
        with pytest.raises(AssertionError) as told:
            assert_enqueued(client, Number(3), queue="q")
        assert (
            "expected a job of kind 'number' in queue 'q' with the arguments {'n': 3}, found 0;"
            " these jobs wait:\n"
            "  number in q, available: {'n': 1}\n"
            "  number in q, available: {'n': 2}\n"
            "  mail in default, scheduled: {'cc': None, 'to': 'a'}"
        ) == str(told.value)
        with pytest.raises(AssertionError, match="expected 1 job, found 3"):
            assert_enqueued(client, count=1)
        with pytest.raises(AssertionError, match="expected 0 job of kind 'mail'"):
            refute_enqueued(client, "mail")
        with pytest.raises(awa.InvalidInput, match="twice"):
            assert_enqueued(client, Number(1), args={"n": 1})


def test_what_tests_say_wrongly_is_told_as_their_own_mistake(url: str) -> None:
    """Guards tests that pass, or fail, for a slip: of a queue, a count, a span of time."""
    wrong: Any = 5
    with awa.Client(url) as client:
        with pytest.raises(awa.InvalidInput, match="queue"):
            all_enqueued(client, queue=wrong)
        with pytest.raises(awa.InvalidInput, match="count"):
            assert_enqueued(client, count=-1)
        with pytest.raises(awa.InvalidInput, match="must be a timedelta"):
            advance(client, wrong)
        for parts in ({"seconds": float("inf")}, {"fortnights": 1}, {"hours": float("nan")}):
            with pytest.raises(awa.InvalidInput, match="parts of a timedelta"):
                advance(client, **parts)


def test_what_is_no_client_and_no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a test's first run: what is missing is told, and not what that led to."""
    wrong: Any = "postgresql://here/db"
    for ask in (assert_enqueued, refute_enqueued, all_enqueued, drain, run_one, inline):
        with pytest.raises(awa.InvalidInput, match=r"client: must be an awa\.AsyncClient or"):
            ask(wrong).__enter__()
    with pytest.raises(awa.InvalidInput, match="client: must be"):
        advance(wrong, days=1)
    with pytest.raises(awa.InvalidInput, match="client: must be"), pointed_at(wrong, wrong):
        pass
    monkeypatch.setenv("AWA_TEST_URL", "postgresql://127.0.0.1:1/x")
    with pytest.raises(awa.ServerUnreachable, match="AWA_TEST_URL"), Databases():
        pass


def test_a_class_whose_handler_has_a_kind_of_its_own_is_found_by_it(url: str) -> None:
    """Guards what a class means: the kind that an insert of its instances takes."""
    with awa.Client(url) as client:
        client.task(Number, kind="count", queue="q")(lambda job: job.args.n)
        refute_enqueued(client, Number)
        client.insert(Number(1))
        assert ["count"] == [job.kind for job in assert_enqueued(client, Number, count=1)]
        assert_enqueued(client, Number(1))
        with pytest.raises(AssertionError, match="expected 0 job of kind 'count'"):
            refute_enqueued(client, Number)
        ran = run_one(client, Number)
        assert ran is not None
        assert "completed" == ran.outcome


async def test_jobs_run_in_the_test_and_time_is_passed(url: str) -> None:
    """Guards drain, run_one and advance: the handlers of the program, the SQL of production."""
    ran: list[int] = []
    async with handled(awa.AsyncClient(url), ran) as client:
        assert await run_one(client) is None
        job = await client.insert(Number(1))
        first = await run_one(client)
        assert first is not None
        assert first.job is not None
        assert (job.id, "retried", "odd") == (first.job_id, first.outcome, first.error)
        assert ("retryable", 2) == (first.job.state, first.job.attempt)
        await client.insert(Number(10))
        await client.insert(Number(4), delay=24 * HOUR_S)
        done = await drain(client)
        assert [1, 10, 12] == ran
        assert (2, 2) == (done.completed, done.deferred)
        assert 1 == await advance(client, hours=2)
        (again,) = await all_enqueued(client, Number(1))
        assert ("available", 2) == (again.state, again.attempt)
        await client.insert(Number(14), queue="other")
        await client.insert(Number(16))
        assert await run_one(client, "mail") is None
        other = await run_one(client, queue="other")
        chosen = await run_one(client, Number, args={"n": 16})
        assert [14, 16] == [one.job.args["n"] for one in (other, chosen) if one and one.job]
        with pytest.raises(awa.InvalidInput, match="there is no queue 'none'"):
            await run_one(client, queue="none")
        last = await run_one(client, queue="q")
        assert last is not None
        assert ("completed", None) == (last.outcome, last.error)
        assert 1 == await advance(client, timedelta(days=1))
        assert 1 == (await drain(client)).completed
        assert [1, 10, 12, 14, 16, 1, 4] == ran
        with pytest.raises(awa.InvalidInput, match="one direction"):
            await advance(client, hours=-1)


def test_it_is_the_same_for_synchronous_programs(url: str) -> None:
    """Guards the twins: no await, the same words; and a failure that ends as a dead letter."""
    ran: list[int] = []
    with handled(awa.Client(url), ran) as client:
        client.configure_queue("q", dead_letters=True)
        client.insert(Number(1), max_attempts=1)
        found = run_one(client)
        assert found is not None
        assert ("dead_lettered", None, "odd") == (found.outcome, found.job, found.error)
        client.insert(Number(10))
        assert 2 == drain(client).completed
        client.insert(Number(2), delay=HOUR_S)
        assert 0 == drain(client).claimed
        assert 1 == advance(client, hours=1)
        assert 1 == drain(client).completed
        assert [1, 10, 12, 2] == ran


def test_an_asyncio_program_has_its_jobs_run_beside_its_loop(url: str) -> None:
    """Guards FastAPI and friends: the worker is trio's, the test need not be."""
    ran: list[int] = []

    async def story() -> None:
        async with handled(awa.AsyncClient(url), ran) as client:
            await client.insert(Number(2))
            await assert_enqueued(client, Number)
            found = await run_one(client)
            assert found is not None
            assert "completed" == found.outcome
            await client.insert(Number(4), delay=HOUR_S)
            await advance(client, hours=1)
            assert 1 == (await drain(client)).completed
            with inline(client):
                await client.insert(Number(6))

    asyncio.run(story())
    assert [2, 4, 6] == ran


async def test_inline_a_job_has_run_when_its_insert_returns(url: str) -> None:
    """Guards inline mode: after the commit, from the database, and only within the block."""
    ran: list[int] = []
    async with handled(awa.AsyncClient(url), ran) as client:
        with inline(client):
            await client.insert(Number(10))
            assert [10, 12] == ran
            async with client.transaction() as transaction:
                await transaction.insert(Number(2))
                assert [10, 12] == ran, "not before the commit"
            assert [10, 12, 2] == ran
        await client.insert(Number(4))
        assert [10, 12, 2] == ran
    with awa.Client(url) as plain, inline(handled(plain, ran)):
        plain.insert_many([Number(6), Number(8)])
        assert [4, 6, 8] == sorted(ran[3:])


async def test_a_programs_own_client_works_on_the_tests_database(url: str, database: str) -> None:
    """Guards module-level clients: for the length of a test they point elsewhere."""
    app = awa.AsyncClient("postgresql://127.0.0.1:1/nowhere")
    with pointed_at(app, url):
        async with app as client:
            await client.insert(Number(1))
            await assert_enqueued(client, Number, count=1)
            with pytest.raises(awa.ConfigurationError, match="before it is opened"):
                pointed_at(app, database).__enter__()
    assert app._target.conninfo == "postgresql://127.0.0.1:1/nowhere"
    sync = awa.Client(url)
    with pointed_at(sync, database):
        sync.insert(Number(1))
        refute_enqueued(sync, Number(2))
    assert 1 == len(all_enqueued(sync)), "what the asynchronous client stored"
    sync.close()


def test_schedules_fire_when_their_time_is_passed(url: str) -> None:
    """Guards cron in tests: an instant that passes stores its job, once, and nothing else does."""
    with awa.Client(url) as client:
        client.periodic("nightly", "0 3 * * *", args=Number(3))
        client.periodic("often", every=1800, args=Number(30), overlap="skip")

        @client.task(Number)
        def handle(job: awa.Job[Number]) -> int:
            return job.args.n

        first = advance(client, days=1)
        assert {1} == {len(assert_enqueued(client, Number(n))) for n in (3, 30)}
        assert 2 == first, "what is not finished is not stored again"
        assert 2 == drain(client).completed
        assert 0 == drain(client).claimed, "nothing fires twice"
        assert 2 == advance(client, days=1)
        assert 2 == drain(client).completed


def test_what_passed_before_a_schedule_was_made_or_resumed_is_not_fired(url: str) -> None:
    """Guards the clock of tests: hours that passed are nothing to who was not there."""
    with awa.Client(url) as client:
        advance(client, hours=20)
        client.put_schedule("new", None, Number(1), every=HOUR_S)
        client.put_schedule("paused", None, Number(2), every=HOUR_S)
        now = datetime.now(UTC)
        client.put_schedule("changed", None, Number(3), every=1e4 * HOUR_S, anchor=now)
        client.pause_schedule("paused")
        advance(client, hours=20)
        assert len(all_enqueued(client, Number(1))) in {20, 21}
        refute_enqueued(client, Number(2))
        client.resume_schedule("paused")
        client.put_schedule("changed", None, Number(3), every=HOUR_S)
        advance(client, hours=2)
        for n, most in ((1, 23), (2, 3), (3, 3)):
            # One more may pass while the test itself goes on.
            assert most - 1 <= len(all_enqueued(client, Number(n))) <= most


async def test_time_passes_and_jobs_run_only_in_databases_for_tests(database: str) -> None:
    """Guards production: nobody moves its due times, or takes its jobs, by mistake."""
    async with handled(awa.AsyncClient(database), []) as client:
        job = await client.insert(Number(2))
        refused = partial(pytest.raises, awa.ConfigurationError, match="for tests alone")
        with refused():
            await advance(client, hours=1)
        with refused():
            await drain(client)
        with refused():
            await run_one(client)
        found = await client.get_job(job.id)
        assert found is not None
        assert ("available", 1) == (found.state, found.attempt)


def test_databases_are_gone_when_they_are_given_back(cluster: Cluster) -> None:
    """Guards the server they are made on: each is empty at first, and none is left."""

    def names() -> set[str]:
        with psycopg.connect(cluster.conninfo()) as session:
            rows = session.execute("select datname from pg_database").fetchall()
        return {name for (name,) in rows}

    before = names()
    with Databases(cluster.conninfo()) as databases:
        with databases.fresh() as one, databases.fresh() as other:
            with awa.Client(one) as client:
                client.insert(Number(1))
            with awa.Client(other) as client:
                refute_enqueued(client)
            made = {str(conninfo_to_dict(conninfo)["dbname"]) for conninfo in (one, other)}
            assert made <= names()
        assert not made & names()
    assert before == names()
