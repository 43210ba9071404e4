"""Sessions that do not last: found out for certain, and left as they were."""

from collections.abc import Callable

import psycopg
import pytest
import trio

from awa._storage import codec
from awa._storage.calls import Call
from awa._storage.connecting import open_connection
from awa._storage.piping import Asked, answer_of, send_ahead
from awa._storage.pooling import sessions_last
from correctness.bouncer import Bouncer
from tests.facts import WAIT_S_MAX
from tests.fix_database import Session, open_session
from tests.fix_sql import start_worker

MANY = 12
"""psycopg prepares a statement when it is sent for the sixth time."""


async def lasts(conninfo: str) -> bool:
    """Ask over a connection as a worker does."""
    async with open_connection(conninfo) as conn:
        return await sessions_last(conn, conninfo)


async def test_the_sessions_of_a_server_last(database: str) -> None:
    """Guards workers without a pooler: they are not taken for others."""
    assert await lasts(database)


@pytest.mark.parametrize("size", [1, 2, 6])
@pytest.mark.parametrize("turn", [0, 1])
async def test_the_sessions_of_a_pool_of_transactions_do_not_last(
    new_bouncer: Callable[..., Bouncer], database: str, size: int, turn: int
) -> None:
    """Guards the self-test: whichever connection of the pool is lent next, the oldest or newest."""
    bouncer = new_bouncer(default_pool_size=str(size), server_round_robin=str(turn))
    assert not await lasts(bouncer.conninfo(dbname(database)))


async def test_the_sessions_of_a_pool_in_use_do_not_last(pooled: str) -> None:
    """Guards the self-test where others are at work: one takes the connection it had before."""
    with psycopg.connect(pooled) as busy, open_session(pooled):
        busy.execute("select 1")
        assert not await lasts(pooled)


async def test_the_sessions_of_a_pool_of_sessions_last(
    new_bouncer: Callable[..., Bouncer], database: str
) -> None:
    """Guards workers behind a pooler that lends a session as a whole: they may listen and lead."""
    assert await lasts(new_bouncer(pool_mode="session").conninfo(dbname(database)))


async def test_a_connection_leaves_nothing_in_a_pools_session(pooled: str) -> None:
    """Guards others behind the same pooler: neither a setting nor a statement stays there."""
    async with open_connection(pooled, settings={"statement_timeout": "77s"}) as conn:
        for _ in range(MANY):
            await conn.execute("select 1")
        assert conn.prepare_threshold is None
    with open_session(pooled, prepare_threshold=None) as session:
        shown = session.execute("select current_setting('statement_timeout')").fetchone()
        prepared = session.execute("select name from pg_prepared_statements").fetchall()
    assert (("0",), []) == (shown, prepared)


async def test_a_session_that_lasts_gets_its_settings(
    new_bouncer: Callable[..., Bouncer], database: str
) -> None:
    """Guards listeners and leaders behind a pooler of sessions: their time-outs are made there."""
    pooled = new_bouncer(pool_mode="session").conninfo(dbname(database))
    async with open_connection(pooled, settings={"statement_timeout": "77s"}, lasting=True) as conn:
        shown = await (await conn.execute("show statement_timeout")).fetchone()
    assert ("77s",) == shown


def test_a_worker_without_lasting_sessions_is_never_absent(one: Session) -> None:
    """Guards workers behind a pooler: no lock of theirs is missed, only their beats."""
    start_worker(one, 1)
    one.execute("select awa.worker_start(2, '{\"poll_only\": true}')")
    seen = one.execute("select worker, alive from awa.observe()").fetchall()
    assert [(1, False), (2, True)] == seen


def dbname(conninfo: str) -> str:
    """Return the name of the database."""
    return str(psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"])


async def test_two_calls_in_one_round_trip_are_two_behind_a_pool(
    new_bouncer: Callable[..., Bouncer], database: str
) -> None:
    """Guards answers: in pipelines through a pool some get lost, and some come to others."""
    pooled = new_bouncer(default_pool_size="3", server_round_robin="1").conninfo(dbname(database))
    answered: list[tuple[int, int]] = []

    async def ask(who: int) -> None:
        async with open_connection(pooled) as conn:
            for n in range(MANY):
                with trio.fail_after(WAIT_S_MAX):
                    first, second = Asked(call=said(who)), Asked(call=said(n, last_ms=n % 3))
                    await send_ahead(conn, first, second)
                    both = await answer_of(conn, first), await answer_of(conn, second)
                assert both == (who, n)
                answered.append(both)

    async with trio.open_nursery() as nursery:
        for who in range(MANY):
            nursery.start_soon(ask, who)
    assert MANY * MANY == len(answered)


def said(number: int, *, last_ms: int = 0) -> Call[int]:
    """Return a call that answers this number, after so long, and writes."""
    sql = "select %s::int from pg_sleep(%s::int / 1000.0), txid_current()"
    return Call(action="said", sql=sql, params=(number, last_ms), decode=codec.scalar(int))
