"""One attempt at one job in a worker thread, and which job a piece of code runs for."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final

import trio

from awa.batch import JobBatch
from awa.handler import Job

_log: Final = logging.getLogger("awa.worker")

current_job: Final[ContextVar[Job[Any] | None]] = ContextVar("awa_current_job", default=None)
"""The job whose handler runs here; tasks and threads it starts inherit it."""


class Threads:
    """The worker threads of one queue: a thread cannot be cancelled, only told and waited for."""

    def __init__(self, workers: int, *, grace_s: float, on_back: Callable[[], None]) -> None:
        # Never the bottleneck: each runner waits for its thread. It keeps out of trio's default.
        self._limiter = trio.CapacityLimiter(workers)
        self._grace_s = grace_s
        self._on_back = on_back
        self._waits: set[trio.CancelScope] = set()
        self._until_s = float("inf")
        self.idents: Final[dict[int, int]] = {}
        """Which thread runs what, by its `id()`: a job, or a batch of them."""
        self.left_behind = 0
        """Threads that nobody waits for any more, and that still run."""

    def abandon_at(self, time_s: float) -> None:
        """From that time of trio's clock on, wait no more for threads whose job was cancelled."""
        self._until_s = time_s
        for scope in self._waits:
            scope.deadline = min(scope.deadline, time_s)

    async def run(self, function: Callable[[Any], Any], subject: Any) -> Any:
        """Run the handler in a thread. Cancelled, it sets the job's flag and waits for the thread.

        `subject`: a job, or a batch of them.

        The job does not go on while its thread runs: it would run twice at the same time. So the
        thread is waited for, until the grace is over or the worker has to end.
        """
        # From here to the thread's start nothing can be cancelled: it is a thread that we wait for.
        await trio.lowlevel.checkpoint_if_cancelled()
        done = _Done(self)
        try:
            return await trio.to_thread.run_sync(
                done.work, function, subject, abandon_on_cancel=True, limiter=self._limiter
            )
        except trio.Cancelled:
            _tell(subject)
            await self._wait_for(done)
            if not done.event.is_set():
                _log.warning("%s: its thread does not end, it is left behind", subject)
                self._leave(done)
                raise
            return done.unwrap()

    async def _wait_for(self, done: "_Done") -> None:
        until_s = min(self._until_s, trio.current_time() + self._grace_s)
        with trio.CancelScope(shield=True, deadline=until_s) as scope:
            self._waits.add(scope)
            try:
                await done.event.wait()
            finally:
                self._waits.discard(scope)

    def _leave(self, done: "_Done") -> None:
        # It keeps its token, so another one is lent to the job that runs in its place.
        done.is_left = True
        self.left_behind += 1
        self._limiter.total_tokens += 1

    def _came_back(self) -> None:
        self.left_behind -= 1
        self._limiter.total_tokens -= 1
        self._on_back()


class _Done:
    """What a thread's handler did, known to trio even when nobody awaits the thread any more."""

    def __init__(self, threads: Threads) -> None:
        self.event = trio.Event()
        self.is_left = False
        self._threads = threads
        self._token = trio.lowlevel.current_trio_token()
        self._value: Any = None
        self._error: BaseException | None = None

    def work(self, function: Callable[[Any], Any], subject: Any) -> Any:
        """Run the handler; this is in the thread."""
        self._threads.idents[id(subject)] = threading.get_ident()
        try:
            self._value = function(subject)
        except BaseException as error:
            self._error = error
            raise
        finally:
            del self._threads.idents[id(subject)]
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._ended)
        return self._value

    def _ended(self) -> None:
        self.event.set()
        if self.is_left:
            self._threads._came_back()  # noqa: SLF001  # two halves of one mechanism

    def unwrap(self) -> Any:
        """What the handler returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._value


def _tell(subject: Job[Any] | JobBatch[Any]) -> None:
    if isinstance(subject, JobBatch):
        subject._tell()  # noqa: SLF001  # the runner's side of the handler's view
    else:
        subject._cancelled = True  # noqa: SLF001  # the same
