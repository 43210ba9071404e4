"""What a cancelled scope does to a connection, case by case as the driver's docstring has it."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio
import trio.testing

from awa._storage import driver
from awa._storage.connecting import open_connection
from awa._storage.driver import TrioConnection
from awa.errors import OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.fix_database import Session

Connection = TrioConnection[tuple[Any, ...]]

SLOW_COMMIT = """
create table t (n int);
create function wait_at_commit() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock(1); return null; end $$;
create constraint trigger slow after insert on t deferrable initially deferred
    for each row execute function wait_at_commit();
"""


@pytest.fixture
async def conn(database: str) -> AsyncIterator[Connection]:
    """A trio connection in autocommit."""
    async with open_connection(database) as opened:
        yield opened


async def usable(conn: Connection) -> bool:
    """Whether the connection answers, outside of any transaction."""
    status = conn.pgconn.transaction_status
    answer = await (await conn.execute("select 1")).fetchone()
    return status == psycopg.pq.TransactionStatus.IDLE and answer == (1,)


async def until_blocked(blocked: Callable[[int], None], conn: Connection) -> None:
    """Return once the backend of the connection waits for a lock."""
    await trio.to_thread.run_sync(blocked, conn.info.backend_pid)


async def test_nothing_is_sent_in_a_cancelled_scope(conn: Connection, one: Session) -> None:
    """So a loop of quick statements ends at once, and nothing it did is in doubt."""
    one.execute("create table t (n int)")
    with trio.CancelScope() as scope:
        scope.cancel()
        await conn.execute("insert into t values (1)")
    assert scope.cancelled_caught
    assert [] == one.execute("select n from t").fetchall()
    assert await usable(conn)


async def test_a_running_statement_is_cancelled_on_the_server(
    conn: Connection, one: Session, blocked: Callable[[int], None]
) -> None:
    """The server stops working for nobody, and the connection goes on."""
    one.execute("select pg_advisory_lock(1)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(conn.execute, "select pg_advisory_lock(1)")
        await until_blocked(blocked, conn)
        nursery.cancel_scope.cancel()
    assert [(0,)] == one.execute("select count(*) from pg_locks where not granted").fetchall()
    assert await usable(conn)


async def test_a_statement_that_ended_before_the_cancel_answers_as_usual(conn: Connection) -> None:
    """The effect is there, so the caller is told; Cancelled follows at the next checkpoint."""
    scope = trio.CancelScope()
    answers: list[object] = []

    async def too_late(**_: float) -> None:
        await trio.lowlevel.checkpoint()

    conn._try_cancel = too_late  # type: ignore[method-assign]  # a request that is overtaken
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with scope:
                answers.append(await (await conn.execute("select 7 from pg_sleep(0.2)")).fetchone())
                await trio.lowlevel.checkpoint()
                answers.append("never")

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
    assert [(7,)] == answers
    assert scope.cancelled_caught
    assert await usable(conn)


async def test_a_server_that_does_not_answer_the_cancel_loses_the_connection(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelling never takes longer than its grace; a connection in doubt is closed."""
    monkeypatch.setattr(driver, "CANCEL_GRACE_S", 0.05)

    async def lost(**_: float) -> None:
        await trio.lowlevel.checkpoint()

    conn._try_cancel = lost  # type: ignore[method-assign]  # a request that the network loses
    with trio.move_on_after(0.05) as scope:
        await conn.execute("select pg_sleep(60)")
    assert scope.cancelled_caught
    assert conn.closed
    assert not conn.outcome_unknown


async def test_a_cancelled_transaction_is_rolled_back(
    conn: Connection, one: Session, blocked: Callable[[int], None]
) -> None:
    """Between statements and during one, with savepoints open."""
    await conn.execute("create table t (n int)")
    with trio.CancelScope() as between:
        async with conn.transaction(), conn.transaction():
            await conn.execute("insert into t values (1)")
            between.cancel()
            await trio.lowlevel.checkpoint()
    one.execute("select pg_advisory_lock(1)")
    async with trio.open_nursery() as nursery:

        async def insert_and_wait() -> None:
            async with conn.transaction(), conn.transaction():
                await conn.execute("insert into t values (2)")
                await conn.execute("select pg_advisory_xact_lock(1)")

        nursery.start_soon(insert_and_wait)
        await until_blocked(blocked, conn)
        nursery.cancel_scope.cancel()
    assert [] == one.execute("select n from t").fetchall()
    assert await usable(conn)


async def test_a_transaction_that_ends_in_a_cancelled_scope_is_rolled_back(
    conn: Connection, one: Session
) -> None:
    """No COMMIT is sent there: either all of the block counts, or nothing does."""
    one.execute("create table t (n int)")
    with trio.CancelScope() as scope:
        async with conn.transaction():
            await conn.execute("insert into t values (1)")
            scope.cancel()
    assert scope.cancelled_caught
    assert [] == one.execute("select n from t").fetchall()
    assert await usable(conn)


async def test_beginning_in_a_cancelled_scope_begins_nothing(conn: Connection) -> None:
    """The bookkeeping of nesting stays right."""
    with trio.CancelScope() as scope:
        scope.cancel()
        async with conn.transaction():
            raise AssertionError("never entered")
    async with conn.transaction():
        await conn.execute("select 1")
    assert await usable(conn)


