"""Calls of child processes, each of which may have to start and to import its handler first.

An attempt waits for the start as long as enough of its time is left. Then it lets go of the call,
and the child starts on for whoever comes next; it is killed when it takes too long even so.

Child and worker agree on whether the handler has begun by the machine's clock, which they share: a
child says that it begins and then looks whether it still may, and the worker listens once more
after that time before it lets go.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import trio
import trio_parallel

from awa._core.outcomes import ProcessDied
from awa._runtime.children import Ran, run_in_child
from awa._runtime.hearing import Hearing
from awa._runtime.limits import CHILD_LATE_S, CHILD_START_S

_log: Final = logging.getLogger("awa.worker")


class Allowance:
    """The time that a child needs to start is added to its attempt's.

    Up to the grace, for which the database leaves an attempt to its worker.
    """

    def __init__(self, scope: trio.CancelScope | None, grace_s: float) -> None:
        self._scope = scope
        self._called_s = trio.current_time()
        self._grace_s = grace_s
        self._deadline_s = float("inf") if scope is None else scope.deadline
        self.has_begun = False
        """Whether it was heard that the handler runs."""
        left_s = self._deadline_s - self._called_s
        self.until_s: Final = self._called_s + max(grace_s, left_s / 2)
        """How long to wait for it: the handler has all of its time then, or half of it at least."""
        self.waiting: Final = trio.CancelScope(deadline=self.until_s)
        self._set(self._deadline_s + grace_s + CHILD_LATE_S)

    def begun(self) -> None:
        """The handler runs from now on."""
        took_s = trio.current_time() - self._called_s
        self._set(self._deadline_s + min(took_s, self._grace_s))
        self.has_begun = True
        self.waiting.deadline = float("inf")

    def over(self) -> None:
        """The attempt has ended, and others may go on in its scope while there is time."""
        if trio.current_time() < self._deadline_s:
            self._set(self._deadline_s)

    def _set(self, deadline_s: float) -> None:
        if self._scope is not None:
            self._scope.deadline = deadline_s


class _Call:
    """A call of a child, from before its start."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function: Final = function
        self.scope: Final = trio.CancelScope()
        self.began_s: Final = trio.current_time()
        self.over: Final = trio.Event()
        self.ran: Ran | None = None
        self.error: BaseException | None = None

    def result(self) -> Ran | None:
        """What became of the handler, once the call is over. Raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.ran


class Starts:
    """The calls of one worker's children."""

    def __init__(self, context: trio_parallel.WorkerContext, hearing: Hearing) -> None:
        self._context = context
        self._hearing = hearing
        # Not many more children than permits: each runner waits for its own.
        self._limiter = trio.CapacityLimiter(float("inf"))
        self._let_go: list[_Call] = []
        """Those of children that start for nobody, the oldest first."""

    def close(self) -> None:
        """Nobody needs another child."""
        while self._let_go:
            self._let_go.pop().scope.cancel()

    async def run(
        self, allowance: Allowance, number: int, function: Callable[[Any], Any], subject: Any
    ) -> Ran | None:
        """Run the handler in a child; None where none was there in time, and it did not begin.

        Raises what the handler raises, ProcessDied and trio_parallel's BrokenWorkerError.
        """
        if not await self._wait_for_another(allowance, function):
            return None
        call = _Call(function)
        # The one clock is looked at before the other: the child's bound is the earlier one.
        until_s = time.monotonic() + (allowance.until_s - trio.current_time())
        args = (number, until_s, function, subject)
        self._hearing.start(self._call, call, args)
        try:
            with allowance.waiting:
                await call.over.wait()
            if not call.over.is_set():
                self._hearing.hear()
                if not allowance.has_begun:
                    self._let_go_of(call)
                    return None
                await call.over.wait()
        except BaseException:
            await _kill(call)
            raise
        return call.result()

    async def _wait_for_another(self, allowance: Allowance, function: Callable[[Any], Any]) -> bool:
        """Whether no child starts for this handler any more, before another one is asked for."""
        call = next((call for call in self._let_go if call.function is function), None)
        if call is None:
            return True
        self._let_go.remove(call)
        try:
            with trio.move_on_at(allowance.until_s):
                await call.over.wait()
        finally:
            if not call.over.is_set():
                self._let_go.insert(0, call)
        if call.over.is_set():
            call.result()
        return call.over.is_set()

    def _let_go_of(self, call: _Call) -> None:
        call.scope.deadline = call.began_s + CHILD_START_S
        self._let_go.append(call)
        _log.warning(
            "a child process has not started within %.1f s; it goes on, and its jobs are put off",
            trio.current_time() - call.began_s,
        )

    async def _call(self, call: _Call, args: tuple[Any, ...]) -> None:
        try:
            with call.scope:
                call.ran = await self._context.run_sync(
                    run_in_child, *args, kill_on_cancel=True, limiter=self._limiter
                )
            if call.scope.cancelled_caught:
                call.error = ProcessDied(_TOO_SLOW)
        except (trio.Cancelled, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # the attempt's, which raises it
            call.error = error
        finally:
            self._is_over(call)

    def _is_over(self, call: _Call) -> None:
        call.over.set()
        if call in self._let_go:
            self._let_go.remove(call)
            if call.error is not None:
                _log.error("a child process that was slow to start failed: %s", call.error)


_TOO_SLOW: Final = f"the child process did not start within {CHILD_START_S:g} s and was killed"


async def _kill(call: _Call) -> None:
    call.scope.cancel()
    with trio.CancelScope(shield=True):
        await call.over.wait()
