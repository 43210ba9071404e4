"""Several sessions of one worker that claim from a queue at once."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio

import awa
from awa._runtime.incarnation import Incarnation
from awa._runtime.settings import WorkerSettings
from awa._runtime.sleeping import Phase
from tests.fix_database import NewSession, Session
from tests.tcp_proxy import open_proxy
from tests.workers import Number, until

BATCH = 20
JOBS = 8 * BATCH

_BODIES_WAIT = r"""
    do $do$ begin
        execute replace(pg_get_functiondef('awa.bodies'::regproc), E'\nbegin\n', E'\nbegin '
            'perform pg_advisory_xact_lock_shared(42) from awa.claims c where c.token = $1;\n');
    end $do$"""
"""Of a claim that got something."""


class Quick(awa.AsyncClient):
    """A client whose workers beat five times a second."""

    def _settings(self, queues: Any, options: Any, *, timeout_ms: int = 0) -> WorkerSettings:
        settings = super()._settings(queues, options, timeout_ms=timeout_ms)
        return replace(settings, heartbeat_s=0.2)


def life_of(client: awa.AsyncClient) -> Incarnation:
    """Return what the client's worker is made of just now."""
    assert client._worker is not None
    assert client._worker._incarnation is not None
    return client._worker._incarnation


@asynccontextmanager
async def held_up(
    conninfo: str, holder: Session, seen: Counter[int], *, claimers: int
) -> AsyncIterator[awa.AsyncClient]:
    """Run a worker whose claims all wait for the bodies of what they took, with more queued."""
    holder.execute(_BODIES_WAIT)
    async with Quick(conninfo) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            seen[job.args.n] += 1

        await client.configure_queue("q", enqueue_shards=4)
        queue = awa.QueueConfig(
            name="q", max_workers=JOBS, claim_batch_size=BATCH, claimers=claimers
        )
        await client.start([queue])
        # The first claim may bring bodies with it, as those after a few jobs do.
        await client.insert_many([Number(n) for n in range(BATCH)], queue="q")
        await until(lambda: seen.total() == BATCH and life_of(client).has_nothing())
        life_of(client).hands.claimer._few = False
        holder.execute("select pg_advisory_lock(42)")
        await client.insert_many([Number(n) for n in range(BATCH, BATCH + JOBS)], queue="q")
        yield client


async def test_each_claimer_claims_while_the_others_wait(
    database: str, session: NewSession
) -> None:
    """Guards the knob: a session that is held up does not keep the others from claiming."""
    seen: Counter[int] = Counter()
    with session() as holder:
        async with held_up(database, holder, seen, claimers=3) as client:
            ledger = life_of(client).hands.ledger
            await until(lambda: ledger.jobs() == 3 * BATCH)
            # One more for each is under way behind the bodies.
            await until(lambda: len(ledger.open_calls()) == 6)
            holder.execute("select pg_advisory_unlock(42)")
            await until(lambda: seen.total() == BATCH + JOBS)
            await client.shutdown()
    assert {1} == set(seen.values())


async def test_beats_between_the_answers_take_nothing_from_any_claimer(
    database: str, session: NewSession
) -> None:
    """Guards LiveStays: a beat names every call without an answer, and what was claimed stays."""
    seen: Counter[int] = Counter()
    with session() as holder:
        async with held_up(database, holder, seen, claimers=3) as client:
            life = life_of(client)
            await until(lambda: len(life.hands.ledger.open_calls()) == 6)
            beaten_s = life.heart.beat_s + 0.2
            await until(lambda: life.heart.beat_s > beaten_s)
            holder.execute("select pg_advisory_unlock(42)")
            await until(lambda: seen.total() == BATCH + JOBS)
            await client.shutdown()
        assert {1} == set(seen.values())
        ends = holder.execute("select distinct outcome::text from awa.closures")
        assert [("completed",)] == ends.fetchall()


async def test_one_claimer_claims_alone(database: str, session: NewSession) -> None:
    """Guards the default, which is what the test beside this one differs from."""
    seen: Counter[int] = Counter()
    with session() as holder:
        async with held_up(database, holder, seen, claimers=1) as client:
            hands = life_of(client).hands
            await until(lambda: hands.ledger.jobs() == BATCH and len(hands.ledger.open_calls()) > 1)
            assert 1 == len(hands.claims)
            holder.execute("select pg_advisory_unlock(42)")
            await until(lambda: seen.total() == BATCH + JOBS)
            await client.shutdown()


async def test_claimers_that_are_all_cut_off_lose_and_double_nothing(
    database: str, session: NewSession
) -> None:
    """Guards EntryClaimedOnce: each asks for its own claims and bodies again."""
    seen: Counter[int] = Counter()
    with session() as holder:
        async with (
            open_proxy(database) as proxy,
            held_up(proxy.conninfo, holder, seen, claimers=3) as client,
        ):
            ledger = life_of(client).hands.ledger
            await until(lambda: ledger.jobs() == 3 * BATCH and len(ledger.open_calls()) == 6)
            assert 3 == proxy.cut_those_that_said('"bodies"')
            holder.execute("select pg_advisory_unlock(42)")
            await until(lambda: seen.total() >= BATCH + JOBS)
            await client.shutdown()
        assert {1} == set(seen.values())
        ends = holder.execute("select distinct outcome::text from awa.closures")
        assert [("completed",)] == ends.fetchall(), "and none was given back"


