"""What handlers share in a worker, and what runs around them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import trio

import awa
from tests.child_work import Deed, do
from tests.workers import Number, health_of, until, until_state


async def test_resources_are_opened_once_and_closed_after_the_last_handler(database: str) -> None:
    """Guards what handlers share: there before the first, until after the last, in nested order."""
    said: list[str] = []
    async with awa.AsyncClient(database) as client:

        @client.state
        async def outer() -> AsyncIterator[list[str]]:
            said.append("outer opens")
            yield said
            said.append("outer closes")

        @client.state
        @asynccontextmanager
        async def inner() -> AsyncIterator[int]:
            said.append("inner opens")
            yield 7
            said.append("inner closes")

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> int:
            try:
                job.state[outer].append(f"job {job.args.n}")
                if job.args.n == 0:
                    await trio.sleep_forever()
            finally:
                said.append(f"job {job.args.n} ends")
            return job.state[inner]

        await client.start([("q", 5)])
        assert ["outer opens", "inner opens"] == said
        one = await client.insert(Number(1))
        assert 7 == (await until_state(client, one.id, "completed")).result
        await client.insert(Number(0))
        await until(lambda: "job 0" in said)
        await client.shutdown(timeout_ms=0)
        assert ["job 0 ends", "inner closes", "outer closes"] == said[-3:]
        assert 1 == said.count("outer opens")


async def test_resources_are_there_in_threads_in_batches_and_under_asyncio(database: str) -> None:
    """Guards what handlers share wherever they run but in child processes."""
    async with awa.AsyncClient(database) as client:

        @client.state
        async def number() -> AsyncIterator[int]:
            yield 7

        @client.state(executor="asyncio")
        async def of_asyncio() -> AsyncIterator[asyncio.Queue[int]]:
            assert asyncio.get_running_loop().is_running()
            await asyncio.sleep(0)
            yield asyncio.Queue()

        @client.task(dict, kind="in_thread", queue="q")
        def in_thread(job: awa.Job[dict[str, Any]]) -> int:
            return job.state[number]

        @client.task(dict, kind="in_asyncio", queue="q", executor="asyncio")
        async def in_asyncio(job: awa.Job[dict[str, Any]]) -> int:
            await job.state[of_asyncio].put(5)
            return await job.state[of_asyncio].get()

        @client.batch_task(dict, kind="in_batch", queue="q", max_wait_ms=0)
        async def in_batch(jobs: awa.JobBatch[dict[str, Any]]) -> list[int]:
            await trio.lowlevel.checkpoint()
            return [job.state[number] for job in jobs]

        await client.start([("q", 5)])
        for kind, result in (("in_thread", 7), ("in_asyncio", 5), ("in_batch", 7)):
            job = await client.insert({}, kind=kind, queue="q")
            assert result == (await until_state(client, job.id, "completed")).result


async def nowhere() -> int:
    """Fail to open."""
    await trio.lowlevel.checkpoint()
    raise LookupError("no such server")


async def test_a_resource_that_does_not_open_is_an_error_of_the_start(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the start: nothing is claimed without what handlers need, and others are closed."""
    said: list[str] = []
    async with awa.AsyncClient(database) as client:

        @client.state
        async def good() -> AsyncIterator[int]:
            yield 1
            said.append("closed")
            raise OSError("but not quite")

        @client.state
        async def bad() -> AsyncIterator[int]:
            yield await nowhere()

        client.task(Number, queue="q")(lambda job: job.state[bad])
        with pytest.raises(LookupError, match="no such server"):
            await client.start([("q", 1)])
        assert ["closed"] == said
        assert "the resource good did not close" in caplog.text
        assert not client.is_working()


