"""Hooks: what becomes of jobs is told after it is durable, beside everything else."""

import threading
from typing import Any

import pytest
import trio

import awa
from awa import hooks
from awa._runtime import hooks as running_hooks
from tests.workers import Number, health_of, until, until_state


def names(events: list[hooks.JobEvent]) -> list[str]:
    """Return what kinds of events these are."""
    return [type(event).__name__ for event in events]


async def test_hooks_are_told_what_became_of_each_job(database: str) -> None:
    """Guards every kind of event: once for each outcome, with the job's name and arguments."""
    told: list[Any] = []
    async with awa.AsyncClient(database) as client:
        client.on_event(Number)(told.append)

        @client.task(Number, queue="q", backoff=[0.01])
        async def handle(job: awa.Job[Number]) -> Any:
            await trio.lowlevel.checkpoint()
            if job.attempt == 1 and job.args.n == 2:
                raise ValueError("once")
            if job.args.n == 3:
                raise awa.TerminalError("never")
            said = {4: awa.Cancel("not wanted"), 5: awa.Snooze(3600)}
            return said.get(job.args.n, "done")

        await client.start([("q", 1)])
        for n, last in ((1, "Completed"), (2, "Completed"), (3, "Exhausted"), (4, "Cancelled")):
            job = await client.insert(Number(n))
            await until(lambda job=job, last=last: _has(told, last, job.id))  # type: ignore[misc]
        await client.insert(Number(5))
        await until(lambda: len(told) == 12)
        assert names(told) == [
            *("Started", "Completed"),
            *("Started", "Retried", "Started", "Completed"),
            *("Started", "Exhausted"),
            *("Started", "Cancelled"),
            *("Started", "Snoozed"),
        ]
        assert [1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5] == [event.args.n for event in told]
        assert {("number", "q")} == {(event.kind, event.queue) for event in told}
        assert [1, 1, 1, 1, 2, 2] == [event.attempt for event in told[:6]]
        assert told[1].duration_s >= 0
        retried, exhausted = told[3], told[7]
        assert ("once", "ValueError", 0.01) == (retried.error, retried.error_type, retried.delay_s)
        assert ("never", False) == (exhausted.error, exhausted.dead_lettered)
        assert "not wanted" == told[9].reason
        assert 3600 == told[11].delay_s
        bad = await client.insert({"n": "x"}, kind="number", queue="q")
        await until(lambda: len(told) == 13)
        assert (bad.id, None) == (told[12].job_id, told[12].args)
        assert isinstance(told[12], hooks.Exhausted)


def _has(told: list[Any], name: str, job_id: int) -> bool:
    return any(event.job_id == job_id and type(event).__name__ == name for event in told)


async def test_a_class_whose_handler_has_a_kind_of_its_own_stands_for_it(database: str) -> None:
    """Guards hooks and middleware of a class: of its handler's kind, also if that comes later."""
    told: list[Any] = []
    async with awa.AsyncClient(database) as client:
        client.on_event(Number)(lambda event: told.append(("first", event.kind)))
        client.on_event("count")(lambda event: told.append(("second", event.kind)))

        @client.middleware(kinds=[Number])
        async def doubled(job: awa.Job[Any], call_next: Any) -> Any:
            return 2 * await call_next(job)

        client.task(Number, kind="count", queue="q")(lambda job: job.args.n)
        job = await client.insert(Number(3))
        assert 1 == (await client.run_until_drained([("q", 1)])).completed
        found = await client.get_job(job.id)
        assert found is not None
        assert ("count", 6) == (found.kind, found.result)
        assert 2 * [("first", "count"), ("second", "count")] == told


async def test_what_others_end_is_told_where_it_ran(database: str) -> None:
    """Guards events of a cancel while a job runs, and of jobs in batches."""
    told: list[hooks.JobEvent] = []
    running = trio.Event()
    async with awa.AsyncClient(database) as client:
        client.on_event(Number)(told.append)
        client.on_event("in_batch")(told.append)

        @client.task(Number, queue="q")
        async def handle(_job: awa.Job[Number]) -> None:
            running.set()
            await trio.sleep_forever()

        @client.batch_task(dict, kind="in_batch", queue="q", max_size=2, max_wait_ms=10_000)
        async def in_batch(jobs: awa.JobBatch[dict[str, Any]]) -> list[Any]:
            await trio.lowlevel.checkpoint()
            return [None, ValueError("this one")][: len(jobs)]

        await client.start([("q", 5)])
        job = await client.insert(Number(1))
        await running.wait()
        await client.cancel(job.id)
        await until(lambda: names(told) == ["Started", "Cancelled"])
        told.clear()
        first, second = await client.insert_many([{"n": 1}, {"n": 2}], kind="in_batch", queue="q")
        await until(lambda: len(told) == 4)
        assert ["Started", "Started"] == names(told[:2])
        assert {(first.id, "Completed"), (second.id, "Retried")} == {
            (event.job_id, type(event).__name__) for event in told[2:]
        }


async def test_a_failing_hook_changes_nothing(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards jobs, and the other hooks, against a hook that raises: it is logged, no more."""
    order: list[str] = []
    threads: set[int] = set()
    async with awa.AsyncClient(database) as client:

        @client.on_event(Number)
        async def fails(event: hooks.JobEvent) -> None:
            await trio.lowlevel.checkpoint()
            order.append(f"first {type(event).__name__}")
            raise LookupError("in a hook")

        @client.on_event(Number)
        def goes_on(event: hooks.JobEvent) -> None:
            threads.add(threading.get_ident())
            order.append(f"second {type(event).__name__}")

        client.task(Number, queue="q")(lambda _job: 7)
        await client.start([("q", 1)])
        job = await client.insert(Number(1))
        assert 7 == (await until_state(client, job.id, "completed")).result
        await client.shutdown()
        assert order == [f"{hook} {what}" for what in ("Started", "Completed") for hook in _BOTH]
        assert threading.get_ident() not in threads
        await client.start([("q", 1)])
        with pytest.raises(awa.ConfigurationError, match="the worker runs already"):
            client.on_event(Number)(print)
    failed = [record for record in caplog.records if record.name == "awa.hooks"]
    assert 2 == len(failed)
    assert f"failed for Completed of job {job.id}" in failed[1].message
    assert failed[1].exc_info is not None


_BOTH = ("first", "second")


async def test_slow_hooks_are_dropped_counted_and_drained_at_the_end(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the worker's memory and pace against slow hooks, and the last events at shutdown."""
    monkeypatch.setattr(running_hooks, "HOOK_EVENTS_MAX", 3)
    told: list[hooks.JobEvent] = []
    go_on = trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.on_event(Number)
        async def slow(event: hooks.JobEvent) -> None:
            await go_on.wait()
            told.append(event)

        client.task(Number, queue="q")(lambda _job: None)
        await client.start([("q", 1)])
        await client.insert_many([Number(n) for n in range(10)])
        await until(lambda: health_of(client).completed == 10)
        # One is being told, three wait.
        await until(lambda: health_of(client).dropped_events == 16)
        assert "events behind" in caplog.text
        client.stop()
        go_on.set()
        await client.stopped()
        assert 4 == len(told)

        go_on = trio.Event()
        await client.start([("q", 1)])
        await client.insert(Number(1))
        await until(lambda: health_of(client).completed == 1)
        client.abort()
        await client.stopped()
        assert 4 == len(told)
        assert "not told to hooks before the worker's end" in caplog.text
