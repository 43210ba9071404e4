"""The trio driver when nothing is cancelled: what psycopg can do, it can do under trio."""

from __future__ import annotations

from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio
import trio.testing

from awa._storage.connecting import open_connection
from awa._storage.driver import TrioConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fix_database import Session

Connection = TrioConnection[tuple[Any, ...]]


def open_files() -> set[str]:
    """What this process has open, by its descriptors' targets."""
    targets = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            targets.add(str(entry.readlink()))
    return targets


@pytest.fixture
async def conn(database: str) -> AsyncIterator[Connection]:
    """A trio connection in autocommit."""
    async with open_connection(database) as opened:
        yield opened


async def test_a_query_answers(conn: Connection) -> None:
    """The plain path, with parameters and twice, so that it is prepared in the end."""
    for number in range(8):
        cursor = await conn.execute("select %s::int + 1", [number])
        assert [(number + 1,)] == await cursor.fetchall()


async def test_other_tasks_run_while_a_query_does(conn: Connection, one: Session) -> None:
    """The wait is trio's: the lock that the query waits for is released by another task."""
    one.execute("select pg_advisory_lock(1)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(conn.execute, "select pg_advisory_lock(1)")
        await trio.testing.wait_all_tasks_blocked()
        one.execute("select pg_advisory_unlock(1)")


async def test_two_tasks_take_turns_on_one_connection(conn: Connection) -> None:
    """The lock is trio's too."""
    answers: list[int] = []

    async def ask(number: int) -> None:
        cursor = await conn.execute("select %s::int from pg_sleep(0.01)", [number])
        answers.extend(row[0] for row in await cursor.fetchall())

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(ask, number)
    assert [0, 1, 2, 3, 4] == sorted(answers)


async def test_a_statement_larger_than_the_sockets_buffers_goes_through(conn: Connection) -> None:
    """Sending and receiving at once: waiting for one alone would wait for ever."""
    text = "x" * 20_000_000
    cursor = await conn.execute("select %s::text, length(%s)", [text, text])
    assert (text, len(text)) == await cursor.fetchone()


async def test_copy_goes_in_and_out(conn: Connection) -> None:
    """Both directions, more than the buffers hold."""
    await conn.execute("create temp table t (n int, s text)")
    async with conn.cursor() as cursor:
        async with cursor.copy("copy t from stdin") as copy:
            for number in range(20_000):
                await copy.write_row((number, "y" * 200))
        async with cursor.copy("copy (select n from t order by n) to stdout") as copy:
            numbers = [int(row[0]) async for row in copy.rows()]
    assert list(range(20_000)) == numbers


async def write_then_fail(cursor: psycopg.AsyncCursor[Any]) -> None:
    """Leave a COPY by an error, with a row written."""
    async with cursor.copy("copy t from stdin") as copy:
        await copy.write_row((1,))
        raise ZeroDivisionError


async def read_then_fail(cursor: psycopg.AsyncCursor[Any]) -> None:
    """Leave a COPY by an error, with most of it unread."""
    async with cursor.copy("copy (select generate_series(1, 99999)) to stdout") as copy:
        await copy.read_row()
        raise ZeroDivisionError


async def test_an_error_inside_copy_leaves_the_connection_usable(conn: Connection) -> None:
    """Only cancellation closes it."""
    await conn.execute("create temp table t (n int)")
    async with conn.cursor() as cursor:
        with pytest.raises(ZeroDivisionError):
            await write_then_fail(cursor)
        with pytest.raises(ZeroDivisionError):
            await read_then_fail(cursor)
    assert [(0,)] == await (await conn.execute("select count(*) from t")).fetchall()


async def test_a_pipeline_is_one_round_trip_and_separate_commits_the_first_part(
    conn: Connection, one: Session
) -> None:
    """What is before `separate` commits even when what follows fails."""

    async def insert_and_fail() -> None:
        async with conn.pipeline():
            await conn.execute("insert into t values (1)")
            conn.separate()
            await conn.execute("insert into t values (1 / 0)")

    await conn.execute("create table t (n int)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await insert_and_fail()
    assert [(1,)] == one.execute("select n from t").fetchall()
    assert [(2,)] == await (await conn.execute("select 2")).fetchall()


async def test_who_is_frozen_in_a_pipeline_keeps_no_lock_of_its_first_part(
    conn: Connection, one: Session
) -> None:
    """Guards the other workers: a claim that waited for its Sync kept its lanes from everybody."""
    async with conn.pipeline():
        with conn.in_one_piece():
            await conn.execute("select pg_advisory_xact_lock(7)")
        assert conn._pipeline is not None
        assert 1 == len(conn._pipeline.command_queue)
        assert [(True,)] == one.execute("select pg_try_advisory_xact_lock(7)").fetchall()
        last = await conn.execute("select 2")
        one.execute("select pg_advisory_xact_lock(7)")
    assert [(2,)] == await last.fetchall()


async def test_notifications_arrive_while_waiting_and_between(
    conn: Connection, one: Session
) -> None:
    """Those that came with another answer are not lost."""
    await conn.execute("listen c")
    one.execute("notify c, 'between'")
    await conn.execute("select 1")
    payloads: list[str] = []

    def notify_waiting() -> None:
        one.execute("notify c, 'waiting'")

    async with trio.open_nursery() as nursery, aclosing(conn.notifies(stop_after=2)) as notifies:
        nursery.start_soon(trio.to_thread.run_sync, notify_waiting)
        async for notify in notifies:
            payloads.append(notify.payload)  # noqa: PERF401  # each is received on its own
    assert ["between", "waiting"] == payloads


async def test_waiting_for_notifications_ends_with_its_timeout(conn: Connection) -> None:
    """The timeout of psycopg's own signature works, and the connection goes on."""
    await conn.execute("listen c")
    async with aclosing(conn.notifies(timeout=0.01)) as notifies:
        assert [] == [notify async for notify in notifies]
    assert (1,) == await (await conn.execute("select 1")).fetchone()


async def insert_then_fail(conn: Connection, number: int) -> None:
    """Leave a transaction, or a savepoint, by an error."""
    async with conn.transaction():
        await conn.execute("insert into t values (%s)", [number])
        raise ZeroDivisionError


async def test_a_transaction_commits_and_an_error_rolls_it_back(conn: Connection) -> None:
    """With savepoints inside."""
    await conn.execute("create temp table t (n int)")
    async with conn.transaction():
        await conn.execute("insert into t values (1)")
        with pytest.raises(ZeroDivisionError):
            await insert_then_fail(conn, 2)
    with pytest.raises(ZeroDivisionError):
        await insert_then_fail(conn, 3)
    async with conn.transaction(force_rollback=True):
        await conn.execute("insert into t values (4)")
    assert [(1,)] == await (await conn.execute("select n from t")).fetchall()


async def test_a_connection_used_as_a_block_commits_and_closes(database: str, one: Session) -> None:
    """As psycopg's own, for those who do not want autocommit."""
    one.execute("create table t (n int)")
    conn: Connection = await TrioConnection.connect(database)
    async with conn:
        await conn.execute("insert into t values (1)")
    other: Connection = await TrioConnection.connect(database)

    async def fail() -> None:
        async with other:
            await other.execute("insert into t values (2)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert conn.closed
    assert other.closed
    assert [(1,)] == one.execute("select n from t").fetchall()


async def test_settings_are_the_sessions(database: str) -> None:
    """They hold from the first statement on."""
    async with open_connection(database, settings={"application_name": "it's me"}) as conn:
        assert ("it's me",) == await (await conn.execute("show application_name")).fetchone()


async def test_a_wrong_setting_leaves_no_connection_behind(database: str) -> None:
    """The error is the server's, and no socket stays open."""
    before = open_files()
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        await open_connection(database, settings={"statement_timeout": "soon"}).__aenter__()
    assert before == open_files()


async def test_closing_wakes_a_task_that_waits_on_the_connection(conn: Connection) -> None:
    """It gets the driver's error and does not wait for a socket that is gone."""
    async with trio.open_nursery() as nursery:

        async def wait_for_nothing() -> None:
            with pytest.raises(psycopg.OperationalError, match="closed"):
                await conn.execute("select pg_sleep(60)")

        nursery.start_soon(wait_for_nothing)
        await trio.testing.wait_all_tasks_blocked()
        await conn.close()
    with pytest.raises(psycopg.OperationalError, match="closed"):
        await conn.execute("select 1")


async def test_a_session_that_the_server_ends_is_noticed(conn: Connection, one: Session) -> None:
    """The statement fails and the connection knows that it is closed."""
    one.execute("select pg_terminate_backend(%s)", [conn.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        await conn.execute("select 1")
    assert conn.closed


async def test_our_sessions_do_not_compile_statements(conn: Connection) -> None:
    """A server that compiles takes seconds for a view that it runs in milliseconds."""
    assert ("off",) == await (await conn.execute("show jit")).fetchone()
