"""A worker that tells what it does, for those who hold it against its specification.

Each part that does something worth telling has a twin here, which tells and then does the same. A
worker that nobody watches is made of the plain parts, so it pays nothing.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final

from awa._core.bodies import Bodies
from awa._core.entries import Beat, Body, ClaimAnswer, ClaimRow, EndedElsewhere, Settlement
from awa._core.ranges import Ranges
from awa._runtime import events
from awa._runtime.claiming import Claimer
from awa._runtime.claims import Claim
from awa._runtime.events import Answered, Receipt, TakenJob, Tell
from awa._runtime.heartbeat import Heart
from awa._runtime.incarnation import LAST_BEAT, Incarnation
from awa._runtime.ledger import Held
from awa._runtime.outbox import Action, Batch, Detail, Parcel
from awa._runtime.own_transactions import OwnTransactions, receipt_of
from awa._runtime.parts import Given, Parts
from awa._runtime.reconnecting import ANSWERS
from awa._runtime.reporting import Reporter
from awa._runtime.running import QueueRun
from awa._runtime.settling import Settler
from awa._runtime.turns import BatchTurn, Turn, is_one_of
from awa._storage.calls import Call
from awa.handler import Job


class WatchedIncarnation(Incarnation):
    """Tells of its beginning, of its end, and of what it hears."""

    def __init__(self, tell: Tell, given: Given) -> None:
        self._tell = tell
        self._told_drained = False
        self._has_left = False
        self._worker: Final = given.worker
        super().__init__(
            given,
            Parts(
                settler=partial(WatchedSettler, tell),
                reporter=partial(WatchedReporter, tell, given.worker),
                claimer=partial(WatchedClaimer, tell),
                heart=partial(WatchedHeart, tell),
                queue_run=partial(WatchedRun, self._tell_of_handlers, given.worker),
                desk=partial(WatchedOwnTransactions, self._tell_of_handlers),
            ),
        )

    async def run(self) -> None:
        """Live until stopped or gone."""
        permits = tuple((name, queue.workers) for name, queue in self.hands.permits.items())
        settings = self._given.settings
        self._tell(
            events.Began(
                worker=self._worker,
                permits=permits,
                total=settings.global_max_workers,
                claimers=settings.claimers,
            )
        )
        try:
            await super().run()
        except BaseException:
            self._tell(events.Crashed(worker=self._worker))
            raise

    def stop(self, *, deadline_s: float, flush_s: float) -> None:
        """Claim no more; at that time of trio's clock cancel what still runs."""
        if not self._told_drained:
            self._told_drained = True
            self._tell(events.Drained(worker=self._worker))
        super().stop(deadline_s=deadline_s, flush_s=flush_s)

    def _is_gone(self) -> None:
        if not self.gone:
            self._tell(events.Gone(worker=self._worker))
        super()._is_gone()

    def _tell_of_handlers(self, event: events.WorkerEvent) -> None:
        # The time to leave may be up while the database is told: nobody is cut off any more.
        if not self._has_left:
            self._tell(event)

    async def _leave(self) -> None:
        self._has_left = True
        self._tell(events.Left(worker=self._worker, dropped=self.hands.ledger.jobs()))
        self._tell(
            events.BeatSent(
                worker=self._worker, beat=LAST_BEAT, upto=self.hands.ledger.last_call, named=()
            )
        )
        await super()._leave()

    def _listener_up(self) -> None:
        self._tell(events.Hears(worker=self._worker))
        super()._listener_up()

    def _listener_down(self) -> None:
        self._tell(events.Deafened(worker=self._worker))
        super()._listener_down()


