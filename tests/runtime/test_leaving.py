"""Shutdown: handlers finish, the rest is released, and the worker takes its leave."""

import threading
from functools import partial

import pytest
import trio

import awa
from awa._runtime import events
from awa._runtime.handlers import Handlers
from awa._runtime.limits import SHUTDOWN_TIMEOUT_S
from awa._runtime.settings import WorkerSettings
from awa._runtime.worker import Worker
from tests.fix_database import NewSession, Session
from tests.workers import Number, health_of, until, until_state


async def test_handlers_may_finish_before_the_time_is_up(database: str) -> None:
    """Guards work under way: a shutdown is no crash."""
    started, go_on = trio.Event(), trio.Event()
    async with awa.AsyncClient(database) as client, trio.open_nursery() as nursery:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> str:
            started.set()
            await go_on.wait()
            return "finished"

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await started.wait()
        nursery.start_soon(client.shutdown)
        late = await client.insert(Number(2))
        go_on.set()
        done = await until_state(client, handle_of.id, "completed")
        assert "finished" == done.result
        await client.stopped()
        found = await client.get_job(late.id)
        assert found is not None
        assert "available" == found.state, "no new jobs after the shutdown began"


async def test_who_aborts_is_given_no_more_time_by_the_end_of_the_block(database: str) -> None:
    """Guards `abort`: the shutdown that the block's end asks for does not undo it."""
    began_s = trio.current_time()
    async with awa.AsyncClient(database) as client:
        started = trio.Event()

        @client.task(Number, queue="q")
        async def handle(_job: awa.Job[Number]) -> None:
            started.set()
            await trio.sleep_forever()

        await client.start([("q", 1)])
        await client.insert(Number(1))
        await started.wait()
        client.abort()
    assert trio.current_time() - began_s < SHUTDOWN_TIMEOUT_S


async def test_what_does_not_finish_is_cancelled_and_released(
    database: str, session: NewSession
) -> None:
    """Guards the job: another worker has it at once, and its attempt did not count."""
    flags: list[bool] = []
    started: list[int] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            started.append(job.id)
            try:
                await trio.sleep_forever()
            finally:
                flags.append(job.is_cancelled())

        await client.start([("q", 2)])
        handles = await client.insert_many([Number(1), Number(2), Number(3)], queue="q")
        await until(lambda: len(started) == 2)
        await client.shutdown(timeout_ms=50)
        for handle_of in handles:
            found = await client.get_job(handle_of.id)
            assert found is not None
            assert ("available", 1) == (found.state, found.attempt)
        with session() as conn:
            assert [(0,)] == conn.execute("select count(*) from awa.workers").fetchall()
    assert [True, True] == flags


async def test_what_waits_behind_a_handler_is_released_though_a_claim_is_under_way(
    database: str, session: NewSession
) -> None:
    """Guards the job: a worker that ends at once gives back all, the last claim too."""
    started, cancelled = trio.Event(), trio.Event()
    async with awa.AsyncClient(database) as client, trio.open_nursery() as nursery:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            if job.args.n:
                started.set()
                try:
                    await trio.sleep_forever()
                finally:
                    cancelled.set()

        await client.start([("q", 1), ("other", 1)])
        # Short jobs first: the worker claims ahead.
        for handle_of in [await client.insert(Number(0)) for _ in range(3)]:
            await until_state(client, handle_of.id, "completed")
        await client.insert_many([Number(n) for n in range(1, 6)], queue="q")
        await started.wait()
        await until(lambda: health_of(client).queues["q"].waiting > 0)
        with session() as holder, session() as looker:
            with holder.transaction():
                holder.execute("lock table awa.claims in access exclusive mode")
                await client.insert(Number(6), queue="other")
                await until(lambda: _waits_for_claims(looker), "a claim that hangs")
                nursery.start_soon(partial(client.shutdown, timeout_ms=0))
                await cancelled.wait()
            await client.stopped()
            ends = looker.execute("select distinct outcome::text from awa.closures order by 1")
            assert [("completed",), ("released",)] == ends.fetchall(), "and none was lost"


async def test_who_has_left_cuts_nobody_off_when_the_time_is_up(
    database: str, session: NewSession
) -> None:
    """Guards what is told: taking leave may last longer than the handlers may have."""
    told: list[type[events.WorkerEvent]] = []
    settings = WorkerSettings(conninfo=database, schema="awa", queues=(("q", 1),), version="0")
    worker = Worker(settings, Handlers(), tell=lambda event: told.append(type(event)))
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        with session() as holder, holder.transaction():
            holder.execute("lock table awa.workers in access exclusive mode")
            up_s = trio.current_time() + 0.3
            worker.stop(timeout_s=0.3)
            await until(lambda: events.Left in told)
            await trio.sleep_until(up_s + 0.1)
    assert events.HandlersCut not in told[told.index(events.Left) :]


def _waits_for_claims(session: Session) -> bool:
    waits = (
        "select exists (select from pg_locks l join pg_stat_activity a using (pid)"
        " where not l.granted and a.datname = current_database() and a.query like '%claim%')"
    )
    return session.execute(waits).fetchone() == (True,)


async def test_a_thread_is_told_and_may_end_with_success(database: str) -> None:
    """Guards finished work: what a told handler still returns is stored."""
    started = threading.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        def handle(job: awa.Job[Number]) -> str:
            started.set()
            while not job.is_cancelled():
                threading.Event().wait(0.005)
            return "wrapped up"

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await until(started.is_set)
        await client.shutdown(timeout_ms=0)
        done = await until_state(client, handle_of.id, "completed")
        assert "wrapped up" == done.result


async def test_a_thread_that_ignores_its_flag_is_left_behind(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the end of the process: a deaf thread costs a second, and its job is released."""
    started, go_on = threading.Event(), threading.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        def handle(job: awa.Job[Number]) -> None:
            started.set()
            go_on.wait(30)

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await until(started.is_set)
        await client.shutdown(timeout_ms=0)
        await until_state(client, handle_of.id, "available")
        go_on.set()
    assert any("left behind" in record.message for record in caplog.records)


async def test_leaving_the_block_shuts_the_worker_down(database: str, session: NewSession) -> None:
    """Guards programs that forget `shutdown`: the block's end waits for outcomes."""
    started = trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            started.set()
            await trio.sleep(0.05)

        await client.start([("q", 1)])
        await client.insert(Number(1))
        await started.wait()
    with session() as conn:
        assert [("completed",)] == conn.execute("select state from awa.jobs").fetchall()
        assert [(0,)] == conn.execute("select count(*) from awa.workers").fetchall()


async def test_an_error_in_the_block_comes_out_as_it_is(database: str) -> None:
    """Guards `except awa.InvalidInput`: the client's own nursery wraps nobody's error."""

    async def fail() -> None:
        async with awa.AsyncClient(database) as client:
            await client.start([("q", 1)])
            await client.insert(Number(1), priority=9)

    with pytest.raises(awa.InvalidInput, match="priority"):
        await fail()


async def test_a_client_can_work_again_after_a_shutdown(database: str) -> None:
    """Guards tests and reloads: one client, one worker at a time, several in a row."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            pass

        for n in range(2):
            await client.start([("q", 1)])
            with pytest.raises(awa.ConfigurationError, match="runs already"):
                await client.start([("q", 1)])
            handle_of = await client.insert(Number(n))
            await until_state(client, handle_of.id, "completed")
            await client.shutdown()
