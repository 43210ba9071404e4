"""Handlers: asynchronous and in threads, typed arguments, results, failures, deadlines."""

import logging
import threading
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import trio

import awa
from awa._runtime import alike
from awa._runtime.limits import FAILURES_TOLD
from tests.fix_database import NewSession
from tests.workers import Number, health_of, until, until_found, until_state


async def test_an_async_handler_gets_typed_arguments_and_its_result_is_stored(
    database: str,
) -> None:
    """Guards the way of one job: typed in, JSON out, completed."""
    seen: list[awa.Job[Number]] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> dict[str, int]:
            seen.append(job)
            await trio.lowlevel.checkpoint()
            return {"double": 2 * job.args.n}

        await client.start([("q", 2)])
        handle_of = await client.insert(
            Number(21), priority=1, tags=["x"], metadata={"a": 1}, max_attempts=7
        )
        done = await until_state(client, handle_of.id, "completed")
        assert {"double": 42} == done.result
        (job,) = seen
        assert (handle_of.id, "number", "q", 1) == (job.id, job.kind, job.queue, job.priority)
        assert (1, 1, 7) == (job.attempt, job.run_lease, job.max_attempts)
        assert (("x",), {"a": 1}) == (job.tags, job.metadata)
        assert done.enqueued_at == job.enqueued_at
        assert not job.is_cancelled()


async def test_a_sync_handler_runs_in_a_thread(database: str) -> None:
    """Guards the event loop: a blocking handler does not stop it."""
    names: list[str] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        def handle(job: awa.Job[Number]) -> int:
            names.append(threading.current_thread().name)
            return job.args.n + 1

        await client.start([("q", 2)])
        handle_of = await client.insert(Number(1))
        done = await until_state(client, handle_of.id, "completed")
        assert 2 == done.result
        assert threading.current_thread().name not in names


async def test_at_most_max_workers_handlers_run_at_once(database: str) -> None:
    """Guards the bound a user chose, and that it is used to the full."""
    running: set[int] = set()
    most = 0
    go_on = trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            nonlocal most
            running.add(job.id)
            most = max(most, len(running))
            await go_on.wait()
            running.discard(job.id)

        await client.insert_many([Number(n) for n in range(10)], queue="q")
        await client.start([("q", 3)])
        await until(lambda: len(running) == 3)
        (stats,) = await client.queue_stats()
        assert (7, 3) == (stats.available, stats.running), "nothing is claimed ahead"
        go_on.set()
        await until(lambda: health_of(client).completed == 10)
        await client.shutdown()
        assert 3 == most
        (stats,) = await client.queue_stats()
        assert 10 == stats.completed


