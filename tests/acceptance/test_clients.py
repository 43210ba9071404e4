"""Clients: producing under trio, asyncio and without either; bad input writes nothing."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import trio

import awa
from awa import bridge
from tests.fix_database import NewSession, Session
from tests.workers import Number


@dataclass
class Order:
    """Arguments with a type to get wrong."""

    number: int
    note: str = ""


def written(conn: Session) -> int:
    """Return how many entries there are."""
    row = conn.execute("select count(*) from awa.ready").fetchone()
    assert row is not None
    count: int = row[0]
    return count


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"queue": ""}, "queue"),
    ({"queue": "x" * 201}, "queue"),
    ({"queue": "a\0b"}, "queue"),
    ({"queue": 7}, "queue"),
    ({"kind": ""}, "kind"),
    ({"kind": "x" * 201}, "kind"),
    ({"priority": 0}, "priority"),
    ({"priority": 5}, "priority"),
    ({"priority": "high"}, "priority"),
    ({"priority": True}, "priority"),
    ({"max_attempts": 0}, "max_attempts"),
    ({"max_attempts": 1001}, "max_attempts"),
    ({"deadline": -1}, "deadline"),
    ({"deadline": timedelta(seconds=-1)}, "deadline"),
    ({"deadline": float("nan")}, "deadline"),
    ({"deadline": 1e-6}, "deadline"),
    ({"tags": ["x"] * 21}, "tags"),
    ({"tags": "one"}, "tags"),
    ({"tags": [1]}, "tags"),
    ({"metadata": ["a"]}, "metadata"),
    ({"metadata": {"a": "\0"}}, "metadata"),
]


@pytest.mark.parametrize(("options", "field"), BAD_OPTIONS)
async def test_a_bad_option_names_its_field_and_writes_nothing(
    database: str, one: Session, options: dict[str, Any], field: str
) -> None:
    """Guards every way in: the error comes before anything is sent."""
    async with awa.AsyncClient(database) as client:
        with pytest.raises(awa.InvalidInput) as refused:
            await client.insert(Order(1), **options)
        assert field == refused.value.field
        with pytest.raises(awa.InvalidInput):
            await client.insert_many([Order(1)], **options)
        with pytest.raises(awa.InvalidInput):
            await client.enqueue_many_copy([Order(1)], **options)
    with awa.Client(database) as sync, pytest.raises(awa.InvalidInput):
        sync.insert(Order(1), **options)
    assert 0 == written(one)


@pytest.mark.parametrize(
    ("args", "field"),
    [
        (Order("one"), "args.number"),  # type: ignore[arg-type]
        (Order(1, "a\0b"), "args"),
        (Order(1, "x" * 1024 * 1024), "args"),
        (Order, "args"),
        (7, "args"),
        ({"a": 1}, "kind"),
    ],
)
async def test_bad_arguments_name_their_place_and_write_nothing(
    database: str, one: Session, args: object, field: str
) -> None:
    """Guards workers from jobs that nobody can run."""
    async with awa.AsyncClient(database) as client:
        with pytest.raises(awa.InvalidInput) as refused:
            await client.insert(args)
        assert field == refused.value.field
    assert 0 == written(one)


async def test_one_bad_job_among_many_writes_none(database: str, one: Session) -> None:
    """Guards `insert_many`: all or none."""
    async with awa.AsyncClient(database) as client:
        with pytest.raises(awa.InvalidInput):
            await client.insert_many([Order(1), Order("x")])  # type: ignore[arg-type]
        wrong: Any = 5
        for store in (client.insert_many, client.enqueue_many_copy):
            with pytest.raises(awa.InvalidInput, match="jobs: must be a list"):
                await store(wrong, kind="number")
        with pytest.raises(awa.InvalidInput, match=r"jobs\[1\].args: is None"):
            await client.insert_many([Order(1), None])
        assert [] == await client.insert_many([])
    assert 0 == written(one)


@pytest.mark.bulk
async def test_many_jobs_answer_in_their_order(database: str, one: Session) -> None:
    """Guards handles: the n-th belongs to the n-th, over several calls in one transaction."""
    async with awa.AsyncClient(database) as client:
        handles = await client.insert_many(Number(n) for n in range(6000))
        found = await client.get_job(handles[5999].id)
        assert found is not None
        assert {"n": 5999} == found.args
        assert handles[0]["id"] == handles[0].id
    assert 6000 == written(one)
    assert 1 == len(one.execute("select distinct xmin from awa.ready").fetchall())


async def test_a_handlers_queue_and_kind_are_the_defaults_of_its_jobs(database: str) -> None:
    """Guards the decorator: what was said once need not be said again."""
    async with awa.AsyncClient(database) as client:
        client.task(Order, kind="orders", queue="shop")(print)
        for options, kind, queue in [
            ({}, "orders", "shop"),
            ({"queue": "other", "kind": "special"}, "special", "other"),
        ]:
            handle = await client.insert(Order(1), **options)  # type: ignore[arg-type]
            found = await client.get_job(handle.id)
            assert found is not None
            assert (kind, queue) == (found.kind, found.queue)


async def test_a_deadline_that_no_attempt_could_meet_is_refused_of_kinds_and_schedules() -> None:
    """Guards a slip of the unit: each attempt would fail before it began, and nobody know why."""
    client = awa.AsyncClient("postgresql://nobody/asks")
    for deadline in (timedelta(microseconds=30), 0.0005):
        with pytest.raises(awa.InvalidInput, match=r"deadline: is .* give 0 for none, or 0\.001"):
            client.task(Order, deadline=deadline)
        with pytest.raises(awa.InvalidInput, match="deadline: is"):
            client.periodic("hourly", "0 * * * *", Order, Order(1), deadline=deadline)


async def test_jobs_and_statements_of_a_transaction_commit_together(
    database: str, one: Session
) -> None:
    """Guards the reason for a queue in the database."""
    one.execute("create table orders (id int)")

    async def order(client: awa.AsyncClient, number: int, *, fail: bool) -> None:
        async with client.transaction() as tx:
            await tx.execute("insert into orders (id) values ($1)", number)
            await tx.insert(Order(number), queue=f"lane-{number}")
            await tx.insert_many([Order(number)], queue=f"lane-{number}")
            if fail:
                raise RuntimeError("changed my mind")
            assert [(number,)] == await tx.fetch_all("select id from orders")

    async with awa.AsyncClient(database, pool_size=1) as client:
        with pytest.raises(RuntimeError):
            await order(client, 1, fail=True)
        assert 0 == written(one)
        await order(client, 2, fail=False)
    assert 2 == written(one)
    assert [(2,)] == one.execute("select id from orders").fetchall()


async def test_without_the_schema_the_error_names_the_command(empty_database: str) -> None:
    """Guards the first minute, for producers and for workers."""
    async with awa.AsyncClient(empty_database) as client:
        with pytest.raises(awa.SchemaMissing, match="awa migrate"):
            await client.insert(Order(1))
        with pytest.raises(awa.SchemaMissing, match="awa migrate"):
            await client.start([("q", 1)])
        health = await client.health_check()
        assert not health.healthy
        assert "awa migrate" in health.problems[0]
        sync = awa.Client(empty_database)
        with pytest.raises(awa.ConfigurationError, match="blocks, and here runs trio"):
            sync.health_check()
        found = await trio.to_thread.run_sync(sync.health_check)
        assert health.problems == found.problems
        await client.migrate()
        assert (await client.health_check()).healthy


async def test_a_newer_schema_is_refused_before_it_is_touched(database: str, one: Session) -> None:
    """Guards rollbacks of the program: workers do not run on what they do not know."""
    one.execute("update awa.meta set schema_version = 99")
    async with awa.AsyncClient(database) as client:
        with pytest.raises(awa.SchemaNewer):
            await client.start([("q", 1)])
        with pytest.raises(awa.SchemaNewer):
            await client.migrate()
    one.execute("update awa.meta set schema_version = 1")


async def test_producers_are_told_at_once_that_the_server_is_away() -> None:
    """Guards requests: a web handler must not hang; health says it in words."""
    async with awa.AsyncClient("postgresql://127.0.0.1:1/x") as client:
        with trio.fail_after(20), pytest.raises(awa.ServerUnreachable):
            await client.insert(Order(1))
        health = await client.health_check(timeout_seconds=1)
        assert not health.healthy
        with pytest.raises(awa.InvalidInput, match=r"timeout_seconds: .* 0\.1 at least"):
            await client.health_check(timeout_seconds=0)  # it would be said not to answer


async def test_a_filter_that_can_match_nothing_is_refused(database: str) -> None:
    """Guards searches: a typing error is no empty list, and no word about the schema."""
    filters: list[tuple[str, Any]] = [
        ("state", "done"),
        ("state", 5),
        ("queue", 5),
        ("kind", "a\0b"),
    ]
    async with awa.AsyncClient(database) as client:
        for field, value in filters:
            with pytest.raises(awa.InvalidInput, match=rf"^{field}:"):
                await client.list_jobs(**{field: value})
        assert () == await client.list_jobs(state=awa.JobState.RUNNING, queue="q", kind="k")


def test_the_same_client_produces_under_asyncio(database: str, one: Session) -> None:
    """Guards FastAPI and friends: all but the worker works there."""

    async def produce() -> None:
        async with awa.AsyncClient(database) as client:
            handle = await client.insert(Order(1))
            await client.insert_many([Order(2), Order(3)])
            async with client.transaction() as tx:
                await tx.insert(Order(4))
            found = await client.get_job(handle.id)
            assert found is not None
            assert awa.JobState.AVAILABLE == found.state
            assert 1 == len(await client.queue_stats())
            assert (await client.health_check()).healthy
            with pytest.raises(awa.ConfigurationError, match=r"trio\.run"):
                await client.start([("q", 1)])

    asyncio.run(produce())
    assert 4 == written(one)


def test_the_synchronous_twin_does_the_same(database: str, one: Session) -> None:
    """Guards Django, Flask and scripts."""
    with awa.Client(database) as client:
        client.migrate()
        handle = client.insert(Order(1), priority=1)
        assert 2 == len(client.insert_many([Order(2), Order(3)]))
        assert awa.CopyAnswer(inserted=5) == client.enqueue_many_copy(map(Order, range(5)))
        found = client.get_job(handle.id)
        assert found is not None
        assert 1 == found.priority
        assert None is client.get_job(999_999)
        assert 8 == len(client.list_jobs())
        assert () == client.check()
    assert 8 == written(one)


DIES_AT_COMMIT = """
create function die() returns trigger language plpgsql as $$
begin
    perform pg_terminate_backend(pg_backend_pid());
    perform pg_sleep(60);
    return null;
