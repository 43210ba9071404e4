"""Deadlines: attempts are cancelled, may clean up for a while, and count as failures."""

import threading
from dataclasses import dataclass

import pytest
import trio

import awa
from awa._runtime import incarnation, running
from tests.fix_database import NewSession
from tests.workers import WAIT_S_MAX, Number, health_of, until, until_state

LATE: float = 1.0
"""Long enough for a busy machine to run a handler that returns at once."""


@dataclass
class Blocking:
    """Arguments of handlers in threads."""

    n: int


async def test_a_deadline_cancels_the_attempt_and_counts_as_a_failure(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against handlers that hang: one that waits is cancelled, its job tried again."""
    flags: list[bool] = []
    errors: list[awa.AttemptError] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", deadline=LATE, backoff=[0])
        async def handle(job: awa.Job[Number]) -> None:
            errors.extend(job.errors)
            if job.attempt > 1:
                return
            try:
                await trio.sleep_forever()
            finally:
                flags.append(job.is_cancelled())

        await client.start([("q", 2)])
        handle_of = await client.insert(Number(1))
        done = await until_state(client, handle_of.id, "completed")
        assert 2 == done.attempt
        assert [True] == flags
        assert [(1, "deadline exceeded")] == [(past.attempt, past.error) for past in errors]
        assert (1, 0) == (health_of(client).failures, health_of(client).late)
    assert any("was cancelled at its deadline" in record.message for record in caplog.records)


async def test_a_thread_sees_its_flag_at_the_deadline(database: str) -> None:
    """Guards handlers that cannot be cancelled: what they do when told is what counts."""
    async with awa.AsyncClient(database) as client:

        @client.task(Blocking, queue="q", deadline=LATE, backoff=[3600])
        def handle(job: awa.Job[Blocking]) -> str:
            while not job.is_cancelled():
                threading.Event().wait(0.005)
            if job.args.n:
                raise TimeoutError("told to stop")
            return "finished in time"

        await client.start([("q", 2)])
        good, bad = await client.insert_many([Blocking(0), Blocking(1)])
        assert "finished in time" == (await until_state(client, good.id, "completed")).result
        await until_state(client, bad.id, "retryable")


async def test_a_thread_that_ignores_its_flag_is_left_behind_after_the_grace(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the queue: a deaf thread costs its job an attempt, and no other job anything."""
    go_on = threading.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Blocking, queue="q", deadline=LATE, backoff=[3600])
        def handle(job: awa.Job[Blocking]) -> None:
            if job.args.n == 1:
                go_on.wait(60)

        await client.start([("q", 1)], grace_s=LATE)
        deaf = await client.insert(Blocking(1))
        good = await client.insert(Blocking(2))
        await until_state(client, deaf.id, "retryable")
        await until_state(client, good.id, "completed")
        assert 1 == health_of(client).queues["q"].left_behind
        assert ("queue 'q': 1 handlers did not end when they were cancelled",) == (
            await client.health_check()
        ).problems
        go_on.set()
        await until(lambda: health_of(client).queues["q"].left_behind == 0)
        await until_state(client, deaf.id, "retryable")
    assert any("left behind" in record.message for record in caplog.records)


