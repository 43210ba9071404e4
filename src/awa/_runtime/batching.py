"""Batches: handlers that take many jobs of one kind at once, in one queue.

Jobs wait for company until a batch is full or the first of them has waited long enough. A batch
runs in one cancel scope, whose deadline is the earliest of its jobs. Every job of it holds its
permit, so there are never more of them in batches than handlers may run at once.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, Final

import trio

from awa._core.bodies import Bodies
from awa._core.entries import Body, EndedElsewhere
from awa._core.outcomes import OUTCOMES
from awa._runtime.answers import by_job
from awa._runtime.handlers import BatchSize, encode_result
from awa._runtime.ledger import Held
from awa._runtime.limits import PREFETCH_WAIT_MAX_S
from awa._runtime.own_transactions import OwnTransactions
from awa._runtime.reporting import Reporter
from awa._runtime.settling import Settler
from awa._runtime.signals import Signal
from awa._runtime.turns import BatchTurn, Fate, Item, Part, is_one_of, jobs_of, taken_of
from awa._runtime.ways import Way
from awa.batch import JobBatch
from awa.errors import TransactionLost

if TYPE_CHECKING:
    from awa._runtime.running import QueueRun

_NEVER: Final = float("inf")


class Batches:
    """The batches of one queue: what waits for company, and what runs."""

    def __init__(
        self,
        run: "QueueRun",
        *,
        batched: Collection[str],
        desk: OwnTransactions,
        settler: Settler,
        reporter: Reporter,
        nursery: trio.Nursery,
        grace_s: float,
    ) -> None:
        """`batched`: the kinds that are run so."""
        self._run_of_queue = run
        self._permits = run.permits
        self._batched = batched
        self._desk = desk
        self._settler = settler
        self._reporter = reporter
        self._nursery = nursery
        self._grace_s = grace_s
        self._waiting: dict[str, deque[Part]] = {}
        self._turns: set[BatchTurn] = set()
        self._signal = Signal()
        self._gathers = False
        self._closing = False
        self.jobs = 0
        """Jobs in batches that run."""
        self.left_behind = 0
        """Handlers that run on after their grace."""

    # What the queue says -------------------------------------------------------------------------

    def take(self, held: Held, bodies: Bodies) -> Iterable[Body]:
        """Keep the jobs of kinds that are run in batches; answer the others."""
        others: list[Body] = []
        end = 0
        # Most claims bring jobs of one kind, or of few.
        for kind, company in groupby(bodies.columns.kinds):
            start, end = end, end + len(list(company))
            some = bodies if end - start == len(bodies) else bodies[start:end]
            if kind in self._batched:
                self._waiting.setdefault(kind, deque()).append((held, some))
            else:
                others += some
        if not self._gathers:
            self._gathers = True
            self._nursery.start_soon(self._gather)
        self._signal.set()
        return others

    def has_room(self) -> None:
        """Jobs ended beside the batches."""
        self._signal.set()

    def waiting(self) -> int:
        """How many jobs wait for company, or for room."""
        return sum(map(jobs_of, self._waiting.values()))

    def is_idle(self) -> bool:
        """Whether none waits and none runs."""
        return not self.jobs and not any(self._waiting.values())

    def running(self) -> Iterator[tuple[float, int]]:
        """Of each batch that runs: when it began, by trio's clock, and how many jobs it has."""
        return ((turn.began_s, turn.size) for turn in self._busy())

    def busy(self) -> list[BatchTurn]:
        """What runs a batch just now."""
        return list(self._busy())

    def left(self) -> list[BatchTurn]:
        """What was left behind and runs on."""
        return [turn for turn in self._turns if turn.fate is Fate.LEFT]

    def _busy(self) -> Iterator[BatchTurn]:
        return (turn for turn in self._turns if turn.fate is not Fate.LEFT)

    def close(self) -> None:
        """Give back what waits, and start no batch any more."""
        self._closing = True
        self.give_back_waiting()
        self._signal.set()

    def give_back_waiting(self) -> None:
        """Give back every job that has not started."""
        for held, bodies in chain.from_iterable(self._waiting.values()):
            for seq in bodies.columns.seqs:
                self._settler.give_back(held, seq)
        for waiting in self._waiting.values():
            waiting.clear()

    def tell_cancelled(self) -> None:
        """Set every running job's flag; the scopes are cancelled by the caller."""
        for turn in self._turns:
            turn.tell()

    def told_by(self, ended: EndedElsewhere) -> list[Item]:
        """Which of the jobs here are among those that somebody else ended."""
        running = (item for turn in self._turns for item in turn.untold())
        parts = chain.from_iterable(self._waiting.values())
        waiting = ((held, body) for held, bodies in parts for body in bodies)
        return [item for item in chain(running, waiting) if is_one_of(*item, ended)]

    def was_ended(self, ended: EndedElsewhere) -> None:
        """Somebody else ended these attempts: mark those that run, and start none of them.

        A batch goes on for the others of its jobs; one that has none left is cancelled.
        """
        for turn in self._turns:
            turn.end_those(ended)
        for kind, waiting in self._waiting.items():
            left = [(held, self._without(held, bodies, ended)) for held, bodies in waiting]
            self._waiting[kind] = deque(part for part in left if part[1])

    def _without(self, held: Held, bodies: Bodies, ended: EndedElsewhere) -> Bodies:
        gone = {at for at, body in enumerate(bodies) if is_one_of(held, body, ended)}
        for at in sorted(gone):
            self._reporter.was_ended(held, bodies[at], ended.outcome)
        return bodies.without(gone) if gone else bodies

    def patrol(self, now_s: float) -> None:
        """Leave batches behind that do not end, and give back jobs that nothing had room for."""
        for turn in [turn for turn in self._turns if turn.over_s() <= now_s]:
            turn.tell()
            if turn.over_s() + self._grace_s < now_s:
                self._leave_behind(turn)
        for kind, waiting in self._waiting.items():
            if waiting and self._due_s(kind, waiting[0]) + PREFETCH_WAIT_MAX_S < now_s:
                self._permits.gave_back()
                self.give_back_waiting()

    # Gathering -----------------------------------------------------------------------------------

    async def _gather(self) -> None:
        """Start batches as they are due, until closed."""
        while not self._closing:
            due_s = min(map(self._start_s, self._waiting), default=_NEVER)
            if due_s <= trio.current_time():
                self._start(min(self._waiting, key=self._start_s))
            else:
                await self._signal.wait(until_s=due_s)

    def _start_s(self, kind: str) -> float:
        """When the next batch of this kind may start; a time in the past for now."""
        waiting, room = self._waiting[kind], self._room()
        if not waiting or room <= 0:
            return _NEVER
        full = min(self._size(kind).max_size, self._permits.workers)
        if room >= full and jobs_of(waiting) >= full:
            return waiting[0][0].taken_s
        return self._due_s(kind, waiting[0])

    def _due_s(self, kind: str, first: Part) -> float:
        return first[0].taken_s + self._size(kind).max_wait_s

    def _size(self, kind: str) -> BatchSize:
        size = self._way(kind).handler.batch
        assert size is not None
        return size

    def _way(self, kind: str) -> Way:
        way = self._run_of_queue.ways.find(kind)
        assert way is not None
        return way

    def _room(self) -> int:
        return self._permits.workers - self._run_of_queue.busy_runners

    def _start(self, kind: str) -> None:
        waiting, way = self._waiting[kind], self._way(kind)
        parts = taken_of(waiting, min(self._size(kind).max_size, self._room()))
        turn = BatchTurn(parts, min(self._deadlines(way, parts)))
        self.jobs += turn.size
        self._run_of_queue.busy_runners += turn.size
        self._turns.add(turn)
        self._nursery.start_soon(self._run, way, turn)

    def _deadlines(self, way: Way, parts: Sequence[Part]) -> Iterable[float]:
        if not way.handler.deadline_s:
            return (held.deadline_s for held, _ in parts)
        of = self._run_of_queue.ways.deadline_of
        return (of(held, body) for held, bodies in parts for body in bodies)

    # One batch -----------------------------------------------------------------------------------

    async def _run(self, way: Way, turn: BatchTurn) -> None:
        turn.task = trio.lowlevel.current_task()
        by_worker = True
        try:
            with turn.scope:
                self._make_jobs(way, turn)
                if turn.jobs is None:
                    turn.is_settled = True
                else:
                    await self._handle(way, turn, turn.jobs)
            by_worker = False
        finally:
            self._was_cancelled(way, turn, by_worker=by_worker)
            self._turns.discard(turn)
            if turn.fate is Fate.LEFT:
                self.left_behind -= 1
                self._settler.has_room()
            else:
                self._ended(turn)

    def _make_jobs(self, way: Way, turn: BatchTurn) -> None:
        """Those whose arguments do not fit fail before the handler sees any of their company."""
        if turn.ended:
            ended = set(turn.ended)
            self._let_go(turn)
            turn.drop(ended)
        self._run_of_queue.batch_starts(turn)
        args: list[Any] = []
        misfits: set[int] = set()
        first = 0
        for held, bodies in turn.parts:
            found, unfit = way.decode_all(bodies.columns.args)
            args += found
            for at, error in unfit:
                misfits.add(first + at)
                self._reporter.bad_args(held, bodies[at], error)
            first += len(bodies)
        if misfits:
            turn.drop(misfits)
        if args:
            turn.made(args, self._desk, has_scope=way.has_scope)

    async def _handle(self, way: Way, turn: BatchTurn, jobs: JobBatch[Any]) -> None:
        try:
            answer = await way.run(jobs)
            values = None if answer is None else by_job(jobs, answer)
            if jobs._own():  # noqa: SLF001  # the runner's side of it
                values = await self._found_out(jobs, values)
            if turn.fate is None:
                self._conclude(way, turn, values)
        except (trio.Cancelled, KeyboardInterrupt):
            raise
        except BaseExceptionGroup as group:
            cancelled, others = group.split(trio.Cancelled)
            if cancelled is None:
                self._fail(way, turn, group)
            else:
                for item in turn.open():
                    self._reporter.cancelled_with(*item, others)
                raise cancelled from None
        except BaseException as error:  # noqa: BLE001  # SystemExit in a handler is its failure too
            self._fail(way, turn, error)
        self._came_late(turn)

    async def _found_out(
        self, jobs: JobBatch[Any], values: Sequence[object] | None
    ) -> Sequence[object]:
        """Know how transactions of the handler's own ended; one that is lost fails its job."""
        said: list[object] = [None] * len(jobs) if values is None else list(values)
        for place, job in jobs._own():  # noqa: SLF001  # the runner's side of it
            try:
                await self._desk.conclude(job, said[place])
            except TransactionLost as error:
                said[place] = error
        return said

    def _conclude(self, way: Way, turn: BatchTurn, values: Sequence[object] | None) -> None:
        turn.is_settled = True
        if values is None:
            self._complete(turn)
            return
        self._own_ends(turn, values)
        for place, (item, value) in enumerate(zip(turn.items, values, strict=True)):
            if place not in turn.ended and place not in turn.own_ends:
                self._say(way, *item, value)

    def _own_ends(self, turn: BatchTurn, values: Sequence[object] | None = None) -> None:
        """Let go of the jobs that ended in transactions of the handler's own."""
        for place, job in () if turn.jobs is None else turn.jobs._own():  # noqa: SLF001  # the runner's side of it
            said = None if values is None else values[place]
            if self._reporter.own_end(*turn.items[place], job._own, said):  # noqa: SLF001  # the same
                turn.own_ends.add(place)
                turn.ended.pop(place, None)

    def _complete(self, turn: BatchTurn) -> None:
        """Every job is done: a word for each claims row."""
        if turn.ended:
            for held, body in turn.open():
                self._settler.complete(held, body.seq)
            return
        for held, bodies in turn.parts:
            self._settler.complete_all(held, bodies.columns.seqs.copy())

    def _say(self, way: Way, held: Held, body: Body, value: object) -> None:
        try:
            if value is None:
                self._settler.complete(held, body.seq)
            elif isinstance(value, OUTCOMES):
                self._reporter.said(held, body, value)
            elif isinstance(value, BaseException):
                self._reporter.failed(held, body, value, way.handler.policy)
            else:
                self._settler.complete_with(held, body.seq, encode_result(value))
        except Exception as error:  # noqa: BLE001  # for one, a result without JSON form
            self._reporter.failed(held, body, error, way.handler.policy)

    def _fail(self, way: Way, turn: BatchTurn, error: BaseException) -> None:
        if not turn.is_over():
            turn.is_settled = True
            self._own_ends(turn, [error] * len(turn.items))
            for item in turn.open():
                self._reporter.failed(*item, error, way.handler.policy)

    def _came_late(self, turn: BatchTurn) -> None:
        """The batch has its outcome; some of its jobs were ended by somebody else before."""
        if turn.fate is Fate.LEFT:
            for item in turn.items:
                self._reporter.ended_late(*item)
            return
        self._let_go(turn)

    def _let_go(self, turn: BatchTurn) -> None:
        for item, why in turn.take_ended():
            self._reporter.was_ended(*item, why)

    def _was_cancelled(self, way: Way, turn: BatchTurn, *, by_worker: bool) -> None:
        """The scope was left. Where that was in the middle, nothing is said of the jobs yet."""
        if turn.fate is Fate.LEFT:
            return
        if not turn.is_settled:
            turn.is_settled = True
            self._own_ends(turn)
            for item in turn.open():
                if by_worker:
                    self._reporter.interrupted(*item)
                else:
                    self._reporter.deadline_passed(*item, way.handler.policy)
        self._let_go(turn)

    def _leave_behind(self, turn: BatchTurn) -> None:
        """Let the jobs go on without the handler that does not end."""
        self._was_cancelled(self._way(turn.items[0][1].kind), turn, by_worker=False)
        turn.fate = Fate.LEFT
        for item in turn.items:
            self._reporter.left_behind(*item)
        self.left_behind += 1
        self._ended(turn)

    def _ended(self, turn: BatchTurn) -> None:
        self.jobs -= turn.size
        self._run_of_queue.busy_runners -= turn.size
        self._permits.measured(trio.current_time() - turn.began_s)
        self._signal.set()
        self._run_of_queue.batch_ended()
