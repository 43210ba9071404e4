"""Running: the handlers of one queue, by a few tasks that take jobs from one deque.

A task per job would cost more than most jobs. A runner runs one job after the other, and another
runner goes on with the deque while its handler waits: whoever is woken and finds work wakes two
more, so a batch of waiting handlers starts in a few turns of the loop. Handlers that never wait all
run in one runner, which lets the other tasks of the worker run once a millisecond.

An attempt whose deadline passes, or that somebody else ended, is cancelled. It may clean up for a
while; then its job goes on without it, and its runner is replaced.
"""

from collections import deque
from itertools import repeat
from typing import Any, Final

import trio

from awa._core.bodies import Bodies
from awa._core.entries import Body, EndedElsewhere
from awa._core.outcomes import OUTCOMES
from awa._core.tuning import WORKERS_MAX
from awa._runtime.attempts import Threads, current_job
from awa._runtime.batching import Batches
from awa._runtime.equipment import Equipment
from awa._runtime.handlers import Executor, encode_result
from awa._runtime.ledger import Held
from awa._runtime.limits import DEADLINE_GRACE_S, LEFT_BEHIND_MAX, YIELD_AFTER_S
from awa._runtime.own_transactions import OwnTransactions
from awa._runtime.permits import Permits
from awa._runtime.reporting import Reporter
from awa._runtime.settling import Settler
from awa._runtime.turns import BatchTurn, Fate, Turn, is_one_of
from awa._runtime.ways import Ways
from awa.handler import Job


