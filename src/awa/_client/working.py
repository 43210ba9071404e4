"""Working until a signal comes, or until nothing is left: what `awa worker` and its kin do."""

import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Unpack

import psycopg
import trio

from awa._client.bursts import WorkDone
from awa._client.queues import QueueChoice
from awa._client.worker_options import WorkerOptions
from awa._runtime.draining import Burst
from awa.errors import AwaError

if TYPE_CHECKING:
    from awa.client import AsyncClient

_log: Final = logging.getLogger("awa.worker")
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


async def work(
    client: "AsyncClient",
    queues: Iterable[QueueChoice],
    *,
    timeout_ms: int,
    started: Callable[[], Awaitable[None]] | None = None,
    **options: Unpack[WorkerOptions],
) -> bool:
    """Run the opened client's worker until the first signal, then shut it down.

    A second signal cancels the handlers and leaves as fast as possible; the answer is whether that
    happened. Runs in the main thread. `started` is called once the database knows the worker.
    """
    async with _obeying_signals(client, timeout_ms) as hurried:
        # As `start`, which is told nothing of the end.
        settings = client._settings(  # noqa: SLF001  # the client's other half
            queues, options, timeout_ms=timeout_ms
        )
        await client._start(settings)  # noqa: SLF001  # as above
        if started is not None and client.is_working():
            await _say_so(started)
        await client.stopped()
    return hurried.is_set()


async def work_in_burst(
    client: "AsyncClient",
    queues: Iterable[QueueChoice],
    burst: Burst,
    *,
    timeout_ms: int,
    started: Callable[[], Awaitable[None]],
    **options: Unpack[WorkerOptions],
) -> WorkDone:
    """Work until nothing is left or the first signal, as `work` else."""

    async def say_so() -> None:
        await _say_so(started)

    done: WorkDone | None = None
    async with _obeying_signals(client, timeout_ms):
        done = await client._work_in(  # noqa: SLF001  # the client's other half
            burst, queues, options, timeout_ms=timeout_ms, started=say_so
        )
    assert done is not None
    return done


@asynccontextmanager
async def _obeying_signals(client: "AsyncClient", timeout_ms: int) -> AsyncIterator[trio.Event]:
    """Shut the worker down at the first signal; the event is set when a second one came."""
    failure: AwaError | None = None
    hurried = trio.Event()
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, client, signals, timeout_ms, hurried)
            try:
                yield hurried
            except AwaError as error:
                # Raised below: out of a nursery it would come wrapped in a group.
                failure = error
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _say_so(started: Callable[[], Awaitable[None]]) -> None:
    """A worker that runs is not ended because the database went before it was announced."""
    try:
        await started()
    except (AwaError, psycopg.Error, OSError) as error:
        _log.warning("started, but the database did not say what it is: %s", error)


async def _obey(
    client: "AsyncClient", signals: AsyncIterator[int], timeout_ms: int, hurried: trio.Event
) -> None:
    first = signal.Signals(await anext(signals))
    _log.info("%s: no new jobs; running handlers have %d ms", first.name, timeout_ms)
    client.stop(timeout_ms=timeout_ms)
    second = signal.Signals(await anext(signals))
    _log.warning("%s again: handlers are cancelled now", second.name)
    hurried.set()
    client.abort()