end $$;
create constraint trigger die after insert on awa.ready_0
    deferrable initially deferred for each row execute function die()"""


def test_a_commit_without_an_answer_is_unknown_under_every_loop(
    database: str, one: Session
) -> None:
    """Guards producers: who is told of a plain failure makes the jobs again, perhaps twice."""
    one.execute(DIES_AT_COMMIT)

    async def many() -> None:
        async with awa.AsyncClient(database) as client:
            with pytest.raises(awa.OutcomeUnknown):
                await client.insert_many([Order(1), Order(2)])

    async def by_hand() -> None:
        async with awa.AsyncClient(database) as client:
            with pytest.raises(awa.OutcomeUnknown):
                async with client.transaction() as tx:
                    await tx.insert(Order(1))

    for produce in (many, by_hand):
        asyncio.run(produce())
        trio.run(produce)
    with awa.Client(database) as client, pytest.raises(awa.OutcomeUnknown):
        client.insert_many([Order(1), Order(2)])
    assert 0 == written(one)


async def test_a_job_enters_through_somebody_elses_transaction(
    database: str, session: NewSession, one: Session
) -> None:
    """Guards the bridge: the caller's connection, the caller's commit."""
    conn = session(autocommit=False)
    with pytest.raises(awa.InvalidInput):
        bridge.insert_job_sync(conn, Order(1), priority=9)
    handle = bridge.insert_job_sync(conn, Order(1), queue="q")
    assert 0 == written(one)
    conn.commit()
    assert 1 == written(one)
    assert handle["id"] == handle.id

    async def over_asyncio() -> None:
        other = await psycopg.AsyncConnection.connect(database)
        async with other, other.transaction():
            await bridge.insert_job(other, Order(2), queue="q")

    await trio.to_thread.run_sync(asyncio.run, over_asyncio())
    assert 2 == written(one)