async def test_a_failing_handler_is_logged_and_its_job_tried_again(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards a job against one bad moment: it waits, and its next attempt knows of the first."""
    jobs: list[awa.Job[Number]] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", backoff=[0.01])
        async def handle(job: awa.Job[Number]) -> None:
            jobs.append(job)
            if len(jobs) == 1:
                raise ValueError("bad moment")

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        done = await until_state(client, handle_of.id, "completed")
        assert [(1, 1), (2, 2)] == [(job.attempt, job.run_lease) for job in jobs]
        assert (2, 2) == (done.attempt, done.run_lease)
        assert () == jobs[0].errors
        (past,) = jobs[1].errors
        assert (1, "ValueError", "bad moment") == (past.attempt, past.type, past.error)
        assert past.trace is not None
        assert past.trace.startswith("test_running.py:")
        assert past.at < done.finished_at  # type: ignore[operator]
    (record,) = [record for record in caplog.records if "bad moment" in record.message]
    assert (handle_of.id, 1) == (record.__dict__["job_id"], record.__dict__["attempt"])
    assert logging.ERROR == record.levelno
    assert record.exc_info is not None


async def test_a_storm_of_failures_has_a_few_records_and_their_number(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards everything else in the log, and that no failure is left out of it."""
    monkeypatch.setattr(alike, "FAILURES_ALIKE_S", float("inf"))
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", max_attempts=1)
        async def handle(job: awa.Job[Number]) -> None:
            raise ValueError("bad moment")

        jobs = await client.insert_many([Number(n) for n in range(50)], queue="q")
        await client.start([("q", 50)])
        await until(lambda: health_of(client).failed == 50)
        assert 50 == health_of(client).failures
        await client.shutdown()
    told = [record for record in caplog.records if record.exc_info]
    assert FAILURES_TOLD == len(told)
    (rest,) = [r for r in caplog.records if r.__dict__.get("event") == "failures"]
    assert 50 - FAILURES_TOLD == rest.__dict__["failures"]
    assert rest.__dict__["job_id"] in {job.id for job in jobs}
    assert "ValueError: bad moment" in rest.message
    ends = [r.message for r in caplog.records if "no attempt is left" in r.message]
    assert len(ends) < 50, "and one record says of many that they ended"


async def test_a_failing_job_holds_no_permit_while_it_waits(database: str) -> None:
    """Guards a queue's other jobs: one worker, one job that fails, the next one runs."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", backoff=[3600])
        async def handle(job: awa.Job[Number]) -> None:
            if job.args.n == 1:
                raise ValueError

        await client.start([("q", 1)])
        failing = await client.insert(Number(1))
        good = await client.insert(Number(2))
        await until_state(client, good.id, "completed")
        await until_state(client, failing.id, "retryable")


@dataclass
class Wrong:
    """Arguments of the kind `number` as another program might write them."""

    m: str


async def test_arguments_that_do_not_fit_end_the_job_and_nothing_else(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the worker: bad arguments are named in log and history, the next job runs."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> int:
            return job.args.n

        await client.start([("q", 1)])
        bad = await client.insert(Wrong("x"), kind="number", queue="q")
        good = await client.insert(Number(2))
        await until_state(client, good.id, "completed")
        failed = await until_state(client, bad.id, "failed")
        assert "terminal" == failed.reason
    assert [f"job {bad.id} attempt 1 has arguments its handler cannot take"] == [
        record.message.partition(":")[0] for record in caplog.records if record.levelno > 30
    ]


async def test_a_kind_without_handler_waits_for_one_and_shows_in_health(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards mixed fleets: never failed for it, said once in the log, seen in health."""
    async with awa.AsyncClient(database) as client:
        await client.start([("q", 2)])
        for _ in range(3):
            handle_of = await client.insert({"a": 1}, kind="elsewhere", queue="q")
        await until(lambda: health_of(client).snoozed == 3)
        health = await client.health_check()
        assert ("no capable worker: kind 'elsewhere' has no handler here",) == health.problems
        found = await client.get_job(handle_of.id)
        assert found is not None
        assert ("scheduled", 1) == (found.state, found.attempt)
    told = [record for record in caplog.records if "no capable worker" in record.message]
    assert 1 == len([record for record in told if record.levelno == logging.WARNING])


async def test_a_kind_that_no_worker_can_run_shows_until_one_can(database: str) -> None:
    """Guards deployments: whoever looks at queues or health sees it, and sees when it is over."""

    async def kinds() -> tuple[str, ...]:
        (queue,) = await client.queue_stats()
        return queue.unknown_kinds

    async def shown() -> bool:
        return await kinds() == ("number",)

    async with awa.AsyncClient(database) as client, awa.AsyncClient(database) as newer:

        @newer.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            pass

        await client.start([("q", 2)])
        job = await client.insert(Number(1), queue="q")
        await until_found(shown)
        vitals = await client.vitals()
        assert [("q", "number", 1, 1)] == [
            (one.queue, one.kind, one.workers, one.times) for one in vitals.unknown_kinds
        ]
        (problem,) = vitals.problems()
        assert "no capable worker: kind 'number' in queue 'q'" in problem
        await newer.start([("q", 2)])
        assert () == await kinds()
        await client.shutdown()
        await newer.retry(job.id)
        await until_state(newer, job.id, "completed")


@pytest.mark.parametrize("value", ["\0", {1, "\0"}, object(), "x" * (1024 * 1024)])
async def test_a_result_that_cannot_be_stored_is_the_handlers_failure(
    database: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the batch: one bad result holds up nobody else's outcome."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", backoff=[3600])
        async def handle(job: awa.Job[Number]) -> Any:
            return value if job.args.n == 1 else None

        await client.start([("q", 1)])
        bad, good = await client.insert_many([Number(1), Number(2)], queue="q")
        await until_state(client, good.id, "completed")
        await until_state(client, bad.id, "retryable")
    assert any("InvalidInput: result" in record.message for record in caplog.records)


@pytest.mark.parametrize("text", [b'{"a":', b"1e200000", b"[" * 20_000 + b"]" * 20_000])
async def test_a_result_that_the_database_refuses_holds_up_nobody_else(
    database: str, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the settler: the batch is cut until the bad result is alone; it is not asked again."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> Any:
            return msgspec.Raw(text) if job.args.n == 1 else None

        jobs = await client.insert_many([Number(n) for n in range(4)], queue="q")
        await client.start([("q", 4)])
        for job in (jobs[0], jobs[2], jobs[3]):
            await until_state(client, job.id, "completed")
        await until_state(client, jobs[1].id, "retryable")
    assert any("the result was refused" in record.message for record in caplog.records)


async def test_a_handler_that_exits_is_a_failure_and_not_the_workers_end(database: str) -> None:
    """Guards the process from `sys.exit` in somebody's library."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            if job.args.n == 1:
                raise SystemExit(3)

        await client.start([("q", 1)])
        await client.insert(Number(1))
        good = await client.insert(Number(2))
        await until_state(client, good.id, "completed")


@pytest.mark.bulk
async def test_many_short_jobs_run_each_exactly_once(database: str) -> None:
    """Guards the fast path: claimed ahead, several claims and settles under way at once."""
    seen: list[int] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            seen.append(job.args.n)

        copied = await client.enqueue_many_copy((Number(n) for n in range(5000)), queue="q")
        assert 5000 == copied.stored
        await client.start([("q", 2)])
        await until(lambda: len(seen) >= 5000)
        await client.shutdown()
        # In another order where processors are so short that jobs claimed ahead were given back.
        assert list(range(5000)) == sorted(seen)
        (stats,) = await client.queue_stats()
        assert (0, 0, 5000) == (stats.available, stats.running, stats.completed)


async def test_a_number_that_python_cannot_hold_is_no_workers_end(
    database: str, session: NewSession
) -> None:
    """Guards the worker: what SQL producers attach may be larger than any number of ours."""
    enqueue = "select id from awa.enqueue('number', '{\"n\": 1}', %s::jsonb)"
    metadata = '{"queue": "q", "deadline_s": 3153600000, "metadata": {"x": 1e9000}}'
    with session() as producer:
        row = producer.execute(enqueue, [metadata]).fetchone()
    assert row is not None
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> int:
            return job.args.n

        await client.start([("q", 1)])
        job = await until_state(client, row[0], "completed")
        assert {"x": 10**9000} == job.metadata


class Mute(Exception):
    """An error that cannot even say what it is."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no words")


async def test_an_error_that_cannot_be_shown_is_no_workers_end(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the worker: even reporting a failure runs the handler's code."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            if job.args.n == 1:
                raise Mute

        await client.start([("q", 1)])
        await client.insert(Number(1))
        good = await client.insert(Number(2))
        await until_state(client, good.id, "completed")
    assert any("Mute: (its text failed" in record.message for record in caplog.records)
