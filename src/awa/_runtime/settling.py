"""Settling: outcomes become durable, in batches, and permits return only then.

A batch whose reply is lost is sent again with the same settle id until it is answered, so no
outcome is dropped and none is written twice. What the database answers `busy` for goes into a later
batch.

This version knows two ends of an attempt: *complete*, and *release*, which gives it back. A handler
that raised has its job released after a pause in memory; the entry stays open and named in every
beat meanwhile, and the pause holds no permit.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

import trio

from awa._core.entries import Answer, Body, Result, SettleItem, Settlement
from awa._core.ranges import Ranges
from awa._runtime.backoff import pause_s
from awa._runtime.chance import jitter
from awa._runtime.ledger import Held, Ledger
from awa._runtime.limits import BUSY_RETRY_MAX_S, BUSY_RETRY_MIN_S, FLUSH_JOBS
from awa._runtime.outbox import Action, Batch, Outbox, Parcel, flush_in_s
from awa._runtime.pauses import Pauses
from awa._runtime.permits import Permits
from awa._runtime.reconnecting import ANSWERS, Session
from awa._runtime.signals import Signal
from awa._runtime.statistics import Statistics
from awa._storage.calls import Call
from awa._storage.functions import Storage
from awa._storage.tokens import draw_token

_log: Final = logging.getLogger("awa.worker")


class Settler:
    """Collects the outcomes of one worker and settles them."""

    def __init__(
        self,
        *,
        worker: int,
        storage: Storage,
        session: Session,
        ledger: Ledger,
        permits: Mapping[str, Permits],
        statistics: Statistics,
        changed: Signal,
    ) -> None:
        self._worker = worker
        self._storage = storage
        self._session = session
        self._ledger = ledger
        self._permits = permits
        self._statistics = statistics
        self._permits_changed = changed
        self._completions = Outbox(Action.COMPLETE)
        self._releases = Outbox(Action.RELEASE)
        self.pauses = Pauses()
        self._signal = Signal()
        self._busy_in_a_row = 0
        self._active: set[str] = set()
        self._armed = False
        self._closing = False

    # What the runners say: synchronous, on the path of every job ---------------------------------

    def complete(self, held: Held, seq: int) -> None:
        """The handler returned nothing."""
        self._completions.put(held, seq)
        if not self._armed:
            self._arm()

    def complete_with(self, held: Held, seq: int, result: bytes) -> None:
        """The handler returned a value, given as JSON text."""
        self._completions.put_result(held, seq, result)
        if not self._armed:
            self._arm()

    def give_back(self, held: Held, seq: int) -> None:
        """The attempt was not made, or not to its end, for no fault of the job."""
        self._releases.put(held, seq)
        if not self._armed:
            self._arm()

    def failed(self, held: Held, body: Body) -> float:
        """The attempt failed: the job is released after a pause. Answers the pause in seconds."""
        self._permits[held.queue].returned(1)
        now_s = trio.current_time()
        paused_s = self.pauses.failed(body.job_id, held, body.seq, now_s=now_s)
        self._permits_changed.set()
        self._signal.set()
        return paused_s

    def active(self, queue: str) -> None:
        """This queue has jobs to run."""
        self._active.add(queue)

    def ran(self, queue: str, *, idle: bool) -> None:
        """Handlers of this queue ended; `idle` when none is running and none is waiting to."""
        if idle:
            self._active.discard(queue)
        if not self._active or self._completions.jobs >= FLUSH_JOBS:
            self._signal.set()

    def _arm(self) -> None:
        # The loop sleeps without a timer: it has to learn that there is something to flush.
        self._armed = True
        self._signal.set()

    def close(self) -> None:
        """End all pauses, and end the loop as soon as every outcome is durable."""
        self._closing = True
        self._end_pauses(now_s=float("inf"))
        self._signal.set()

    def unsettled(self) -> int:
        """Outcomes that are not durable."""
        return self._completions.jobs + self._releases.jobs + len(self.pauses)

    # The loop ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Settle until closed and empty."""
        try:
            while True:
                now_s = trio.current_time()
                self._end_pauses(now_s)
                box = self._due(now_s)
                if box is not None:
                    await self._settle(box.take())
                elif self._closing and not self.unsettled():
                    return
                else:
                    self._armed = self._completions.jobs + self._releases.jobs > 0
                    await self._signal.wait(until_s=self._next_s(now_s))
        finally:
            await self._session.aclose()

    def _end_pauses(self, now_s: float) -> None:
        for held, seq in self.pauses.take_due(now_s=now_s):
            self._permits[held.queue].took(1)
            self._releases.put(held, seq)

    def _due(self, now_s: float) -> Outbox | None:
        for box in (self._completions, self._releases):
            if self._flush_in_s(box, now_s) == 0:
                return box
        return None

    def _flush_in_s(self, box: Outbox, now_s: float) -> float | None:
        idle = self._closing or not self._active
        return flush_in_s(jobs=box.jobs, age_s=box.age_s(now_s), idle=idle)

    def _next_s(self, now_s: float) -> float:
        waits = [self._flush_in_s(box, now_s) for box in (self._completions, self._releases)]
        times = [now_s + wait for wait in waits if wait is not None]
        due_s = self.pauses.due_s()
        return min([*times, float("inf") if due_s is None else due_s])

    async def _settle(self, batch: Batch) -> None:
        call = self._call(batch)
        try:
            answers = await self._session.ask(call)
        except ANSWERS as error:
            await self._refused(batch, error)
            return
        busy = self._answered(batch, answers)
        self._permits_changed.set()
        if busy:
            await self._pause_for_busy()
        else:
            self._busy_in_a_row = 0

    def _call(self, batch: Batch) -> Call[tuple[Settlement, ...]]:
        settle_id = draw_token()
        items = [_item(parcel) for parcel in batch.parcels]
        if batch.action is Action.RELEASE:
            return self._storage.release(self._worker, settle_id, items)
        results = [
            Result(item=number, seq=seq, value=value)
            for number, parcel in enumerate(batch.parcels, start=1)
            for seq, value in parcel.results
        ]
        return self._storage.complete(self._worker, settle_id, items, results)

    def _answered(self, batch: Batch, answers: Sequence[Settlement]) -> int:
        """Note what is durable; returns how many numbers somebody else was busy with."""
        busy = 0
        for settlement in answers:
            parcel = batch.parcels[settlement.item - 1]
            numbers = len(settlement.seqs)
            match settlement.answer:
                case Answer.SETTLED | Answer.ALREADY | Answer.FAILED | Answer.DEAD_LETTERED:
                    self._durable(parcel.held, numbers)
                    self._statistics.settled(batch.action, numbers)
                case Answer.STALE | Answer.ENDED:
                    # Somebody ended these attempts first, and says what became of the jobs.
                    self._durable(parcel.held, numbers)
                    self._report_late(parcel.held, settlement)
                case Answer.BUSY:
                    busy += numbers
                    self._put_back(batch.action, parcel, settlement.seqs)
                case unknown:
                    assert_never(unknown)
        return busy

    def _durable(self, held: Held, jobs: int) -> None:
        self._ledger.durable(held, jobs)
        self._permits[held.queue].returned(jobs)

    def _report_late(self, held: Held, settlement: Settlement) -> None:
        self._statistics.late(len(settlement.seqs))
        _log.warning(
            "queue %s: %d attempts had ended before their outcome came (%s): numbers %s",
            held.queue,
            len(settlement.seqs),
            settlement.answer.value,
            settlement.seqs,
        )

    def _put_back(self, action: Action, parcel: Parcel, seqs: Ranges) -> None:
        box = self._completions if action is Action.COMPLETE else self._releases
        box.put_back(parcel, list(seqs))

    async def _pause_for_busy(self) -> None:
        self._busy_in_a_row += 1
        await trio.sleep(
            pause_s(
                tries=self._busy_in_a_row,
                least_s=BUSY_RETRY_MIN_S,
                most_s=BUSY_RETRY_MAX_S,
                jitter=jitter(),
            )
        )

    async def _refused(self, batch: Batch, error: BaseException) -> None:
        """One outcome the database cannot store must not hold up its company: find it."""
        halves = batch.halves()
        if halves is not None:
            for half in halves:
                await self._settle(half)
            return
        (parcel,) = batch.parcels
        (seq,) = parcel.seqs
        assert batch.action is Action.COMPLETE, f"a release was refused: {error}"
        _log.error(
            "queue %s, number %d: the result was refused, the attempt is given back: %s",
            parcel.held.queue,
            seq,
            error,
        )
        self._permits[parcel.held.queue].returned(1)
        # No job id is known here; the number stands for it, so that the pause still grows.
        self.pauses.failed(-seq, parcel.held, seq, now_s=trio.current_time())


def _item(parcel: Parcel) -> SettleItem:
    held = parcel.held
    return SettleItem(
        slot=held.slot, token=held.token, part=held.part, seqs=Ranges.from_sorted(parcel.seqs)
    )
