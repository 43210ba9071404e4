"""Handlers in child processes, by trio-parallel: for work that keeps a processor busy.

A child runs one job at a time and is used again. A cancelled attempt kills its child, and a child
that dies ends only its own attempt.
"""

import logging
import pickle
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import trio
import trio_parallel

from awa._core.failures import failure_of
from awa._core.outcomes import ProcessDied
from awa._core.resources import IN_A_CHILD, State
from awa._runtime.attempts import current_job
from awa._runtime.executors import Run
from awa._runtime.limits import CHILD_GRACE_S, CHILD_IDLE_S
from awa.batch import JobBatch
from awa.handler import Job, Place

_log: Final = logging.getLogger("awa.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachedPlace:
    """Where a job came from, as a child process sees it."""

    queue: str
    priority: int
    deadline: datetime | None

    @property
    def state(self) -> State:
        """What its worker has opened stays there."""
        return IN_A_CHILD


@asynccontextmanager
async def open_processes() -> AsyncIterator[Run]:
    """Children for the length of the block; each is started when it is first needed."""
    # Not more children than permits: each runner waits for its own.
    limiter = trio.CapacityLimiter(float("inf"))
    try:
        async with trio_parallel.open_worker_context(
            idle_timeout=CHILD_IDLE_S, init=_begin_child, grace_period=CHILD_GRACE_S
        ) as context:

            async def run(function: Callable[[Any], Any], subject: Any) -> Any:
                try:
                    return await context.run_sync(
                        _run_in_child,
                        function,
                        _detached(subject),
                        kill_on_cancel=True,
                        limiter=limiter,
                    )
                except trio_parallel.BrokenWorkerError as error:
                    raise ProcessDied(_how_it_died(error)) from None

            yield run
    except trio_parallel.BrokenWorkerError as error:
        # Its job has ended long ago, or the pipe would not have been closed.
        _log.warning("a child process did not end by itself: %s", error)


def _detached(subject: Job[Any] | JobBatch[Any]) -> Job[Any] | JobBatch[Any]:
    # All of this is the runner's side of the handler's view.
    if isinstance(subject, JobBatch):
        places = [_place(held) for held in subject._places]  # noqa: SLF001
        return JobBatch(places, subject._bodies, subject.args)  # noqa: SLF001
    return Job(subject._body, subject.args, _place(subject._place))  # noqa: SLF001


def _place(held: Place) -> DetachedPlace:
    return DetachedPlace(queue=held.queue, priority=held.priority, deadline=held.deadline)


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


# In the child ------------------------------------------------------------------------------------


def _begin_child() -> None:
    # A signal to the whole group is meant for the worker, which lets its handlers finish.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _run_in_child(function: Callable[[Any], Any], subject: Any) -> Any:
    current_job.set(subject if isinstance(subject, Job) else None)
    try:
        return function(subject)
    except BaseException as error:
        if not _travels(error):
            raise RuntimeError(str(failure_of(error))) from None
        raise


def _travels(error: BaseException) -> bool:
    """Whether the parent can make the same error again."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    except Exception:  # noqa: BLE001  # the error's own methods may raise anything
        return False
    return True
