"""Handlers in child processes, by trio-parallel: for work that keeps a processor busy.

A child runs one job at a time and is used again. A cancelled attempt kills its child, and a child
that dies ends only its own attempt.
"""

import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import trio
import trio_parallel

from awa._core.outcomes import ProcessDied
from awa._runtime.children import begin_child, picture_of, run_in_child
from awa._runtime.executors import Run
from awa._runtime.hearing import Hearing
from awa._runtime.limits import CHILD_GRACE_S, CHILD_IDLE_S
from awa.batch import JobBatch
from awa.handler import Job

_log: Final = logging.getLogger("awa.worker")


@asynccontextmanager
async def open_processes(*, grace_s: float) -> AsyncIterator[Run]:
    """Children for the length of the block; each is started when it is first needed.

    Its start counts into no deadline, up to `grace_s`.
    """
    # Not more children than permits: each runner waits for its own.
    limiter = trio.CapacityLimiter(float("inf"))
    async with _open_hearing() as (hearing, folder), _open_children(folder) as context:

        async def run(function: Callable[[Any], Any], subject: Job[Any] | JobBatch[Any]) -> Any:
            allowance = _Allowance(subject, grace_s)
            try:
                with hearing.call(subject, allowance.begun) as call:
                    return await context.run_sync(
                        run_in_child,
                        call,
                        function,
                        picture_of(subject),
                        kill_on_cancel=True,
                        limiter=limiter,
                    )
            except trio_parallel.BrokenWorkerError as error:
                raise ProcessDied(_how_it_died(error)) from None
            finally:
                allowance.over()

        yield run


@asynccontextmanager
async def _open_hearing() -> AsyncIterator[tuple[Hearing, str]]:
    failure: Exception | None = None
    with TemporaryDirectory(prefix="awa-") as folder:
        async with trio.open_nursery() as nursery:
            try:
                hearing = Hearing(Path(folder))
                await nursery.start(hearing.run)
                yield hearing, folder
            except Exception as error:  # noqa: BLE001  # raised below, not wrapped in a group
                failure = error
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@asynccontextmanager
async def _open_children(folder: str) -> AsyncIterator[trio_parallel.WorkerContext]:
    try:
        async with trio_parallel.open_worker_context(
            idle_timeout=CHILD_IDLE_S,
            init=partial(begin_child, folder),
            grace_period=CHILD_GRACE_S,
        ) as context:
            yield context
    except trio_parallel.BrokenWorkerError as error:
        # Its job has ended long ago, or the pipe would not have been closed.
        _log.warning("a child process did not end by itself: %s", error)


class _Allowance:
    """The time that a child needs to start is added to its attempt's.

    Up to the grace, for which the database leaves an attempt to its worker.
    """

    def __init__(self, subject: Job[Any] | JobBatch[Any], grace_s: float) -> None:
        # The scope is the runner's side of the handler's view.
        self._scope = subject._scope  # noqa: SLF001
        self._called_s = trio.current_time()
        self._grace_s = grace_s
        if self._scope is not None:
            self._deadline_s = self._scope.deadline
            self._scope.deadline = self._deadline_s + grace_s

    def begun(self) -> None:
        """The handler runs from now on."""
        if self._scope is not None:
            took_s = trio.current_time() - self._called_s
            self._scope.deadline = self._deadline_s + min(took_s, self._grace_s)

    def over(self) -> None:
        """The attempt has ended, and others may go on in its scope while there is time."""
        if self._scope is not None and trio.current_time() < self._deadline_s:
            self._scope.deadline = self._deadline_s


def _how_it_died(error: BaseException) -> str:
    process = error.args[-1]
    code = getattr(process, "exitcode", None)
    if code is None:
        return "the child process died"
    if code >= 0:
        return f"the child process ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the child process was ended by {name}"
