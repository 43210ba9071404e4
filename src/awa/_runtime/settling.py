"""Settling: outcomes become durable, in batches, and permits return only then.

A batch whose reply is lost is sent again with the same settle id until it is answered, so no
outcome is dropped and none is written twice. What the database answers `busy` for goes into a later
batch.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

import trio

from awa._core.entries import Answer, Body, Settlement
from awa._core.failures import Failure, cut_text
from awa._runtime.backoff import pause_s
from awa._runtime.chance import jitter
from awa._runtime.hooks import Hooks
from awa._runtime.ledger import Held, Ledger
from awa._runtime.limits import (
    BUSY_RETRY_MAX_S,
    BUSY_RETRY_MIN_S,
    ENDED_JOBS_NAMED,
    FLUSH_JOBS,
)
from awa._runtime.noting import Attempt, Notes
from awa._runtime.outbox import Action, Batch, Detail, Outbox, Parcel, flush_in_s
from awa._runtime.permits import Permits
from awa._runtime.reconnecting import ANSWERS, Session, is_servers_limit
from awa._runtime.settle_calls import settle_call
from awa._runtime.signals import Signal, Signals
from awa._runtime.statistics import Statistics
from awa._storage.condition import takes_writes
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
        notes: Notes,
        ledger: Ledger,
        permits: Mapping[str, Permits],
        statistics: Statistics,
        changed: Signals,
        hooks: Hooks | None = None,
    ) -> None:
        self._worker = worker
        self._storage = storage
        self._session = session
        self._notes = notes
        self._ledger = ledger
        self._permits = permits
        self._statistics = statistics
        self._permits_changed = changed
        self._hooks = hooks
        self._boxes = {action: Outbox(action) for action in Action}
        self._completions = self._boxes[Action.COMPLETE]
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

    def complete_all(self, held: Held, seqs: list[int]) -> None:
        """The handler of a batch returned nothing for these."""
        self._completions.put_all(held, seqs)
        if not self._armed:
            self._arm()

    def complete_with(self, held: Held, seq: int, result: bytes) -> None:
        """The handler returned a value, given as JSON text."""
        self._completions.put_detail(held, Detail(seq, result))
        if not self._armed:
            self._arm()

    def retry(self, held: Held, failure: Detail) -> None:
        """The attempt failed; the database says whether there is another one."""
        self._boxes[Action.RETRY].put_detail(held, failure)
        self._arm()

    def fail(self, held: Held, failure: Detail) -> None:
        """The attempt failed for good."""
        self._boxes[Action.FAIL].put_detail(held, failure)
        self._arm()

    def snooze(self, held: Held, seq: int, delay_s: float) -> None:
        """The job is wanted later; the attempt does not count."""
        self._boxes[Action.SNOOZE].put_sharing(held, seq, delay_s)
        self._arm()

    def cancel(self, held: Held, seq: int, reason: str | None) -> None:
        """The job is not wanted any more."""
        self._boxes[Action.CANCEL].put_sharing(held, seq, reason)
        self._arm()

    def give_back(self, held: Held, seq: int) -> None:
        """The attempt was not made, or not to its end, for no fault of the job."""
        self._boxes[Action.RELEASE].put(held, seq)
        self._arm()

    def was_ended(self, held: Held, body: Body, why: str) -> None:
        """An attempt was ended by somebody else, and does not run here any more."""
        self._notes.forget(held, (body.seq,))
        if self._hooks is not None:
            self._hooks.was_ended(held, body, why)
        self._durable(held, 1)
        self._statistics.ended_elsewhere += 1
        self._permits_changed.set()

    def completed_itself(self, held: Held, seq: int) -> None:
        """The handler's own transaction completed the job: nothing is left to be settled."""
        self._notes.forget(held, (seq,))
        if self._hooks is not None:
            self._hooks.completed_itself(held, seq)
        self._durable(held, 1)
        self._statistics.settled(Action.COMPLETE, Answer.SETTLED, 1)
        self._permits_changed.set()

    def unread(self, held: Held, body: Body) -> None:
        """Arguments could not be read; the outcome follows."""
        if self._hooks is not None:
            self._hooks.unread(held, body)

    def has_room(self) -> None:
        """There may be jobs to claim again, for another reason than an outcome."""
        self._permits_changed.set()

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
        if not self._armed:
            self._armed = True
            self._signal.set()

    def close(self) -> None:
        """End the loop as soon as every outcome is durable."""
        self._closing = True
        self._signal.set()

    def unsettled(self) -> int:
        """Outcomes that wait to be sent."""
        return sum(box.jobs for box in self._boxes.values())

    # The loop ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Settle until closed and empty."""
        try:
            while True:
                now_s = trio.current_time()
                box = self._due(now_s)
                if box is not None:
                    await self._settle(box.take())
                elif self._closing and not self.unsettled():
                    return
                else:
                    self._armed = self.unsettled() > 0
                    await self._signal.wait(until_s=self._next_s(now_s))
        finally:
            await self._session.aclose()

    def _due(self, now_s: float) -> Outbox | None:
        """The box to send from: the one that waited longest, so that none starves another."""
        due = [box for box in self._boxes.values() if self._flush_in_s(box, now_s) == 0]
        return max(due, key=lambda box: box.age_s(now_s), default=None)

    def _flush_in_s(self, box: Outbox, now_s: float) -> float | None:
        idle = self._closing or not self._active
        return flush_in_s(action=box.action, jobs=box.jobs, age_s=box.age_s(now_s), idle=idle)

    def _next_s(self, now_s: float) -> float:
        waits = [self._flush_in_s(box, now_s) for box in self._boxes.values()]
        return min((now_s + wait for wait in waits if wait is not None), default=float("inf"))

    async def _settle(self, batch: Batch) -> None:
        if self._notes.has_any() and not (batch := await self._noted(batch)).parcels:
            await self._pause_for_busy()
            return
        try:
            answers = await self._ask(draw_token(), batch)
        except ANSWERS as error:
            if await self._is_refusing_all(batch, error):
                self._put_back(batch)
                await self._session.had_trouble(batch.action.value, error)
            else:
                await self._refused(batch, error)
            return
        busy = self._answered(batch, answers)
        self._permits_changed.set()
        if busy:
            await self._pause_for_busy()
        else:
            self._busy_in_a_row = 0

    async def _noted(self, batch: Batch) -> Batch:
        """The batch without what has to wait: the progress of an attempt goes before its end.

        Of completed jobs it goes nowhere.
        """
        if batch.action is Action.COMPLETE:
            for parcel in batch.parcels:
                self._notes.forget(parcel.held, parcel.seqs)
            return batch
        attempts = [(parcel.held, seq) for parcel in batch.parcels for seq in parcel.seqs]
        busy = await self._notes.flush_once(self._session, attempts)
        return self._without(batch, busy) if busy else batch

    def _without(self, batch: Batch, busy: set[Attempt]) -> Batch:
        kept: list[Parcel] = []
        for parcel in batch.parcels:
            later = [seq for seq in parcel.seqs if (parcel.held, seq) in busy]
            self._boxes[batch.action].put_back(parcel, later)
            if len(later) < len(parcel.seqs):
                kept.append(parcel.only([seq for seq in parcel.seqs if seq not in later]))
        return Batch(action=batch.action, parcels=tuple(kept))

    async def _ask(self, settle_id: int, batch: Batch) -> Sequence[Settlement]:
        call = settle_call(self._storage, self._worker, settle_id, batch)
        return await self._session.ask(call)

    def _answered(self, batch: Batch, answers: Sequence[Settlement]) -> int:
        """Note what is durable; returns how many numbers somebody else was busy with."""
        busy = 0
        for settlement in answers:
            parcel = batch.parcels[settlement.item - 1]
            numbers = len(settlement.seqs)
            if self._hooks is not None and settlement.answer is not Answer.BUSY:
                self._hooks.settled(batch.action, parcel, settlement)
            match settlement.answer:
                case Answer.SETTLED | Answer.ALREADY:
                    self._durable(parcel.held, numbers)
                    self._statistics.settled(batch.action, settlement.answer, numbers)
                case Answer.FAILED | Answer.DEAD_LETTERED:
                    self._durable(parcel.held, numbers)
                    self._statistics.settled(batch.action, settlement.answer, numbers)
                    _report_end(batch.action, parcel, settlement)
                case Answer.STALE | Answer.ENDED:
                    # Somebody ended these attempts first, and says what became of the jobs.
                    self._durable(parcel.held, numbers)
                    self._report_late(parcel.held, settlement)
                case Answer.BUSY:
                    busy += numbers
                    self._boxes[batch.action].put_back(parcel, list(settlement.seqs))
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

    async def _is_refusing_all(self, batch: Batch, error: Exception) -> bool:
        """Whether it is the server that takes nothing just now, and not this batch that is wrong.

        One code stands for both: a value that is too large, and a server that has run out of
        transaction ids.
        """
        if not is_servers_limit(error):
            return False
        if not batch.says_more():
            return True
        try:
            await self._session.ask(takes_writes())
        except ANSWERS:
            return True
        return False

    def _put_back(self, batch: Batch) -> None:
        for parcel in batch.parcels:
            self._boxes[batch.action].put_back(parcel, parcel.seqs)

    async def _refused(self, batch: Batch, error: BaseException) -> None:
        """One outcome the database cannot store must not hold up its company: find it."""
        halves = batch.halves()
        if halves is not None:
            for half in halves:
                await self._settle(half)
            return
        (parcel,) = batch.parcels
        problem = f"the {_WORD.get(batch.action, 'outcome')} was refused: {error}"
        _log.error("queue %s, number %d: %s", parcel.held.queue, parcel.seqs[0], problem)
        failure = Failure(type=type(error).__name__, message=cut_text(problem))
        milder = batch.milder(failure.document())
        if milder is not None:
            await self._soften(milder)
        else:
            self._forsake(parcel)

    async def _soften(self, milder: Batch) -> None:
        await self._settle(milder)

    def _forsake(self, parcel: Parcel) -> None:
        # No beat names it any more, so the database releases it as a loss.
        self._durable(parcel.held, 1)


_WORD: Final = {Action.COMPLETE: "result", Action.RETRY: "error", Action.FAIL: "error"}


def _report_end(action: Action, parcel: Parcel, settlement: Settlement) -> None:
    ids = {detail.seq: detail.job_id for detail in parcel.details}
    why = "no attempt is left" if action is Action.RETRY else "it cannot succeed"
    told = [str(ids.get(seq)) for seq in settlement.seqs]
    one = len(told) == 1
    if settlement.answer is Answer.FAILED:
        became = "failed"
    else:
        became = "is a dead letter now" if one else "are dead letters now"
    more = len(told) - ENDED_JOBS_NAMED
    _log.error(
        "%s %s%s of queue %s %s: %s",
        "job" if one else "jobs",
        ", ".join(told[:ENDED_JOBS_NAMED]),
        f" and {more} more" if more > 0 else "",
        parcel.held.queue,
        became,
        why,
    )