async def test_who_stops_gives_back_what_every_claimer_took(
    database: str, session: NewSession
) -> None:
    """Guards shutdown: nothing stays open that no handler has seen."""
    seen: Counter[int] = Counter()
    with session() as holder:
        async with held_up(database, holder, seen, claimers=3) as client:
            ledger = life_of(client).hands.ledger
            await until(lambda: ledger.jobs() == 3 * BATCH)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.shutdown)
                await until(lambda: life_of(client).hands.claimer._stopping)
                holder.execute("select pg_advisory_unlock(42)")
        states: dict[str, int] = dict(
            holder.execute("select state::text, count(*) from awa.jobs group by 1").fetchall()
        )
    assert {"available", "completed"} >= set(states), states
    assert BATCH + JOBS == sum(states.values())
    assert seen.total() == states["completed"]


async def test_claimers_without_a_connection_keep_nothing_from_the_others(database: str) -> None:
    """Guards the room: nothing is asked for, and so nothing is taken, before a call can leave."""
    seen: Counter[int] = Counter()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            await trio.sleep(0.01)
            seen[job.args.n] += 1

        queue = awa.QueueConfig(name="q", max_workers=3 * BATCH, claim_batch_size=BATCH, claimers=4)
        await client.start([queue])
        beside = life_of(client).hands.claims[1:]
        for one in beside:
            one._conninfo = "host=127.0.0.1 port=1"
        await client.insert_many([Number(n) for n in range(JOBS)], queue="q")
        await until(lambda: seen.total() == JOBS)
        assert any(one.trouble for one in beside)
        began_s = trio.current_time()
        await client.shutdown()
        assert trio.current_time() - began_s < 3.0, "nobody waits for a claim that never left"


async def test_one_handler_starts_jobs_in_order_whatever_claims_them(database: str) -> None:
    """Guards who relies on one handler for the order of a key, as in a fan-out."""
    started: list[int] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            started.append(job.args.n)

        await client.insert_many([Number(n) for n in range(20 * BATCH)], queue="q")
        queue = awa.QueueConfig(name="q", max_workers=1, claim_batch_size=BATCH, claimers=4)
        await client.start([queue])
        await until(lambda: len(started) == 20 * BATCH)
        await client.shutdown()
    assert sorted(started) == started


@pytest.mark.parametrize("limit", ["permits", "rate"])
async def test_claimers_share_the_room_of_their_queue(
    database: str, session: NewSession, limit: str
) -> None:
    """Guards Capacity and the rate: all together take no more than one alone would."""
    most = 3 * BATCH
    began = 0
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def wait(_job: awa.Job[Number]) -> None:
            nonlocal began
            began += 1
            await trio.sleep_forever()

        await client.configure_queue("q", enqueue_shards=4)
        await client.insert_many([Number(n) for n in range(JOBS)], queue="q")
        shared = {"name": "q", "claim_batch_size": BATCH, "claimers": 4}
        rated = {"max_workers": JOBS, "rate_limit": (0.001, most)}
        await client.start([{**shared, **(rated if limit == "rate" else {"max_workers": most})}])
        await until(lambda: began == most)
        permits = life_of(client).hands.permits["q"]
        with session() as looking:
            for _ in range(20):
                taken = looking.execute(
                    "select count(*) from awa.jobs where state = 'running'"
                ).fetchone()
                assert (most,) == taken
                assert most == permits.held + permits.asked
                await trio.sleep(0.01)
        await client.shutdown(timeout_ms=0)


async def test_a_worker_with_claimers_sleeps_and_is_woken(database: str) -> None:
    """Guards idleness: those beside the first do not look for themselves."""
    seen: Counter[int] = Counter()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            seen[job.args.n] += 1

        queue = awa.QueueConfig(name="q", max_workers=100, claim_batch_size=BATCH, claimers=4)
        await client.start([queue])
        for wave in range(3):
            numbers = range(wave * JOBS, (wave + 1) * JOBS)
            await client.insert_many([Number(n) for n in numbers], queue="q")
            await until(lambda done=numbers.stop: seen.total() == done)  # type: ignore[misc]
            hands = life_of(client).hands
            asleep = hands.claimer._sleeping.queues["q"]
            await until(lambda asleep=asleep: asleep.phase is Phase.QUIET)  # type: ignore[misc]
            calls = hands.ledger.last_call
            await trio.sleep(0.05)
            assert calls == hands.ledger.last_call, "nobody asks while it sleeps"
        await client.shutdown()
    assert {1} == set(seen.values())


@pytest.mark.parametrize("most", [None, 3 * BATCH + 1])
async def test_a_drain_by_claimers_takes_all_or_as_many_as_it_was_told(
    database: str, most: int | None
) -> None:
    """Guards bursts: it ends when nothing is left, or with as many as it was told."""
    seen: Counter[int] = Counter()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            seen[job.args.n] += 1

        await client.configure_queue("q", enqueue_shards=4)
        await client.insert_many([Number(n) for n in range(JOBS)], queue="q")
        queue = awa.QueueConfig(name="q", max_workers=100, claim_batch_size=BATCH, claimers=4)
        await client.run_until_drained([queue], max_jobs=most)
    assert seen.total() == (JOBS if most is None else most)
    assert {1} == set(seen.values())
