"""The pool: never more than its size, never a connection in somebody's mess, on both loops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
import trio
import trio.testing

from awa._storage import pool as pool_module
from awa._storage.driver import TrioConnection
from awa._storage.pool import Pool
from awa.errors import ConfigurationError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fix_database import Session

SESSIONS = "select count(*) from pg_stat_activity where application_name = 'pooled'"
SETTINGS = {"application_name": "pooled"}


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool of two."""
    async with Pool(database, size=2, settings=SETTINGS) as opened:
        yield opened


async def pid_lent(pool: Pool) -> int:
    """The backend of a connection that is borrowed and given back."""
    async with pool.connection() as conn:
        return conn.info.backend_pid


async def test_a_connection_is_made_once_and_lent_again(pool: Pool) -> None:
    """The one used last is lent first; it is in autocommit, with its settings."""
    first = await pid_lent(pool)
    async with pool.connection() as conn:
        assert first == conn.info.backend_pid
        assert conn.autocommit
        assert isinstance(conn, TrioConnection)
        assert ("pooled",) == await (await conn.execute("show application_name")).fetchone()
        assert (1, 0) == pool.statistics()
    assert (0, 1) == pool.statistics()


async def test_no_more_than_its_size_is_lent(pool: Pool, one: Session) -> None:
    """The third borrower waits until one of the two is given back."""
    borrowed: list[int] = []
    giving_back = trio.Event()

    async def borrow() -> None:
        async with pool.connection() as conn:
            borrowed.append(conn.info.backend_pid)
            await giving_back.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(borrow)
        while len(borrowed) < 2:
            await trio.testing.wait_all_tasks_blocked(0.001)
        assert [(2,)] == one.execute(SESSIONS).fetchall()
        assert 2 == len(borrowed)
        giving_back.set()
    assert 3 == len(borrowed)
    assert 2 == len(set(borrowed))


async def test_a_borrower_who_gives_up_takes_no_place(pool: Pool) -> None:
    """Cancelled while waiting, its turn goes to the next."""
    async with pool.connection(), pool.connection():
        with trio.move_on_after(0.01) as scope:
            await pid_lent(pool)
        assert scope.cancelled_caught
    assert (0, 2) == pool.statistics()
    assert await pid_lent(pool) > 0


async def test_a_connection_left_in_a_transaction_is_not_lent_again(
    pool: Pool, one: Session
) -> None:
    """Nor one whose autocommit the borrower changed: both are closed."""
    async with pool.connection() as conn:
        await conn.execute("begin")
        left = conn.info.backend_pid
    async with pool.connection() as conn:
        assert left != conn.info.backend_pid
        await conn.set_autocommit(False)
    assert (0, 0) == pool.statistics()
    assert await pid_lent(pool) > 0
    assert (0, 1) == pool.statistics()


async def test_a_cancelled_borrower_leaves_a_clean_connection(pool: Pool) -> None:
    """The statement was cancelled on the server, so the connection is good for the next."""
    with trio.CancelScope() as scope:
        async with pool.connection() as conn:
            cancelled = conn.info.backend_pid
            scope.deadline = trio.current_time() + 0.05
            await conn.execute("select pg_sleep(60)")
    assert scope.cancelled_caught
    assert cancelled == await pid_lent(pool)


async def test_a_connection_that_the_server_ended_is_replaced(pool: Pool, one: Session) -> None:
    """The borrower does not notice: a dead socket can be read, and that is looked at."""
    ended = await pid_lent(pool)
    one.execute("select pg_terminate_backend(%s, 10000)", [ended])
    assert ended != await pid_lent(pool)
    assert (0, 1) == pool.statistics()


async def test_a_connection_that_rested_long_is_asked_first(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round trip finds what a firewall dropped; a living connection passes."""
    monkeypatch.setattr(pool_module, "POOL_IDLE_TRUST_S", 0.0)
    first = await pid_lent(pool)
    assert first == await pid_lent(pool)


async def test_a_server_out_of_reach_is_told_and_takes_no_place() -> None:
    """Producers are told at once."""
    async with Pool("host=/nowhere dbname=d user=u", size=1) as pool:
        for _ in range(3):
            with pytest.raises(ServerUnreachable):
                await pid_lent(pool)
        assert (0, 0) == pool.statistics()


async def test_a_closed_pool_lends_nothing_and_keeps_nothing(database: str, one: Session) -> None:
    """What is idle is closed now, what is lent when it comes back."""
    pool = Pool(database, size=2, settings=SETTINGS)
    async with pool.connection() as lent:
        await pid_lent(pool)
        pool.close()
        assert (1, 0) == pool.statistics()
        assert (1,) == await (await lent.execute("select 1")).fetchone()
    assert lent.closed
    with pytest.raises(ConfigurationError, match="closed"):
        await pid_lent(pool)


def test_a_pool_needs_a_size() -> None:
    """Or every borrower would wait for ever."""
    with pytest.raises(ConfigurationError):
        Pool("", size=0)


async def leave_by_timeout(pool: Pool) -> None:
    """Be cancelled inside a transaction."""
    async with pool.connection() as conn:
        await conn.execute("begin")
        async with asyncio.timeout(0.05):
            await conn.execute("select pg_sleep(60)")


def test_under_asyncio_the_pool_lends_psycopgs_own(database: str) -> None:
    """Limits, reuse and the closing of messy connections are the same there."""

    async def main() -> None:
        async with Pool(database, size=1, settings=SETTINGS) as pool:
            async with pool.connection() as conn:
                assert isinstance(conn, psycopg.AsyncConnection)
                assert not isinstance(conn, TrioConnection)
                first = conn.info.backend_pid
            pids = await asyncio.gather(*(pid_lent(pool) for _ in range(5)))
            assert {first} == set(pids)
            with pytest.raises(TimeoutError):
                await leave_by_timeout(pool)
            assert (0, 0) == pool.statistics()
            assert first != await pid_lent(pool)
        with pytest.raises(ServerUnreachable):
            await pid_lent(Pool("host=/nowhere dbname=d user=u"))

    asyncio.run(main())
