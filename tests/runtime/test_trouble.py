"""Trouble with the database: lost answers are asked for again, nothing is lost or doubled."""

import logging
from collections import Counter

import pytest
import trio

import awa
from awa._runtime import listening
from awa._storage import driver
from awa._storage.functions import Storage
from tests.fix_cluster import NewCluster
from tests.fix_database import NewSession
from tests.tcp_proxy import Proxy, open_proxy
from tests.workers import WAIT_S_MAX, Number, until, until_found, until_state


def counting(client: awa.AsyncClient) -> Counter[int]:
    """Register a handler that counts how often each number ran."""
    seen: Counter[int] = Counter()

    @client.task(Number, queue="q")
    async def handle(job: awa.Job[Number]) -> None:
        seen[job.args.n] += 1

    return seen


async def test_a_claim_whose_answer_is_lost_is_asked_again_with_its_token(
    database: str, session: NewSession
) -> None:
    """Guards EntryClaimedOnce: what the lost answer held is run, once, under one token."""
    async with open_proxy(database) as proxy, awa.AsyncClient(proxy.conninfo) as client:
        seen = counting(client)
        await client.insert_many([Number(n) for n in range(20)], queue="q")
        proxy.cut_after_sending('"claim"')
        await client.start([("q", 20)])
        await until(lambda: seen.total() >= 20)
        await client.shutdown()
        assert 1 == proxy.cuts
    assert {1} == set(seen.values())
    with session() as conn:
        assert (20,) == conn.execute("select count(*) from awa.attempts").fetchone()


