"""What is stuck is said, with where it stands; the health port says it too, and when it is over."""

import http.client
import json
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import awa
from awa._runtime import watchdog
from awa._runtime.settings import WorkerSettings
from awa._runtime.worker import Worker
from tests.fix_database import Session
from tests.fix_faults import Limited, end_sessions
from tests.workers import Number, until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Look more often than once a second."""
    monkeypatch.setattr(watchdog, "WATCH_INTERVAL_S", 0.05)
    caplog.set_level(logging.INFO)


@asynccontextmanager
async def working(client: awa.AsyncClient, **settings: Any) -> AsyncIterator[Worker]:
    """Run a worker of the client's handlers with a health port, one permit and no patience."""
    chosen = WorkerSettings(
        conninfo=client._conninfo,
        schema="awa",
        queues=(("q", 1),),
        version="0",
        health_port=0,
        **{"stall_s": 0.2, "busy_stall_s": 0.2, **settings},
    )
    worker = Worker(chosen, client._handlers)
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        try:
            yield worker
        finally:
            worker.stop(timeout_s=0)


def asked(worker: Worker, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask the worker's health port."""
    assert worker.health_address is not None
    connection = http.client.HTTPConnection(*worker.health_address, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


async def ask(worker: Worker, path: str, method: str = "GET") -> tuple[int, Any]:
    """Ask it from another thread."""
    status, text = await trio.to_thread.run_sync(asked, worker, path, method)
    return status, json.loads(text) if text else None


async def ready(worker: Worker) -> Any:
    """Ask until the worker is ready, as whoever routes work to it does."""
    with trio.fail_after(30):
        while True:
            status, report = await ask(worker, "/readyz")
            if status == 200:
                return report


def told(caplog: pytest.LogCaptureFixture, event: str, what: str) -> list[Any]:
    """Return the records of this event."""
    return [
        record
        for record in caplog.records
        if (getattr(record, "event", None), getattr(record, "what", None)) == (event, what)
    ]


@pytest.mark.parametrize("handler_stall_s", [None, 0.2])
async def test_handlers_that_hold_all_permits_are_named_with_their_place(
    database: str, caplog: pytest.LogCaptureFixture, handler_stall_s: float | None
) -> None:
    """Guards the search at night: the log has job and line; /healthz fails if that was wanted."""
    gate = trio.Event()
    async with awa.AsyncClient(database) as client:

        async def waits_in_vain() -> None:
            await gate.wait()

        @client.task(Number, queue="q", deadline=0)
        async def handle(job: awa.Job[Number]) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(waits_in_vain)

        job = await client.insert(Number(1))
        async with working(client, handler_stall_s=handler_stall_s) as worker:
            await until(lambda: bool(told(caplog, "stalled", "queue q")))
            (record,) = told(caplog, "stalled", "queue q")
            (name,) = record.stacks
            assert f"job {job.id} attempt 1 (number)" == name
            assert any("in waits_in_vain" in line for line in record.stacks[name])
            if handler_stall_s is not None:
                await until(lambda: any(stall.curable for stall in worker.health().stalls))
            status, report = await ask(worker, "/healthz")
            assert (handler_stall_s is None, False) == (report["alive"], report["ready"])
            assert (200 if handler_stall_s is None else 503) == status
            gate.set()
            await until(lambda: bool(told(caplog, "goes_on", "queue q")))
            assert 200 == (await ask(worker, "/healthz"))[0]


async def test_a_thread_that_holds_the_only_permit_is_named_with_its_place(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the same for synchronous handlers: the thread's own frames."""
    gate = threading.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        def blocks_in_vain(job: awa.Job[Number]) -> None:
            gate.wait()

        await client.insert(Number(1))
        async with working(client):
            await until(lambda: bool(told(caplog, "stalled", "queue q")))
            gate.set()
            (record,) = told(caplog, "stalled", "queue q")
            (lines,) = record.stacks.values()
            assert any("in blocks_in_vain" in line for line in lines)
            await until(lambda: bool(told(caplog, "goes_on", "queue q")))


async def test_an_event_loop_that_does_not_turn_is_told_from_another_thread(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the worst mistake in an async handler: the line that blocks is said meanwhile."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def blocks_the_loop(job: awa.Job[Number]) -> None:
            while not told(caplog, "stalled", "loop"):
                time.sleep(0.01)  # noqa: ASYNC251  # the mistake itself

        await client.insert(Number(1))
        async with working(client, loop_lag_s=0.1):
            await until(lambda: bool(told(caplog, "goes_on", "loop")))
    (record,) = told(caplog, "stalled", "loop")
    assert any("in blocks_the_loop" in line for line in record.stacks["event loop"])


async def test_trouble_with_the_database_makes_a_worker_unready_and_not_dead(
    limited: Limited, one: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards outcomes from a probe: nobody restarts a worker because its database is away."""
    # Some beats may go by before one counts as missing: between two of them nothing is wrong.
    patient = {"heartbeat_s": 1.0, "stall_s": 3.0}
    async with awa.AsyncClient(limited.conninfo) as client, working(client, **patient) as worker:
        await until(lambda: worker.health().listening)
        await until(lambda: worker.health().claim_age_s is not None)
        report = await ready(worker)
        assert (True, []) == (report["ready"], report["problems"])
        limited.alter("connection limit 0")
        end_sessions(one)
        await until(lambda: bool(told(caplog, "stalled", "claim")))
        status, report = await ask(worker, "/readyz")
        assert (503, False) == (status, report["ready"])
        assert "too many connections" in report["worker"]["troubles"]["claim"]
        assert 200 == (await ask(worker, "/healthz"))[0]
        limited.alter("connection limit -1")
        await until(lambda: bool(told(caplog, "goes_on", "claim")))
        await until(lambda: worker.health().listening)


async def test_an_outcome_and_a_beat_without_an_answer_are_told_until_they_are_answered(
    limited: Limited, one: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards what is said of a worker that has done its work and cannot tell: what, and why."""
    began, gate = trio.Event(), trio.Event()
    async with awa.AsyncClient(limited.conninfo) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            began.set()
            await gate.wait()

        await client.insert(Number(1))
        async with working(client, heartbeat_s=0.3, stall_s=0.8) as worker:
            await began.wait()
            limited.alter("connection limit 0")
            end_sessions(one)
            gate.set()
            for what in ("settle", "beat"):
                await until(lambda what=what: bool(told(caplog, "stalled", what)))  # type: ignore[misc]
            assert any("too many connections" in each.why for each in worker.health().stalls)
            limited.alter("connection limit -1")
            for what in ("settle", "beat"):
                await until(lambda what=what: bool(told(caplog, "goes_on", what)))  # type: ignore[misc]


async def test_the_health_port_answers_only_what_it_is_for(database: str) -> None:
    """Guards the port: two paths, to be read, and nothing that a stranger sends ends it."""
    async with awa.AsyncClient(database) as client, working(client) as worker:
        assert (404, {}) == await ask(worker, "/metrics")
        assert (405, {}) == await ask(worker, "/healthz", "POST")
        assert (200, None) == await ask(worker, "/healthz", "HEAD")
        assert worker.health_address is not None
        for junk in (b"\x16\x03\x01 hello\r\n\r\n", b"GET /" + b"x" * 20_000, b""):
            async with await trio.open_tcp_stream(*worker.health_address) as stream:
                await stream.send_all(junk)
                await stream.send_eof()
                assert not (await stream.receive_some()).startswith(b"HTTP/1.1 2")
        assert 200 == (await ask(worker, "/healthz"))[0]


async def test_a_health_port_in_use_is_refused_at_the_start(database: str) -> None:
    """Guards a pod with two workers: the second says which port, and does not run unseen."""
    async with awa.AsyncClient(database) as client, working(client) as worker:
        assert worker.health_address is not None
        _, port = worker.health_address
        with pytest.raises(awa.ConfigurationError, match=f"127.0.0.1:{port} cannot be opened"):
            await client.start([("q", 1)], health_port=port)