class QueueRun:
    """The runners of one queue, and what they run."""

    def __init__(
        self,
        *,
        name: str,
        permits: Permits,
        equipment: Equipment,
        desk: OwnTransactions,
        settler: Settler,
        reporter: Reporter,
        nursery: trio.Nursery,
        grace_s: float = DEADLINE_GRACE_S,
    ) -> None:
        self.name: Final = name
        self.permits: Final = permits
        self.waiting: Final[deque[tuple[Held, Body]]] = deque()
        self.running: Final[dict[Job[Any], float]] = {}
        """When each running attempt began, by trio's clock; the oldest comes first."""
        self.threads: Final = Threads(WORKERS_MAX, grace_s=grace_s, on_back=settler.has_room)
        self.busy_runners = 0
        """Runners with an attempt under way; how many there may be changes."""
        self.left_behind = 0
        """Asynchronous handlers that run on after their grace."""
        self._batched = equipment.handlers.batched
        executors = {**equipment.executors, Executor.THREAD: self.threads.run}
        self.ways: Final = Ways(equipment.handlers, executors, equipment.hooks)
        self._state = equipment.state
        self._desk = desk
        self._settler = settler
        self._reporter = reporter
        self._nursery = nursery
        self._grace_s = grace_s
        self._parked = trio.lowlevel.ParkingLot()
        self._turns: set[Turn] = set()
        self._runners = 0
        self.batches: Final = Batches(
            self,
            batched=equipment.handlers.batched,
            desk=desk,
            settler=settler,
            reporter=reporter,
            nursery=nursery,
            grace_s=grace_s,
        )
        self._closing = False
        self._turn_taken = False
        """A runner lets others run in the middle of its turn: it will go on with the deque."""

    def limit(self, *, kept: int = 0) -> int:
        """How many jobs to claim for this queue now; room for so many is `kept`."""
        if self.is_stuck():
            return 0
        began_s = next(iter(self.running.values()), float("inf"))
        began_s = min([began_s, *(batch_s for batch_s, _ in self.batches.running())])
        oldest_s = max(0.0, trio.current_time() - began_s)
        return self.permits.limit(oldest_running_s=oldest_s, kept=kept)

    def is_stuck(self) -> bool:
        """Whether so many handlers were left behind that nothing is claimed any more."""
        return self.all_left_behind() >= LEFT_BEHIND_MAX

    def all_left_behind(self) -> int:
        """Handlers that run on after their grace."""
        return self.left_behind + self.threads.left_behind + self.batches.left_behind

    def jobs_running(self) -> int:
        """How many jobs run now."""
        return len(self.running) + self.batches.jobs

    def jobs_waiting(self) -> int:
        """How many jobs were claimed and have not started."""
        return len(self.waiting) + self.batches.waiting()

    def permit(self, workers: int) -> None:
        """So many handlers may run from now on; of more that run, none is cut off."""
        grows = workers > self.permits.workers
        self.permits.workers = workers
        if grows:
            self._wake(2)
            self.batches.has_room()

    def hand_over(self, held: Held, bodies: Bodies) -> None:
        """Take claimed jobs; they start as soon as a runner is free."""
        held.state = self._state
        others = self.batches.take(held, bodies) if self._batched else bodies
        self.waiting.extend(zip(repeat(held), others, strict=False))
        if self._closing:
            self.give_back_waiting()
        else:
            self._settler.active(self.name)
            self._wake(2)

    def close(self) -> None:
        """Give back what has not started, and end the runners as their handlers end."""
        self._closing = True
        self.batches.close()
        self.give_back_waiting()
        self._parked.unpark_all()

    def give_back_waiting(self) -> None:
        """Give back every job that has not started, but those that wait for company."""
        if self.waiting:
            self.permits.gave_back()
        while self.waiting:
            held, body = self.waiting.popleft()
            self._settler.give_back(held, body.seq)

    def tell_cancelled(self) -> None:
        """Set every running job's flag; the scopes are cancelled by the caller."""
        for turn in self._turns:
            turn.tell()
        self.batches.tell_cancelled()

    def was_ended(self, ended: EndedElsewhere) -> None:
        """Somebody else ended these attempts: cancel those that run, and start none of them.

        Those whose handler has returned are on their way to the database, which will say `stale`.
        """
        for turn in self._turns:
            if turn.runs_one_of(ended):
                turn.end(ended.outcome)
        for waiting in [job for job in self.waiting if is_one_of(*job, ended)]:
            self.waiting.remove(waiting)
            self._reporter.was_ended(*waiting, ended.outcome)
        self.batches.was_ended(ended)

    def patrol(self) -> None:
        """Raise the flags of attempts that should end, and leave those behind that do not."""
        now_s = trio.current_time()
        for turn in [turn for turn in self._turns if turn.over_s() <= now_s]:
            turn.tell()
            if turn.over_s() + self._grace_s < now_s:
                self._leave_behind(turn)
        self.batches.patrol(now_s)

    def busy(self) -> list[Turn | BatchTurn]:
        """What runs an attempt, or a batch of them, just now."""
        return [*(turn for turn in self._turns if turn.body is not None), *self.batches.busy()]

    def staying(self) -> list[Turn | BatchTurn]:
        """What holds up the end: whatever runs, or was left behind."""
        left = [turn for turn in self._turns if turn.fate is Fate.LEFT]
        return [*self.busy(), *left, *self.batches.left()]

    def began_s(self) -> list[float]:
        """When each job that runs began, by trio's clock."""
        batched = [began_s for began_s, jobs in self.batches.running() for _ in range(jobs)]
        return [*self.running.values(), *batched]

    # What the batches need ------------------------------------------------------------------------

    def batch_starts(self, turn: BatchTurn) -> None:
        """A batch begins."""

    def batch_ended(self) -> None:
        """There is room again."""
        self._settler.ran(self.name, idle=self._is_idle())
        self._wake(2)

    # The runners ---------------------------------------------------------------------------------

    def _wake(self, runners: int) -> None:
        wanted = min(runners, len(self.waiting), self.permits.workers - self.busy_runners)
        woken = len(self._parked.unpark(count=wanted)) if wanted > 0 else 0
        for _ in range(min(wanted - woken, self.permits.workers - self._runners)):
            self._runners += 1
            self._nursery.start_soon(self._run)

    async def _run(self) -> None:
        turn = Turn()
        self._turns.add(turn)
        try:
            while not self._closing and turn.fate is not Fate.LEFT:
                if self._may_start():
                    await self._take_turn(turn)
                else:
                    await self._parked.park()
        finally:
            self._turns.discard(turn)
            if turn.fate is Fate.LEFT:
                self.left_behind -= 1
                self._settler.has_room()

    async def _take_turn(self, turn: Turn) -> None:
        """Run jobs until none waits, another runner has the turn, or this one was replaced."""
        while turn.fate is not Fate.LEFT and self._may_start():
            await self._run_under_one_deadline(turn)
        if self.waiting and self.busy_runners >= self.permits.workers:
            self._settler.has_room()  # for another queue, with which this one shares permits
        self._settler.ran(self.name, idle=self._is_idle())
        self.batches.has_room()

    def _is_idle(self) -> bool:
        return not (self.waiting or self.running) and self.batches.is_idle()

    def _may_start(self) -> bool:
        within = self.busy_runners < self.permits.workers
        return bool(self.waiting) and not self._turn_taken and within

    async def _run_under_one_deadline(self, turn: Turn) -> None:
        """Run jobs in one cancel scope for as long as they share its deadline.

        One job runs in it at a time, so cancelling it cancels one attempt; a scope that was
        cancelled, or whose time has come, is left before the next job starts.
        """
        held, body = self.waiting.popleft()
        deadline_s = self.ways.deadline_of(held, body)
        self.busy_runners += 1
        try:
            with turn.begin(held, body, deadline_s) as scope:
                # Runners that wake now run when this one waits, and find the deque as it is then.
                self._wake(2)
                turn_s = now_s = trio.current_time()
                while True:
                    now_s = await self._attempt(turn, held, body, now_s)
                    turn.body = None
                    if now_s - turn_s > YIELD_AFTER_S:
                        turn_s = now_s = await self._let_others_run()
                        self._wake(2)
                    if turn.fate is not None or not self._may_go_on(held, body, deadline_s, now_s):
                        break
                    turn.held, turn.body = held, body = self.waiting.popleft()
        except BaseException:
            self._was_cancelled(turn, by_worker=True)
            raise
        finally:
            if turn.fate is not Fate.LEFT:
                self.busy_runners -= 1
        if scope.cancelled_caught:
            self._was_cancelled(turn, by_worker=False)

    def _may_go_on(self, held: Held, body: Body, deadline_s: float, now_s: float) -> bool:
        """Whether the next job may run in the scope of this one."""
        if not self.waiting or self._turn_taken or now_s >= deadline_s:
            return False
        if self.busy_runners > self.permits.workers:
            return False
        next_held, next_body = self.waiting[0]
        if next_held is held and next_body.kind == body.kind:
            return True  # a claims row holds jobs of one deadline
        return self.ways.deadline_of(next_held, next_body) == deadline_s

    async def _let_others_run(self) -> float:
        self._settler.ran(self.name, idle=False)
        self._turn_taken = True
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self._turn_taken = False
        return trio.current_time()

    def _was_cancelled(self, turn: Turn, *, by_worker: bool) -> None:
        """The scope was left in the middle of an attempt, or right after one."""
        held, body = turn.held, turn.body
        turn.body = None
        if body is None or turn.fate is Fate.LEFT:
            return
        if self._reporter.own_end(held, body, turn.own):
            return
        if turn.fate is Fate.ENDED:
            self._reporter.was_ended(held, body, turn.why)
        elif by_worker:
            self._reporter.interrupted(held, body)
        else:
            self._reporter.deadline_passed(held, body, self.ways.policy_of(body))

    def _leave_behind(self, turn: Turn) -> None:
        """Let the job go on without the handler that does not end, and replace its runner."""
        held, body = turn.held, turn.body
        assert body is not None
        assert turn.job is not None
        self._was_cancelled(turn, by_worker=False)
        turn.fate = Fate.LEFT
        self._reporter.left_behind(held, body)
        self.running.pop(turn.job, None)
        self.left_behind += 1
        self._runners -= 1
        self.busy_runners -= 1
        self._settler.ran(self.name, idle=self._is_idle())
        self._wake(2)

    # One attempt ---------------------------------------------------------------------------------

    async def _attempt(self, turn: Turn, held: Held, body: Body, began_s: float) -> float:
        """One attempt, whatever comes of it; answers when it ended. Cancelled comes out of it."""
        way = self.ways.get(body.kind) or self.ways.find(body.kind)
        if way is None:
            self._reporter.no_handler(held, body)
            return began_s
        try:
            args = way.decode(body.args)
        except Exception as error:  # noqa: BLE001  # a type's own hooks may raise anything
            self._reporter.bad_args(held, body, error)
            return began_s
        scope = turn.scope if way.has_scope else None
        job = turn.job = Job(body, args, held, scope, self._desk)
        self.running[job] = began_s
        current_job.set(job)
        try:
            value = await way.run(job)
            # Its own transaction may have ended the attempt; whether it did may have to be asked.
            if job._own is None or not await self._ended_itself(turn, held, body, value):  # noqa: SLF001
                self._returned(turn, held, body, value)
        except (trio.Cancelled, KeyboardInterrupt):
            raise
        except BaseExceptionGroup as group:
            self._failed_in_group(turn, held, body, group)
        except BaseException as error:  # noqa: BLE001  # SystemExit in a handler is its failure too
            self._failed(turn, held, body, error)
        finally:
            self.running.pop(job, None)
            ended_s = trio.current_time()
            self.permits.measured(ended_s - began_s)
        return ended_s

    def _returned(self, turn: Turn, held: Held, body: Body, value: Any) -> None:
        """Raises InvalidInput for a result without JSON form."""
        if turn.fate is not None:
            self._came_late(turn, held, body)
        elif value is None:
            self._settler.complete(held, body.seq)
        elif isinstance(value, OUTCOMES):
            self._reporter.said(held, body, value)
        else:
            self._settler.complete_with(held, body.seq, encode_result(value))

    async def _ended_itself(self, turn: Turn, held: Held, body: Body, value: Any) -> bool:
        """Raises TransactionLost where the handler is mistaken about it."""
        assert turn.job is not None
        await self._desk.conclude(turn.job, value)
        return turn.fate is None and self._reporter.own_end(held, body, turn.own, value)

    def _failed(self, turn: Turn, held: Held, body: Body, error: BaseException) -> None:
        if turn.fate is not None:
            self._came_late(turn, held, body, error)
        elif not self._reporter.own_end(held, body, turn.own, error):
            self._reporter.failed(held, body, error, self.ways.policy_of(body))

    def _failed_in_group(
        self, turn: Turn, held: Held, body: Body, group: BaseExceptionGroup[BaseException]
    ) -> None:
        """A handler's own nursery ended with errors: they count, unless it was cancelled."""
        cancelled, others = group.split(trio.Cancelled)
        if cancelled is None:
            self._failed(turn, held, body, group)
            return
        self._reporter.cancelled_with(held, body, others)
        raise cancelled

    def _came_late(
        self, turn: Turn, held: Held, body: Body, error: BaseException | None = None
    ) -> None:
        """The handler has an outcome, but its attempt was ended before."""
        if turn.fate is Fate.ENDED:
            self._reporter.was_ended(held, body, turn.why)
        self._reporter.ended_late(held, body, error)