async def test_a_resource_that_is_no_context_manager_says_so_at_the_start(database: str) -> None:
    """Guards a plain function that answers the thing itself: its author reads which one it was."""
    async with awa.AsyncClient(database) as client:
        wrong: Any = lambda: 7  # noqa: E731  # for its name
        wrong.__qualname__ = "seven"
        client.state(wrong)
        with pytest.raises(awa.InvalidInput, match="seven answered 7, which is no async context"):
            await client.start([("q", 1)])


async def test_a_resource_of_another_client_or_process_is_named(database: str) -> None:
    """Guards a wrong turn: what is not there says why."""
    other = awa.AsyncClient(database)

    @other.state
    async def elsewhere() -> AsyncIterator[int]:
        yield 1

    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", max_attempts=1)
        async def handle(job: awa.Job[Number]) -> int:
            await trio.lowlevel.checkpoint()
            return job.state[elsewhere]

        await client.start([("q", 1)])
        with pytest.raises(awa.ConfigurationError, match="the worker runs already"):
            client.state(elsewhere._open)
        job = await client.insert(Number(1))
        failed = await until_state(client, job.id, "failed")
        assert "there is no <Resource elsewhere> here" in failed.errors[-1]["error"]
    wrong: Any
    for wrong in (handle, 7):
        with pytest.raises(awa.InvalidInput, match="state"):
            other.state(wrong)


async def test_middleware_runs_around_handlers_in_order(database: str) -> None:
    """Guards middleware: outermost first, for all or some kinds, free to change outcomes."""
    said: list[str] = []
    async with awa.AsyncClient(database) as client:

        @client.middleware
        async def outer(job: awa.Job[Any], call_next: awa.CallNext) -> Any:
            said.append(f"outer {job.kind}")
            try:
                return await call_next(job)
            finally:
                said.append(f"outer ends {job.kind}")

        @client.middleware(kinds=[Number])
        async def inner(job: awa.Job[Any], call_next: awa.CallNext) -> Any:
            said.append(f"inner {job.kind}")
            value = await call_next(job)
            return awa.Cancel("changed") if value == "change me" else value

        @client.task(Number, queue="q", max_attempts=1)
        async def handle(job: awa.Job[Number]) -> str:
            await trio.lowlevel.checkpoint()
            if job.args.n == 2:
                raise ValueError("through it")
            return "change me" if job.args.n == 1 else "as it is"

        await client.start([("q", 1)])
        plain, changed, failed = await client.insert_many([Number(n) for n in range(3)])
        assert "as it is" == (await until_state(client, plain.id, "completed")).result
        assert "changed" == (await until_state(client, changed.id, "cancelled")).reason
        error = (await until_state(client, failed.id, "failed")).errors[-1]
        assert ("ValueError", "through it") == (error["type"], error["error"])
        assert ["outer number", "inner number", "outer ends number"] * 3 == said


async def test_middleware_runs_around_handlers_of_every_executor(database: str) -> None:
    """Guards middleware wherever its handler runs: in the worker, around all of it."""
    said: list[str] = []
    async with awa.AsyncClient(database) as client:

        @client.middleware
        async def around(job: awa.Job[Any], call_next: awa.CallNext) -> Any:
            said.append(job.kind)
            value = await call_next(job)
            said.append(f"{job.kind} ends")
            return value

        @client.task(dict, kind="in_thread", queue="q")
        def in_thread(job: awa.Job[dict[str, Any]]) -> int:
            said.append(job.kind)
            return 3

        client.task(Deed, queue="q", executor="process")(do)

        @client.task(dict, kind="in_asyncio", queue="q", executor="asyncio")
        async def in_asyncio(job: awa.Job[dict[str, Any]]) -> None:
            await asyncio.sleep(0)
            said.append(job.kind)

        await client.start([("q", 1)])
        await client.insert({}, kind="in_thread", queue="q")
        await client.insert({}, kind="in_asyncio", queue="q")
        await client.insert(Deed("work"))
        await until(lambda: health_of(client).completed == 3)
        here = [
            word for kind in ("in_thread", "in_asyncio") for word in (kind, kind, f"{kind} ends")
        ]
        assert [*here, "deed", "deed ends"] == said


