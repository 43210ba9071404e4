"""Running the jobs that wait, in the test's own process, by a worker that ends by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, overload

import sniffio
import trio

from awa._client.overriding import no_such_queue
from awa._client.queues import QueueConfig
from awa._storage import codec
from awa._storage.calls import Call
from awa._storage.names import quoted
from awa.errors import ConfigurationError
from awa.sync import Client
from awa.testing._clock import promote_due
from awa.testing._enqueued import Wanted, What, waiting_jobs, wanted_by
from awa.testing._marking import require_for_tests
from awa.testing._parking import only
from awa.testing._pointing import twin_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from awa._client.bursts import WorkDone
    from awa._storage.views import JobRecord
    from awa.client import AsyncClient

TIMEOUT_S: Final = 60.0
_FAILURES: Final = ("retried", "failed", "dead_lettered")
_OUTCOMES: Final = ("completed", "snoozed", "cancelled", "released", *_FAILURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One attempt at one job, and what became of it."""

    job_id: int
    outcome: str
    """completed, retried, snoozed, cancelled, failed or dead_lettered; released when the time was
    up, and unsettled when somebody else had ended the attempt."""
    job: JobRecord | None
    """The job as it is now; None when it is a dead letter."""
    error: str | None
    """What its last attempt failed with."""


@overload
def drain(
    client: Client,
    *,
    due_within_s: float = 0.0,
    max_workers: int = 1,
    timeout_s: float = TIMEOUT_S,
) -> WorkDone: ...


@overload
def drain(
    client: AsyncClient,
    *,
    due_within_s: float = 0.0,
    max_workers: int = 1,
    timeout_s: float = TIMEOUT_S,
) -> Awaitable[WorkDone]: ...


def drain(
    client: AsyncClient | Client,
    *,
    due_within_s: float = 0.0,
    max_workers: int = 1,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """Run all jobs of all queues that are due, and what their handlers enqueue, until none is left.

    `max_workers`: handlers of one queue at a time; one, so that tests repeat. `due_within_s`:
    really wait for jobs that are due so soon; `advance` has them due at once. After `timeout_s`
    what runs is cancelled. Failures are the jobs', as in production: the summary counts them.
    Only in a database of `Databases`, or one that its owner made one for tests. Raises
    ConfigurationError elsewhere.
    """
    return _in_a_worker(
        client,
        partial(_drain, due_within_s=due_within_s, max_workers=max_workers, timeout_s=timeout_s),
    )


@overload
def run_one(
    client: Client,
    what: What = None,
    *,
    args: object = None,
    queue: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Ran | None: ...


@overload
def run_one(
    client: AsyncClient,
    what: What = None,
    *,
    args: object = None,
    queue: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Awaitable[Ran | None]: ...


def run_one(
    client: AsyncClient | Client,
    what: What = None,
    *,
    args: object = None,
    queue: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """Run one job that is due, and say what became of it; None when none was.

    Which one is said as for `all_enqueued`; of several the one that is first in its queue. Others
    that come before it are claimed meanwhile and given back afterwards, in their order.
    """
    wanted = wanted_by(client, what, args, queue)
    return _in_a_worker(client, partial(_run_one, wanted=wanted, timeout_s=timeout_s))


async def _drain(
    own: AsyncClient, *, due_within_s: float, max_workers: int, timeout_s: float
) -> WorkDone:
    queues = await _all_queues(own, max_workers)
    return await own.run_until_drained(
        queues, due_within_s=due_within_s, timeout_s=timeout_s, timeout_ms=0
    )


async def _run_one(own: AsyncClient, *, wanted: Wanted, timeout_s: float) -> Ran | None:
    queues = await _all_queues(own, 1)
    run = partial(own.run_until_drained, max_jobs=1, timeout_s=timeout_s, timeout_ms=0)
    if wanted.queue is not None:
        queues = [one for one in queues if one.name == wanted.queue]
        if not queues:
            raise no_such_queue(wanted.queue)
    if wanted.is_any():
        done = await run(queues)
    else:
        await own._follow(promote_due(own))  # noqa: SLF001  # a friend
        waiting = await own._follow(waiting_jobs(own.schema))  # noqa: SLF001  # a friend
        fitting = [one.id for one in waiting if one.state == "available" and wanted.fits(one)]
        if not fitting:
            return None
        async with only(own, fitting, [one.name for one in queues]):
            done = await run(queues)
    return await _what_ran(own, done) if done.claimed else None


async def _what_ran(own: AsyncClient, done: WorkDone) -> Ran:
    assert own._worker is not None  # noqa: SLF001  # a friend
    attempt = _job_of(own._worker.number, own.schema)  # noqa: SLF001  # a friend
    job_id = await own._run(attempt)  # noqa: SLF001  # a friend
    outcome = next((word for word in _OUTCOMES if getattr(done, word)), "unsettled")
    job = await own.get_job(job_id)
    letter = await own.get_dlq_job(job_id) if job is None else None
    errors = job.errors if job is not None else letter.errors if letter is not None else ()
    return Ran(
        job_id=job_id,
        outcome=outcome,
        job=job,
        error=errors[-1]["error"] if errors and outcome in _FAILURES else None,
    )


async def _all_queues(own: AsyncClient, max_workers: int) -> list[QueueConfig]:
    # Elsewhere it would run other people's jobs, and put off those it has no handler for.
    await own._follow(require_for_tests("jobs are run so"))  # noqa: SLF001  # a friend
    names = {one.queue for one in await own.queue_stats()} | set(own.handled_queues())
    if not names:
        raise ConfigurationError("there is neither a job nor a handler to run it")
    return [QueueConfig(name=name, max_workers=max_workers) for name in sorted(names)]


def _job_of(worker: int, schema: str) -> Call[int]:
    """The job of the only attempt that this worker made."""
    prefix = quoted(schema).replace("%", "%%")
    sql = f"select job_id from {prefix}.attempts where worker = %s"
    return Call(
        action="attempts", sql=sql, params=(worker,), decode=codec.scalar(int), schema=schema
    )


def _in_a_worker(
    client: AsyncClient | Client, work: Callable[[AsyncClient], Coroutine[Any, Any, Any]]
) -> Any:
    """Do it with a twin of the client: at once, or in the caller's event loop, or beside it."""
    if isinstance(client, Client):
        return _blocking(twin_of(client), work)
    return _beside(twin_of(client), work)


def _blocking(twin: AsyncClient, work: Callable[[AsyncClient], Coroutine[Any, Any, Any]]) -> Any:
    if not trio.lowlevel.in_trio_run():
        return trio.run(_with, twin, work)
    # One loop cannot run within another of its kind.
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(trio.run, _with, twin, work).result()


async def _beside(
    twin: AsyncClient, work: Callable[[AsyncClient], Coroutine[Any, Any, Any]]
) -> Any:
    if sniffio.current_async_library() == "trio":
        return await _with(twin, work)
    import asyncio  # noqa: PLC0415  # only where it runs already

    # A worker runs on trio: in a thread of its own.
    return await asyncio.to_thread(trio.run, _with, twin, work)


async def _with(twin: AsyncClient, work: Callable[[AsyncClient], Coroutine[Any, Any, Any]]) -> Any:
    async with twin as own:
        return await work(own)