class WatchedClaimer(Claimer):
    """Tells of claim calls and of their replies."""

    def __init__(self, tell: Tell, **parts: Any) -> None:
        super().__init__(**parts)
        self._tell = tell
        self._untold: dict[int, Sequence[ClaimRow]] = {}

    def rest(self) -> None:
        """Another worker shall be woken instead of this one from now on."""
        self._tell(events.Closed(worker=self._worker))
        super().rest()

    def _sends(self, claim: Claim) -> None:
        for token in [*self._untold]:
            self._tell_answer(token)
        limit = sum(ask.limit for ask in claim.asks)
        self._tell(
            events.ClaimSent(worker=self._worker, call=claim.call, token=claim.token, limit=limit)
        )
        super()._sends(claim)

    def _answered(self, claim: Claim, answer: ClaimAnswer, now_s: float) -> None:
        self._untold[claim.token] = answer.rows
        super()._answered(claim, answer, now_s)

    def _take_over(self, claim: Claim, answer: ClaimAnswer, bodies: Sequence[Bodies]) -> None:
        self._tell_answer(claim.token, bodies)
        super()._take_over(claim, answer, bodies)

    def _give_back(self, claim: Claim, answer: ClaimAnswer) -> None:
        self._tell_answer(claim.token)
        super()._give_back(claim, answer)

    def _tell_answer(self, token: int, bodies: Sequence[Bodies] = ()) -> None:
        """Tell of a reply: with the jobs' names, unless a next call leaves before they came."""
        rows = self._untold.pop(token, None)
        if rows is None:
            return
        every = chain.from_iterable(bodies)
        known = {(body.part, body.seq): (body.job_id, body.run_lease) for body in every}
        taken = tuple(
            TakenJob(row.part, seq, *known.get((row.part, seq), (0, 0)), row.queue)
            for row in rows
            for seq in row.seqs
        )
        self._tell(events.ClaimAnswered(worker=self._worker, token=token, taken=taken))


class WatchedRun(QueueRun):
    """Tells of handlers that start, and of those that are to end."""

    def __init__(self, tell: Tell, worker: int, **parts: Any) -> None:
        super().__init__(**parts)
        self._tell = tell
        self._worker = worker

    def permit(self, workers: int) -> None:
        """So many handlers may run from now on; of more that run, none is cut off."""
        if workers != self.permits.workers:
            told = events.Permitted(worker=self._worker, queue=self.name, permits=workers)
            self._tell(told)
        super().permit(workers)

    def tell_cancelled(self) -> None:
        """Set every running job's flag; the scopes are cancelled by the caller."""
        self._tell(events.HandlersCut(worker=self._worker))
        super().tell_cancelled()

    def was_ended(self, ended: EndedElsewhere) -> None:
        """Somebody else ended these attempts: cancel those that run, and start none of them."""
        for turn in self._turns:
            if turn.body is not None and turn.runs_one_of(ended):
                self._was_told(turn.held, turn.body)
        for held, body in self.waiting:
            if is_one_of(held, body, ended):
                self._was_told(held, body)
        for held, body in self.batches.told_by(ended):
            self._was_told(held, body)
        super().was_ended(ended)

    def _was_told(self, held: Held, body: Body) -> None:
        self._tell(events.Told(worker=self._worker, attempt=_receipt(held, body.seq)))

    def batch_starts(self, turn: BatchTurn) -> None:
        """A batch begins."""
        for held, body in turn.items:
            self._tell(events.Started(worker=self._worker, attempt=_receipt(held, body.seq)))

    async def _attempt(self, turn: Turn, held: Held, body: Body, began_s: float) -> float:
        self._tell(events.Started(worker=self._worker, attempt=_receipt(held, body.seq)))
        return await super()._attempt(turn, held, body, began_s)


class WatchedReporter(Reporter):
    """Tells of attempts that others ended and that run here no more."""

    def __init__(self, tell: Tell, worker: int, *parts: Any) -> None:
        super().__init__(*parts)
        self._tell = tell
        self._worker = worker

    def was_ended(self, held: Held, body: Body, why: str) -> None:
        """Somebody else ended the attempt, and it does not run here any more."""
        self._tell(events.LetGo(worker=self._worker, attempt=_receipt(held, body.seq)))
        super().was_ended(held, body, why)