async def test_middleware_of_batches_runs_once_around_each(database: str) -> None:
    """Guards what runs around batches: with all of their jobs, and nothing of single jobs does."""
    said: list[str] = []
    async with awa.AsyncClient(database) as client:

        @client.middleware
        async def of_jobs(job: awa.Job[Any], call_next: awa.CallNext) -> Any:
            said.append(f"job {job.id}")
            return await call_next(job)

        @client.batch_middleware
        async def outer(jobs: awa.JobBatch[Any], call_next: awa.CallNextBatch) -> Any:
            said.append(f"outer {len(jobs)}")
            try:
                return await call_next(jobs)
            finally:
                said.append("outer ends")

        @client.batch_middleware(kinds=[Number])
        async def inner(jobs: awa.JobBatch[Any], call_next: awa.CallNextBatch) -> Any:
            said.append(f"inner {sum(one.n for one in jobs.args)}")
            if 5 in [one.n for one in jobs.args]:
                return await call_next(cast("Any", jobs[:1]))
            return {**await call_next(jobs), jobs[0].id: awa.Cancel("changed")}

        @client.batch_task(Number, queue="q", max_size=2, max_wait_ms=60_000, max_attempts=1)
        def handle(jobs: awa.JobBatch[Number]) -> dict[int, str]:
            said.append("handle")
            return {job.id: "as it is" for job in jobs}

        await client.start([("q", 2)])
        changed, plain = await client.insert_many([Number(1), Number(2)])
        assert "as it is" == (await until_state(client, plain.id, "completed")).result
        assert "changed" == (await until_state(client, changed.id, "cancelled")).reason
        assert ["outer 2", "inner 3", "handle", "outer ends"] == said
        for part in await client.insert_many([Number(5), Number(6)]):
            error = (await until_state(client, part.id, "failed")).errors[-1]
            assert error["error"].startswith("jobs: must be the JobBatch that the middleware")


@pytest.mark.parametrize(
    ("kind", "takes", "problem"),
    [
        ("numbers", "job", "is run in batches: register it with batch_middleware"),
        ("number", "jobs", "is run job by job: register it with middleware"),
        ("no_such_kind", "job", "has no handler"),
    ],
)
async def test_middleware_of_a_kind_that_cannot_have_it_is_refused(
    database: str, kind: str, takes: str, problem: str
) -> None:
    """Guards a typing error, and batches: the worker does not start without what was wanted."""
    async with awa.AsyncClient(database) as client:
        client.batch_task(Number, kind="numbers", queue="q")(lambda _jobs: None)
        client.task(Number, queue="q")(lambda _job: None)
        register = client.middleware if takes == "job" else client.batch_middleware

        async def inner(job: Any, call_next: Any) -> Any:
            return await call_next(job)

        register(kinds=[kind])(inner)
        with pytest.raises(
            awa.ConfigurationError, match=f"is for the kind '{kind}', which {problem}"
        ):
            await client.start([("q", 1)])


@pytest.mark.parametrize("wrong", ["number", [], 5])
def test_middleware_is_for_a_list_of_kinds_or_for_all(wrong: Any) -> None:
    """Guards a name without its brackets, whose letters are no kinds, and middleware for nobody."""
    client = awa.AsyncClient("postgresql://nowhere/x")
    with pytest.raises(awa.InvalidInput, match=r"kinds: (must be a list|are empty)"):
        client.middleware(kinds=wrong)


async def test_a_hook_of_a_kind_without_a_handler_is_refused(database: str) -> None:
    """Guards the same typing error: such a hook would never be told anything."""
    async with awa.AsyncClient(database) as client:
        client.on_event("no_such_kind")(print)
        with pytest.raises(awa.ConfigurationError, match="a hook is for the kind 'no_such_kind'"):
            await client.start([("q", 1)])
