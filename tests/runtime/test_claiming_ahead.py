"""The next claim is sent while the bodies of the last one are on their way: what if they are late.

Here they come when a test lets them. Until then a worker has jobs of which it knows no more than
their numbers, and a claim behind them of which it knows nothing.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import awa
from awa._runtime import incarnation
from awa._runtime.incarnation import Incarnation
from tests.fix_database import NewSession, Session
from tests.tcp_proxy import open_proxy
from tests.workers import Number, until

SOME = 10
WHOLE = 20
JOBS = 2 * WHOLE + 10

_BODIES_WAIT = r"""
    do $do$ begin
        execute replace(pg_get_functiondef('awa.bodies'::regproc),
                        E'\nbegin\n', E'\nbegin perform pg_advisory_xact_lock_shared(42);\n');
    end $do$"""


@asynccontextmanager
async def claimed_ahead(
    conninfo: str, holder: Session, seen: Counter[int]
) -> AsyncIterator[awa.AsyncClient]:
    """Run a worker that waits for the bodies of a claim, and has sent another one."""
    holder.execute(_BODIES_WAIT)
    async with awa.AsyncClient(conninfo) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            seen[job.args.n] += 1

        await client.start([{"name": "q", "max_workers": 100, "claim_batch_size": WHOLE}])
        # The first claim may bring bodies with it, as those after a few jobs do.
        await client.insert_many([Number(n) for n in range(SOME)], queue="q")
        await until(lambda: seen.total() == SOME and life_of(client).has_nothing())
        holder.execute("select pg_advisory_lock(42)")
        await client.insert_many([Number(n) for n in range(SOME, SOME + JOBS)], queue="q")
        ledger = life_of(client).hands.ledger
        await until(lambda: ledger.jobs() == WHOLE and len(ledger.open_calls()) == 2)
        yield client


def life_of(client: awa.AsyncClient) -> Incarnation:
    """Return what the client's worker is made of just now."""
    assert client._worker is not None
    assert client._worker._incarnation is not None
    return client._worker._incarnation


async def test_a_connection_lost_between_a_claim_and_its_bodies_loses_and_doubles_nothing(
    database: str, session: NewSession
) -> None:
    """Guards EntryClaimedOnce: the bodies and the claim behind them are both asked for again."""
    seen: Counter[int] = Counter()
    with session() as holder:
        async with open_proxy(database) as proxy, claimed_ahead(proxy.conninfo, holder, seen) as c:
            assert 1 == proxy.cut_those_that_said('"bodies"')
            holder.execute("select pg_advisory_unlock(42)")
            await until(lambda: seen.total() >= SOME + JOBS)
            await c.shutdown()
        assert {1} == set(seen.values())
        ends = holder.execute("select distinct outcome::text from awa.closures")
        assert [("completed",)] == ends.fetchall(), "and none was given back"
        looked = holder.execute("select count(*) from awa.attempts").fetchone()
        assert (SOME + JOBS,) == looked


async def test_who_stops_gives_back_what_it_has_no_bodies_of(
    database: str, session: NewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards shutdown: the jobs are released by their numbers.

    Of the claim behind them nothing is known; what it took, if it did, is a loss.
    """
    monkeypatch.setattr(incarnation, "LAST_CLAIM_S", 0.1)
    seen: Counter[int] = Counter()
    with session() as holder:
        async with claimed_ahead(database, holder, seen) as client:
            await client.shutdown(timeout_ms=0)
        assert SOME == seen.total()
        holder.execute("select pg_advisory_unlock(42)")
        released = holder.execute(
            "select sum(upper(r) - lower(r))::int from awa.closures, unnest(seqs) r"
            " where outcome = 'released'"
        )
        assert released.fetchone() == (WHOLE,)