class WatchedSettler(Settler):
    """Tells of outcomes, of settles, and of what the database says to them."""

    def __init__(self, tell: Tell, **parts: Any) -> None:
        super().__init__(**parts)
        self._tell = tell

    def complete(self, held: Held, seq: int) -> None:
        """The handler returned nothing."""
        self._ended(held, seq, Action.COMPLETE)
        super().complete(held, seq)

    def complete_all(self, held: Held, seqs: list[int]) -> None:
        """The handler of a batch returned nothing for these."""
        for seq in seqs:
            self._ended(held, seq, Action.COMPLETE)
        super().complete_all(held, seqs)

    def complete_with(self, held: Held, seq: int, result: bytes) -> None:
        """The handler returned a value, given as JSON text."""
        self._ended(held, seq, Action.COMPLETE)
        super().complete_with(held, seq, result)

    def retry(self, held: Held, failure: Detail) -> None:
        """The attempt failed; the database says whether there is another one."""
        self._ended(held, failure.seq, Action.RETRY)
        super().retry(held, failure)

    def fail(self, held: Held, failure: Detail) -> None:
        """The attempt failed for good."""
        self._ended(held, failure.seq, Action.FAIL)
        super().fail(held, failure)

    def snooze(self, held: Held, seq: int, delay_s: float) -> None:
        """The job is wanted later; the attempt does not count."""
        self._ended(held, seq, Action.SNOOZE)
        super().snooze(held, seq, delay_s)

    def cancel(self, held: Held, seq: int, reason: str | None) -> None:
        """The job is not wanted any more."""
        self._ended(held, seq, Action.CANCEL)
        super().cancel(held, seq, reason)

    def completed_itself(self, held: Held, seq: int) -> None:
        """The handler's own transaction completed the job: nothing is left to be settled."""
        self._tell(events.LetGo(worker=self._worker, attempt=_receipt(held, seq)))
        super().completed_itself(held, seq)

    def give_back(self, held: Held, seq: int) -> None:
        """The attempt was not made, or not to its end, for no fault of the job."""
        self._ended(held, seq, Action.RELEASE)
        super().give_back(held, seq)

    def _ended(self, held: Held, seq: int, how: Action) -> None:
        receipt = _receipt(held, seq)
        self._tell(events.Ended(worker=self._worker, attempt=receipt, how=how.value))

    async def _ask(self, settle_id: int, batch: Batch) -> Sequence[Settlement]:
        self._tell(
            events.FlushSent(
                worker=self._worker,
                settle=settle_id,
                how=batch.action.value,
                attempts=tuple(_receipts(batch.parcels)),
            )
        )
        try:
            answers = await super()._ask(settle_id, batch)
        except ANSWERS:
            self._tell(events.FlushRefused(worker=self._worker, settle=settle_id))
            raise
        said = tuple(_answers(batch, answers))
        self._tell(events.FlushAnswered(worker=self._worker, settle=settle_id, answers=said))
        return answers

    async def _soften(self, milder: Batch) -> None:
        for receipt in _receipts(milder.parcels):
            how = milder.action.value
            self._tell(events.Softened(worker=self._worker, attempt=receipt, how=how))
        await super()._soften(milder)

    def _forsake(self, parcel: Parcel) -> None:
        for receipt in _receipts([parcel]):
            self._tell(events.Forsaken(worker=self._worker, attempt=receipt))
        super()._forsake(parcel)


class WatchedOwnTransactions(OwnTransactions):
    """Tells of handlers' own transactions."""

    def __init__(self, tell: Tell, **parts: Any) -> None:
        super().__init__(**parts)
        self._tell = tell

    def _sent(self, job: Job[Any], settle_id: int) -> None:
        attempt = _receipt(*receipt_of(job))
        self._tell(events.CommitSent(worker=self._worker, attempt=attempt, settle=settle_id))

    def _answered(self, job: Job[Any], settle_id: int, done: bool) -> None:  # noqa: FBT001
        answered = events.CommitAnswered(
            worker=self._worker, attempt=_receipt(*receipt_of(job)), settle=settle_id, done=done
        )
        self._tell(answered)

    def _found_stale(self, job: Job[Any]) -> None:
        self._tell(events.Told(worker=self._worker, attempt=_receipt(*receipt_of(job))))


class WatchedHeart(Heart):
    """Tells of the beats that leave."""

    def __init__(self, tell: Tell, **parts: Any) -> None:
        super().__init__(**parts)
        self._tell = tell

    def _call(self, beat: int, upto: int, named: Ranges) -> Call[Beat]:
        if self._listener.is_up:
            self._tell(
                events.BeatSent(worker=self._worker, beat=beat, upto=upto, named=tuple(named))
            )
        return super()._call(beat, upto, named)


def _receipt(held: Held, seq: int) -> Receipt:
    return held.token, held.part, seq


def _receipts(parcels: Iterable[Parcel]) -> Iterable[Receipt]:
    return (_receipt(parcel.held, seq) for parcel in parcels for seq in parcel.seqs)


def _answers(batch: Batch, answers: Sequence[Settlement]) -> Iterable[Answered]:
    for settlement in answers:
        held = batch.parcels[settlement.item - 1].held
        for seq in settlement.seqs:
            yield Answered(held.token, held.part, seq, settlement.answer.value)