async def commit_one_row(conn: Connection) -> None:
    """Insert a row; its COMMIT waits for the advisory lock 1."""
    async with conn.transaction():
        await conn.execute("insert into t values (1)")


async def test_a_commit_under_way_is_seen_through(
    conn: Connection, one: Session, blocked: Callable[[int], None]
) -> None:
    """Cancelled during COMMIT: the answer is awaited, and it counts."""
    one.execute(SLOW_COMMIT)
    one.execute("select pg_advisory_lock(1)")
    committed = False
    async with trio.open_nursery() as nursery:

        async def commit() -> None:
            nonlocal committed
            await commit_one_row(conn)
            committed = True

        nursery.start_soon(commit)
        await until_blocked(blocked, conn)
        nursery.cancel_scope.cancel()
        one.execute("select pg_advisory_unlock(1)")
    assert committed
    assert not conn.outcome_unknown
    assert [(1,)] == one.execute("select n from t").fetchall()
    assert await usable(conn)


async def test_a_commit_that_never_answers_is_an_unknown_outcome(
    conn: Connection,
    one: Session,
    blocked: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The caller is cancelled, the connection is closed, and its flag says what is not known."""
    monkeypatch.setattr(driver, "COMMIT_GRACE_S", 0.05)
    one.execute(SLOW_COMMIT)
    one.execute("select pg_advisory_lock(1)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit_one_row, conn)
        await until_blocked(blocked, conn)
        nursery.cancel_scope.cancel()
    assert nursery.cancel_scope.cancelled_caught
    assert conn.closed
    assert conn.outcome_unknown


async def test_a_connection_that_breaks_during_commit_says_so(
    conn: Connection, one: Session, blocked: Callable[[int], None]
) -> None:
    """Nobody may take it for a failure: the transaction may have happened."""
    one.execute(SLOW_COMMIT)
    one.execute("select pg_advisory_lock(1)")
    async with trio.open_nursery() as nursery:

        async def commit() -> None:
            with pytest.raises(OutcomeUnknown, match="COMMIT"):
                await commit_one_row(conn)

        nursery.start_soon(commit)
        await until_blocked(blocked, conn)
        one.execute("select pg_terminate_backend(%s)", [conn.info.backend_pid])
    assert conn.closed
    assert conn.outcome_unknown


async def test_a_commit_that_fails_is_a_failure_and_known(conn: Connection, one: Session) -> None:
    """A deferred constraint: the server said no, so nothing is in doubt."""
    one.execute("create table t (n int unique deferrable initially deferred)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with conn.transaction():
            await conn.execute("insert into t values (1), (1)")
    assert not conn.outcome_unknown
    assert await usable(conn)


@pytest.mark.parametrize("direction", ["from stdin", "to stdout"])
async def test_a_cancelled_copy_closes_the_connection(
    conn: Connection, one: Session, direction: str
) -> None:
    """Half a COPY has no way back; the server drops what came of it."""
    one.execute("create table t (n text)")
    one.execute("insert into t select repeat('x', 1000) from generate_series(1, 20000)")
    with trio.CancelScope() as scope:
        async with conn.cursor() as cursor, cursor.copy(f"copy t {direction}".encode()) as copy:
            scope.cancel()
            while True:
                await (copy.write(b"x\n") if direction == "from stdin" else copy.read())
    assert scope.cancelled_caught
    assert conn.closed
    assert [(20_000,)] == one.execute("select count(*) from t").fetchall()


async def test_a_pipeline_that_waits_is_cancelled_and_left_cleanly(
    conn: Connection, one: Session, blocked: Callable[[int], None]
) -> None:
    """Every answer could be had, so the connection goes on."""
    one.execute("select pg_advisory_lock(1)")
    async with trio.open_nursery() as nursery:

        async def claim_and_read() -> None:
            async with conn.pipeline():
                await conn.execute("select pg_advisory_xact_lock(1)")
                conn.separate()
                await conn.execute("select 2")

        nursery.start_soon(claim_and_read)
        await until_blocked(blocked, conn)
        nursery.cancel_scope.cancel()
    assert nursery.cancel_scope.cancelled_caught
    assert await usable(conn)


async def test_a_pipeline_cancelled_between_statements_is_usable_or_closed(
    conn: Connection,
) -> None:
    """Never a connection that is stuck in between, and never another error than Cancelled."""
    with trio.CancelScope() as scope:
        async with conn.pipeline():
            await conn.execute("select 1")
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert conn.closed or await usable(conn)


async def test_cancelling_a_wait_for_notifications_costs_nothing(
    conn: Connection, one: Session
) -> None:
    """No statement runs, so none is cancelled, and the next notification arrives."""
    await conn.execute("listen c")
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery, aclosing(conn.notifies()) as notifies:
            nursery.start_soon(_cancel_when_blocked, scope)
            async for _ in notifies:
                raise AssertionError("nobody notifies")
    one.execute("notify c, 'still here'")
    async with aclosing(conn.notifies(stop_after=1)) as notifies:
        assert ["still here"] == [notify.payload async for notify in notifies]
    assert await usable(conn)


async def _cancel_when_blocked(scope: trio.CancelScope) -> None:
    await trio.testing.wait_all_tasks_blocked()
    scope.cancel()