async def test_an_async_handler_that_does_not_end_is_left_behind_after_the_grace(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the queue from shields: the runner is replaced, what comes late changes nothing."""
    go_on = trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", deadline=LATE, backoff=[3600])
        async def handle(job: awa.Job[Number]) -> str:
            if job.args.n == 1:
                with trio.CancelScope(shield=True):
                    await go_on.wait()
            return "done"

        await client.start([("q", 1)], grace_s=LATE)
        deaf = await client.insert(Number(1))
        good = await client.insert(Number(2))
        await until_state(client, deaf.id, "retryable")
        await until_state(client, good.id, "completed")
        assert 1 == health_of(client).queues["q"].left_behind
        go_on.set()
        await until(lambda: health_of(client).queues["q"].left_behind == 0)
        more = await client.insert_many([Number(n) for n in range(2, 9)])
        for handle_of in more:
            await until_state(client, handle_of.id, "completed")
        await until_state(client, deaf.id, "retryable")
        assert 0 == health_of(client).late, "nothing was said for it a second time"
    told = [record.message.partition("attempt 1 ")[2] for record in caplog.records]
    assert "does not end: its handler is left behind, still running" in told
    assert "came to an end too late, which changes nothing" in told


async def test_a_queue_with_too_many_left_behind_claims_no_more(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the process: each handler that does not end keeps its memory, or a thread."""
    monkeypatch.setattr(running, "LEFT_BEHIND_MAX", 1)
    # The end of the handler is heard of, and not seen by chance.
    monkeypatch.setattr(incarnation, "PATROL_INTERVAL_S", WAIT_S_MAX)
    go_on = threading.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Blocking, queue="q", backoff=[3600])
        def handle(job: awa.Job[Blocking]) -> None:
            if job.args.n == 1:
                go_on.wait(60)

        await client.start([("q", 2)], grace_s=LATE)
        deaf = await client.insert(Blocking(1), deadline=LATE)
        await until_state(client, deaf.id, "retryable")
        good = await client.insert(Blocking(2))
        assert client._worker is not None
        assert client._worker._incarnation is not None
        assert 0 == client._worker._incarnation.hands.queues["q"].limit()
        go_on.set()
        await until_state(client, good.id, "completed")


async def test_cleaning_up_within_the_grace_comes_before_the_next_attempt(database: str) -> None:
    """Guards clean-up: the job does not go on while its cancelled attempt still works."""
    order: list[str] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", deadline=LATE, backoff=[0])
        async def handle(job: awa.Job[Number]) -> None:
            order.append(f"attempt {job.attempt}")
            if job.attempt > 1:
                return
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(3 * LATE)
                    order.append("cleaned up")

        await client.start([("q", 2)])
        handle_of = await client.insert(Number(1))
        await until_state(client, handle_of.id, "completed")
        assert ["attempt 1", "cleaned up", "attempt 2"] == order


async def test_the_back_off_of_a_deadline_is_the_kinds(database: str) -> None:
    """Guards policies: a deadline is a TimeoutError to them, and never ends the job itself."""
    asked: list[tuple[int, BaseException]] = []

    def backoff(attempt: int, error: BaseException) -> float:
        asked.append((attempt, error))
        return 3600

    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", deadline=LATE, backoff=backoff, fail_on=TimeoutError)
        async def handle(job: awa.Job[Number]) -> None:
            await trio.sleep_forever()

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await until_state(client, handle_of.id, "retryable")
        ((attempt, error),) = asked
        assert (1, "deadline exceeded") == (attempt, str(error))
        assert isinstance(error, TimeoutError)


async def test_the_deadline_of_a_kind_holds_for_jobs_that_others_inserted(
    database: str, session: NewSession
) -> None:
    """Guards SQL producers' jobs: they know nothing of the handler's options."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", deadline=LATE, backoff=[3600])
        async def handle(job: awa.Job[Number]) -> None:
            await trio.sleep(0.0 if job.args.n else 3600)

        await client.start([("q", 2)])
        with session() as producer:
            ids = [
                row[0]
                for n in (0, 1)
                for row in producer.execute(
                    "select id from awa.enqueue('number', jsonb_build_object('n', %s::int),"
                    ' \'{"queue": "q"}\')',
                    [n],
                ).fetchall()
            ]
        await until_state(client, ids[0], "retryable")
        await until_state(client, ids[1], "completed")


async def test_the_last_attempt_at_its_deadline_fails_the_job(database: str) -> None:
    """Guards the bound: deadlines use attempts up like errors do."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", deadline=LATE, max_attempts=2, backoff=[0])
        async def handle(job: awa.Job[Number]) -> None:
            await trio.sleep_forever()

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        failed = await until_state(client, handle_of.id, "failed")
        assert ("exhausted", 2) == (failed.reason, failed.attempt)
