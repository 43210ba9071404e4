"""Attempts that somebody else ends while they run: a cancel, or an end nobody told of."""

import threading
from contextlib import suppress
from typing import LiteralString

import pytest
import trio

import awa
from awa._runtime import incarnation
from tests.fix_database import NewSession, Session
from tests.workers import WAIT_S_MAX, Number, health_of, until, until_state

CANCEL: LiteralString = (
    "select x.answer from awa.attempts a cross join lateral awa.cancel_running(null, %s,"
    " array[a.slot], array[a.token], array[a.part],"
    " array[int8multirange(int8range(a.seq, a.seq + 1))], 'not wanted') x"
    " where a.job_id = %s and a.outcome is null"
)
PUT_OFF: LiteralString = (
    "select x.answer from awa.attempts a cross join lateral awa.snooze(a.worker # 1, %s,"
    " array[a.slot], array[a.token], array[a.part],"
    " array[int8multirange(int8range(a.seq, a.seq + 1))], array[3600]) x"
    " where a.job_id = %s and a.outcome is null"
)


def act(conn: Session, statement: LiteralString, job_id: int) -> None:
    """End the job's open attempt, as an operator or somebody else would."""
    assert [("settled",)] == conn.execute(statement, [job_id, job_id]).fetchall()


async def test_a_cancel_reaches_a_running_async_handler(database: str, session: NewSession) -> None:
    """Guards cancels: the handler is cancelled at once, cleans up, and its job is cancelled."""
    started, ended = trio.Event(), trio.Event()
    flags: list[bool] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            if job.args.n == 2:
                return
            started.set()
            try:
                await trio.sleep_forever()
            finally:
                flags.append(job.is_cancelled())
                ended.set()

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await started.wait()
        with session() as conn:
            act(conn, CANCEL, handle_of.id)
        with trio.fail_after(4.5):  # less than a heartbeat, which would tell it too
            await ended.wait()
        assert [True] == flags
        cancelled = await until_state(client, handle_of.id, "cancelled")
        assert "not wanted" == cancelled.reason
        await until_state(client, (await client.insert(Number(2))).id, "completed")
        health = health_of(client)
        assert (1, 0, 0, 0) == (
            health.ended_elsewhere,
            health.late,
            health.failures,
            health.cancelled,
        )


async def test_a_cancel_reaches_a_thread(database: str, session: NewSession) -> None:
    """Guards cancels of what cannot be cancelled: the flag; what it returns then is not stored."""
    started = threading.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        def handle(job: awa.Job[Number]) -> str:
            started.set()
            while not job.is_cancelled():
                threading.Event().wait(0.005)
            return "finished nevertheless"

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await until(started.is_set)
        with session() as conn:
            act(conn, CANCEL, handle_of.id)
        await until(lambda: health_of(client).ended_elsewhere == 1)
        cancelled = await until_state(client, handle_of.id, "cancelled")
        assert None is cancelled.result
        assert (0, 0) == (health_of(client).late, health_of(client).completed)


async def test_a_handler_that_ignores_a_cancel_is_left_behind(
    database: str, session: NewSession
) -> None:
    """Guards the queue: its permit comes back after the grace, whatever the handler does."""
    started, go_on = trio.Event(), trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            if job.args.n == 2:
                return
            started.set()
            while not go_on.is_set():
                with suppress(trio.Cancelled), trio.CancelScope(shield=True):
                    await go_on.wait()

        await client.start([("q", 1)], grace_s=0.05)
        handle_of = await client.insert(Number(1))
        await started.wait()
        with session() as conn:
            act(conn, CANCEL, handle_of.id)
        await until_state(client, (await client.insert(Number(2))).id, "completed")
        assert 1 == health_of(client).queues["q"].left_behind
        go_on.set()
        await until(lambda: health_of(client).queues["q"].left_behind == 0)
        assert 1 == health_of(client).ended_elsewhere


async def test_a_cancel_that_nobody_was_told_of_is_seen_after_the_next_beat(
    database: str, session: NewSession
) -> None:
    """Guards lost notifications: behind a pooler, or from a session that must not notify."""
    started, ended = trio.Event(), trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            started.set()
            try:
                await trio.sleep_forever()
            finally:
                ended.set()

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await started.wait()
        with session() as conn:
            conn.execute("set awa.notify = off")
            act(conn, CANCEL, handle_of.id)
        with trio.fail_after(WAIT_S_MAX):
            await ended.wait()


async def test_a_cancelled_attempt_that_waits_behind_another_never_starts(
    database: str, session: NewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards jobs claimed ahead: they are running to the database, and not here."""
    # However slow the machine is, they wait here until the worker has heard of the cancel.
    monkeypatch.setattr(incarnation, "PREFETCH_WAIT_MAX_S", WAIT_S_MAX)
    seen: list[int] = []
    blocked = trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            seen.append(job.args.n)
            if job.args.n == -1:
                blocked.set()
                await until(lambda: health_of(client).ended_elsewhere == 1)

        await client.insert_many([Number(0)] * 200, queue="q")
        await client.start([("q", 1)])
        await until(lambda: health_of(client).completed == 200)
        _, second, third = await client.insert_many([Number(-1), Number(2), Number(3)])
        await blocked.wait()
        await until(lambda: health_of(client).queues["q"].waiting == 2)
        with session() as conn:
            act(conn, CANCEL, second.id)
        await until_state(client, third.id, "completed")
        await until_state(client, second.id, "cancelled")
        assert 2 not in seen
        assert 1 == health_of(client).ended_elsewhere


async def test_an_attempt_that_somebody_else_settled_is_not_settled_again(
    database: str, session: NewSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards OnlyOpenSettles: the late outcome is told `stale`, counted, and changes nothing."""
    started, go_on = trio.Event(), trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> str:
            started.set()
            await go_on.wait()
            return "too late"

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await started.wait()
        with session() as conn:
            act(conn, PUT_OFF, handle_of.id)
        go_on.set()
        await until(lambda: health_of(client).late == 1)
        found = await until_state(client, handle_of.id, "scheduled")
        assert (1, None) == (found.attempt, found.result)
        assert 0 == health_of(client).completed
        await client.shutdown()
    assert any("had ended before their outcome came" in r.message for r in caplog.records)
