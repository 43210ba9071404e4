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


class _Extra(msgspec.Struct):
    """The part of `extra` that the worker reads itself. The rest, whatever it is, is skipped."""

    deadline_s: float | None = None


_EXTRA: Final = msgspec.json.Decoder(_Extra)


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
        """When each running attempt began, by trio's clock; the oldest comes first."""
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
        oldest_s = 0.0 if began_s is None else trio.current_time() - began_s
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
        while self.waiting and not self._turn_taken:
            await self._run_under_one_deadline()
        self._settler.ran(self.name, idle=not (self.waiting or self.running))

    async def _run_under_one_deadline(self) -> None:
        """Run jobs in one cancel scope for as long as they share its deadline.

        A scope costs more than a short job. One job runs in it at a time, so cancelling it cancels
        one attempt; a scope whose time has come is left before the next job starts.
        """
        held, body = self.waiting.popleft()
        deadline_s = deadline_of(held, body.extra)
        current: tuple[Held, Body] | None = held, body
        try:
            with trio.CancelScope(deadline=deadline_s) as scope:
                # Runners that wake now run when this one waits, and find the deque as it is then.
                self._wake(2)
                turn_s = now_s = trio.current_time()
                while True:
                    now_s = await self._attempt(held, body, now_s)
                    current = None
                    if now_s - turn_s > YIELD_AFTER_S:
                        turn_s = now_s = await self._let_others_run()
                        self._wake(2)
                    if not self._may_go_on(deadline_s, now_s):
                        break
                    current = held, body = self.waiting.popleft()
        except BaseException:
            if current is not None:
                self._reporter.interrupted(*current)
            raise
        if scope.cancelled_caught and current is not None:
            self._reporter.deadline_passed(*current)

    def _may_go_on(self, deadline_s: float, now_s: float) -> bool:
        """Whether the next job may run in the same scope."""
        if not self.waiting or self._turn_taken or now_s >= deadline_s:
            return False
        held, body = self.waiting[0]
        return deadline_of(held, body.extra) == deadline_s

    async def _let_others_run(self) -> float:
        self._settler.ran(self.name, idle=False)
        self._turn_taken = True
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self._turn_taken = False
        return trio.current_time()

    async def _attempt(self, held: Held, body: Body, began_s: float) -> float:
        """One attempt, whatever comes of it; answers when it ended. Cancelled comes out of it."""
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
        current_job.set(job)
        try:
            if handler.run is not None:
                value = await handler.run(job)
            else:
                assert handler.run_in_thread is not None
                value = await self.threads.run(handler.run_in_thread, job)
            if value is None:
                self._settler.complete(held, body.seq)
            else:
                self._settler.complete_with(held, body.seq, encode_result(value))
            if self._settler.pauses.counts:
                self._settler.pauses.succeeded(body.job_id)
        except (trio.Cancelled, KeyboardInterrupt):
            raise
        except BaseExceptionGroup as group:
            self._failed_in_group(held, body, group)
        except BaseException as error:  # noqa: BLE001  # SystemExit in a handler is its failure too
            self._reporter.failed(held, body, error)
        finally:
            del self.running[job]
            ended_s = trio.current_time()
            self.permits.measured(ended_s - began_s)
        return ended_s

    def _failed_in_group(
        self, held: Held, body: Body, group: BaseExceptionGroup[BaseException]
    ) -> None:
        """A handler's own nursery ended with errors: they count, unless it was cancelled."""
        cancelled, others = group.split(trio.Cancelled)
        if cancelled is None:
            self._reporter.failed(held, body, group)
            return
        self._reporter.cancelled_with(held, body, others)
        raise cancelled


def deadline_of(held: Held, extra: bytes) -> float:
    """When the attempt ends, by trio's clock: the job's own deadline, else its queue's.

    A job's own counts from its claim, as the queue's does; 0 means none.
    """
    if len(extra) <= _EMPTY_OBJECT_BYTES:
        return held.deadline_s
    own_s = _EXTRA.decode(extra).deadline_s
    if own_s is None:
        return held.deadline_s
    return held.taken_s + own_s if own_s > 0 else float("inf")