@pytest.mark.parametrize(
    "statement",
    ['"complete"', '"release"', '"retry"', '"snooze"', '"fail"', '"cancel_running"'],
)
async def test_a_settle_whose_answer_is_lost_is_repeated(
    database: str, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards outcomes: the repeat carries the same settle id and is told `already`."""
    blocked = trio.Event()
    async with open_proxy(database) as proxy, awa.AsyncClient(proxy.conninfo) as client:

        @client.task(Number, queue="q", backoff=[3600], fail_on=KeyError)
        async def handle(job: awa.Job[Number]) -> object:
            match job.args.n:
                case 1:
                    raise ValueError
                case 2:
                    return awa.Snooze(3600)
                case 3:
                    raise KeyError
                case 4:
                    return awa.Cancel("enough")
                case 5:
                    blocked.set()
                    await trio.sleep_forever()
            return None

        proxy.cut_after_sending(statement)
        await client.start([("q", 6)])
        handles = await client.insert_many([Number(n) for n in range(6)], queue="q")
        wanted = ["completed", "retryable", "scheduled", "failed", "cancelled", "running"]
        for handle_of, state in zip(handles, wanted, strict=True):
            await until_state(client, handle_of.id, state)
        await blocked.wait()
        await client.shutdown(timeout_ms=0)
        await until_state(client, handles[5].id, "available")
        assert 1 == proxy.cuts
    assert [] == [r.message for r in caplog.records if "had ended before" in r.message]


async def test_a_dropped_listener_is_replaced_and_jobs_are_picked_up_meanwhile(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards pick-up: without a listener the worker polls; the new listener hears again."""
    caplog.set_level(logging.INFO)
    async with open_proxy(database) as proxy, awa.AsyncClient(proxy.conninfo) as client:
        seen = counting(client)
        await client.start([("q", 2)])
        worker = client._worker
        assert worker is not None
        await until(lambda: worker.health().listening)
        assert 1 == proxy.cut_those_that_said("listen ")
        await client.insert(Number(1))
        await until(lambda: seen[1] == 1)
        await until(lambda: worker.health().listening)
        await client.insert(Number(2))
        await until(lambda: seen[2] == 1)


async def test_a_listener_that_gets_no_answers_is_replaced(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the beats: a path that swallows answers breaks nothing, and must not stop them."""
    monkeypatch.setattr(listening, "CALL_TIMEOUT_S", 0.2)
    monkeypatch.setattr(driver, "CANCEL_GRACE_S", 0.2)
    async with open_proxy(database) as proxy, awa.AsyncClient(proxy.conninfo) as client:
        counting(client)
        await client.start([("q", 2)])
        worker = client._worker
        assert worker is not None
        await until(lambda: worker.health().listening)
        assert 1 == proxy.silence_those_that_said("listen ")
        assert worker._incarnation is not None
        with trio.fail_after(WAIT_S_MAX), pytest.raises(listening.Deaf):
            await worker._incarnation.listener.ask(Storage().wake_up())
        await until(lambda: worker.health().listening)


@pytest.mark.bulk
async def test_every_connection_cut_again_and_again_loses_and_doubles_nothing(
    database: str, session: NewSession
) -> None:
    """Guards the whole: claims, settles, flags and beats all come back."""
    async with open_proxy(database) as proxy, awa.AsyncClient(proxy.conninfo) as client:
        seen = counting(client)
        await client.enqueue_many_copy((Number(n) for n in range(3000)), queue="q")
        await client.start([("q", 4)])
        for share in range(1, 6):
            await until(lambda done=share * 500: seen.total() >= done)  # type: ignore[misc]
            proxy.cut_all()
        await until(lambda: seen.total() >= 3000)
        await client.shutdown()
        assert "running" not in {job.state for job in await client.list_jobs(limit=3000)}
    # A worker that was cut off still runs what it claimed: once each.
    assert 3000 == len(seen)
    assert {1} == set(seen.values())


async def test_a_worker_outlives_a_restart_of_the_server(
    new_cluster: NewCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards operations: an upgrade of the server is a pause for its workers."""
    cluster = new_cluster()
    async with awa.AsyncClient(cluster.conninfo()) as client:
        await client.migrate()
        seen = counting(client)
        await client.start([("q", 2)])
        await client.insert(Number(1))
        await until(lambda: seen[1] == 1)
        await trio.to_thread.run_sync(cluster.restart)

        async def insert() -> bool:
            try:
                await client.insert(Number(2))
            except awa.WorldError:
                return False
            return True

        await until_found(insert)
        await until(lambda: seen[2] == 1)
        await client.shutdown()
        assert () == await client.check()


@pytest.mark.by_hand
async def test_a_worker_whose_row_is_gone_starts_anew(
    database: str, session: NewSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against zombies: presumed dead, it cancels what it runs and takes a new number.

    And rate_limit: a new life does not have a burst of its own.
    """
    cancelled = trio.Event()
    async with awa.AsyncClient(database) as client:
        seen = counting(client)

        @client.task(dict, kind="long", queue="q")
        async def handle(job: awa.Job[dict[str, int]]) -> None:
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

        await client.start([{"name": "q", "max_workers": 2, "rate_limit": (1e-6, 9)}])
        await client.insert({}, kind="long", queue="q")
        worker = client._worker
        assert worker is not None
        await until(lambda: worker.health().claimed == 1)
        with session() as conn:
            conn.execute("delete from awa.workers")
        await client.insert(Number(1))
        await until(lambda: seen[1] == 1)
        await cancelled.wait()
        left = worker._tuner._buckets["q"].available(trio.current_time())
        assert 9 - worker.claimed == left
        with session() as conn:
            assert [(1,)] == conn.execute("select count(*) from awa.workers").fetchall()
        await client.shutdown(timeout_ms=0)
    assert any("it starts anew" in record.message for record in caplog.records)


async def test_a_worker_waits_for_a_server_that_is_not_there_yet(
    database: str, proxy_refusing: Proxy
) -> None:
    """Guards start-up order: a worker that starts before its server is patient."""
    async with awa.AsyncClient(proxy_refusing.conninfo) as client, trio.open_nursery() as nursery:
        seen = counting(client)
        nursery.start_soon(client.start, [("q", 1)])
        await until(lambda: client._worker is not None)
        assert ("the worker has not reached the database yet",) == (
            await client.health_check()
        ).problems[1:]
        proxy_refusing.refusing = False
        await client.insert(Number(1))
        await until(lambda: seen[1] == 1)


@pytest.fixture
async def proxy_refusing(database: str) -> "trio.abc.AsyncResource":  # type: ignore[misc]
    """Return a proxy that closes every connection until told otherwise."""
    async with open_proxy(database) as proxy:
        proxy.refusing = True
        yield proxy
