"""Handlers in child processes, by trio-parallel: for work that keeps a processor busy.

A child runs one job at a time and is used again. A cancelled attempt kills its child, and a child
that dies ends only its own attempt. One that is slow to start does not: when too little would be
left of the attempt's time the job is put off, and the child starts on for whoever comes next.
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

from awa._core.outcomes import ProcessDied, Snooze
from awa._runtime.children import begin_child, picture_of
from awa._runtime.executors import Run
from awa._runtime.hearing import Hearing
from awa._runtime.limits import CHILD_GRACE_S, CHILD_IDLE_S
from awa._runtime.starts import Allowance, Starts
from awa.batch import JobBatch
from awa.handler import Job

_log: Final = logging.getLogger("awa.worker")


@asynccontextmanager
async def open_processes(*, grace_s: float) -> AsyncIterator[Run]:
    """Children for the length of the block; each is started when it is first needed."""
    async with _open_hearing() as (hearing, folder), _open_children(folder) as context:
        starts = Starts(context, hearing)

        async def run(function: Callable[[Any], Any], subject: Job[Any] | JobBatch[Any]) -> Any:
            allowance = Allowance(subject._scope, grace_s)  # noqa: SLF001  # the runner's side of it
            try:
                with hearing.call(subject, allowance.begun) as number:
                    ran = await starts.run(allowance, number, function, picture_of(subject))
            except trio_parallel.BrokenWorkerError as error:
                raise ProcessDied(_how_it_died(error)) from None
            finally:
                allowance.over()
            return _put_off(subject) if ran is None else ran.value

        try:
            yield run
        finally:
            starts.close()


def _put_off(subject: Job[Any] | JobBatch[Any]) -> Any:
    # At once: it waits for the start of the same child again.
    return [Snooze(0) for _ in subject] if isinstance(subject, JobBatch) else Snooze(0)


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
