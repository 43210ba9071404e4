"""Running: the handlers of one queue, by a few tasks that take jobs from one deque.

A task per job would cost more than most jobs. A runner runs one job after the other, and another
runner goes on with the deque while its handler waits: whoever is woken and finds work wakes two
more, so a batch of waiting handlers starts in a few turns of the loop. Handlers that never wait all
run in one runner, which lets the other tasks of the worker run once a millisecond.

A handler that raises, or a deadline that passes, counts as a failure: the job is released after a
pause (see `settling`). So does a kind without a handler here, which is never the job's fault.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any, Final

import msgspec
import trio

from awa._core.entries import Body
from awa._runtime.attempts import Threads, current_job
from awa._runtime.handlers import Handler, encode_result
from awa._runtime.ledger import Held
from awa._runtime.limits import YIELD_AFTER_S
from awa._runtime.permits import Permits
from awa._runtime.reporting import Reporter
from awa._runtime.settling import Settler
from awa.handler import Job

_EMPTY_OBJECT_BYTES: Final = 2


class QueueRun:
    """The runners of one queue, and what they run."""

    def __init__(
        self,
        *,
        name: str,
        permits: Permits,
        handlers: Mapping[str, Handler],
        settler: Settler,
        reporter: Reporter,
        nursery: trio.Nursery,
    ) -> None:
        self.name: Final = name
        self.permits: Final = permits
        self.waiting: Final[deque[tuple[Held, Body]]] = deque()
        self.running: Final[dict[Job[Any], float]] = {}
        """When each running attempt began, by perf_counter; the oldest comes first."""
        self.threads: Final = Threads(permits.workers)
        self._handlers = handlers
        self._settler = settler
        self._reporter = reporter
        self._nursery = nursery
        self._parked = trio.lowlevel.ParkingLot()
        self._runners = 0
        self._closing = False
        self._turn_taken = False
        """A runner lets others run in the middle of its turn: it will go on with the deque."""

    def limit(self, *, paused: int) -> int:
        """How many jobs to claim for this queue now."""
        began_s = next(iter(self.running.values()), None)
        oldest_s = 0.0 if began_s is None else perf_counter() - began_s
        return self.permits.limit(oldest_running_s=oldest_s, paused=paused)

    def hand_over(self, jobs: Iterable[tuple[Held, Body]]) -> None:
        """Take claimed jobs; they start as soon as a runner is free."""
        self.waiting.extend(jobs)
        if self._closing:
            self.give_back_waiting()
        else:
            self._settler.active(self.name)
            self._wake(2)

    def close(self) -> None:
        """Give back what has not started, and end the runners as their handlers end."""
        self._closing = True
        self.give_back_waiting()
        self._parked.unpark_all()

    def give_back_waiting(self) -> None:
        """Give back every job that has not started."""
        while self.waiting:
            held, body = self.waiting.popleft()
            self._settler.give_back(held, body.seq)

    def tell_cancelled(self) -> None:
        """Set every running job's flag; the scopes are cancelled by the caller."""
        for job in self.running:
            job._cancelled = True  # noqa: SLF001  # the runner's side of the handler's view

    def _wake(self, runners: int) -> None:
        wanted = min(runners, len(self.waiting))
        woken = len(self._parked.unpark(count=wanted)) if wanted else 0
        for _ in range(min(wanted - woken, self.permits.workers - self._runners)):
            self._runners += 1
            self._nursery.start_soon(self._run)

    async def _run(self) -> None:
        while not self._closing:
            if self.waiting and not self._turn_taken:
                await self._take_turn()
            else:
                await self._parked.park()

    async def _take_turn(self) -> None:
        """Run jobs until none waits, or another runner has the turn."""
        waiting = self.waiting
        turn_s = perf_counter()
        woke = False
        while waiting and not self._turn_taken:
            held, body = waiting.popleft()
            if waiting and not woke:
                # They run when this runner waits, and find the deque as it is then.
                self._wake(2)
                woke = True
            ended_s = await self._attempt(held, body)
            if ended_s - turn_s > YIELD_AFTER_S:
                self._settler.ran(self.name, idle=not (waiting or self.running))
                await self._let_others_run()
                turn_s = perf_counter()
                woke = False
        self._settler.ran(self.name, idle=not (waiting or self.running))

    async def _let_others_run(self) -> None:
        self._turn_taken = True
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self._turn_taken = False

    async def _attempt(self, held: Held, body: Body) -> float:
        """One attempt, whatever comes of it; answers when it ended, by perf_counter."""
        began_s = perf_counter()
        handler = self._handlers.get(body.kind)
        if handler is None:
            self._reporter.no_handler(held, body)
            return began_s
        try:
            job = Job(body, handler.decode(body.args), held.queue, held.priority)
        except Exception as error:  # noqa: BLE001  # a type's own hooks may raise anything
            self._reporter.bad_args(held, body, error)
            return began_s
        self.running[job] = began_s
        try:
            await self._run_handler(held, body, handler, job)
        finally:
            del self.running[job]
            ended_s = perf_counter()
            self.permits.measured(ended_s - began_s)
        return ended_s

    async def _run_handler(self, held: Held, body: Body, handler: Handler, job: Job[Any]) -> None:
        current_job.set(job)
        try:
            with trio.CancelScope(deadline=deadline_of(held, body.extra)) as scope:
                if handler.run is not None:
                    value = await handler.run(job)
                else:
                    assert handler.run_in_thread is not None
                    value = await self.threads.run(handler.run_in_thread, job)
            if scope.cancelled_caught:
                self._reporter.deadline_passed(held, body)
            elif value is None:
                self._settler.complete(held, body.seq)
            else:
                self._settler.complete_with(held, body.seq, encode_result(value))
        except trio.Cancelled:
            self._reporter.interrupted(held, body)
            raise
        except KeyboardInterrupt:
            self._reporter.interrupted(held, body)
            raise
        except BaseExceptionGroup as group:
            cancelled, others = group.split(trio.Cancelled)
            if cancelled is None:
                self._reporter.failed(held, body, group)
            else:
                self._reporter.interrupted(held, body, others)
                raise cancelled from None
        except BaseException as error:  # noqa: BLE001  # SystemExit in a handler is its failure too
            self._reporter.failed(held, body, error)


def deadline_of(held: Held, extra: bytes) -> float:
    """When the attempt ends, by trio's clock: the job's own deadline, else its queue's.

    A job's own counts from its claim, as the queue's does; 0 means none.
    """
    if len(extra) <= _EMPTY_OBJECT_BYTES:
        return held.deadline_s
    own_s: float | None = msgspec.json.decode(extra).get("deadline_s")
    if own_s is None:
        return held.deadline_s
    return held.taken_s + own_s if own_s > 0 else float("inf")
