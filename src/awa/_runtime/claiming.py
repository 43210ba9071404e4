"""Claiming: permits become jobs in the runners' hands, and an idle worker goes to sleep.

A claim whose reply is lost is asked again with the same token until it is answered: what it took is
known then, and nothing was taken twice. Ranges and bodies come in one round trip: a few small
bodies with the claim's answer, others by a second statement behind it. The claim commits before
anything is sent that a slow reader could hold up, so it holds nobody's lane.

Bodies are long in coming, so a claim that was full has the next one sent behind them as soon as its
ranges are known: the server goes on with that one while the worker reads. There is room for it by
then, or it is not sent, and no two claims are unanswered at the same time.
"""

import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import trio

from awa._core.bodies import Bodies
from awa._core.entries import Ask, ClaimAnswer, ClaimRow
from awa._core.tuning import QueueOverrides
from awa._runtime.chance import jitter
from awa._runtime.claims import Claim, brought, jobs_of, missing_bodies, taken_by
from awa._runtime.clock import ServerClock, look_at_the_clock
from awa._runtime.ledger import Held, Ledger
from awa._runtime.limits import BODIES_WITH_CLAIM_MAX, EMPTY_LOOK_S, SLEEP_LOCK_WAIT_MS
from awa._runtime.permits import share_out
from awa._runtime.reconnecting import Session
from awa._runtime.running import QueueRun
from awa._runtime.settling import Settler
from awa._runtime.signals import Signal
from awa._runtime.sleeping import FlagsWanted, Sleeping
from awa._runtime.statistics import Statistics
from awa._runtime.tuning import Tuner
from awa._storage.functions import Storage
from awa._storage.piping import Asked
from awa._storage.tokens import draw_token
from awa._storage.views import priorities

if TYPE_CHECKING:
    from awa._runtime.listening import Listener

_log: Final = logging.getLogger("awa.worker")

_LUCK_MIN: Final = 0.25
_LUCK_WEIGHT: Final = 0.2


class Claimer:
    """The loop that claims for all queues of one worker."""

    def __init__(
        self,
        *,
        worker: int,
        storage: Storage,
        session: Session,
        ledger: Ledger,
        queues: Mapping[str, QueueRun],
        settler: Settler,
        clock: ServerClock,
        sleeping: Sleeping,
        tuner: Tuner,
        statistics: Statistics,
        changed: Signal,
        jobs_max: int | None = None,
    ) -> None:
        """`jobs_max`: after so many jobs nothing is claimed any more."""
        self._worker = worker
        self._storage = storage
        self._session = session
        self._ledger = ledger
        self._queues = queues
        self._settler = settler
        self._clock = clock
        self._sleeping = sleeping
        self._tuner = tuner
        self._statistics = statistics
        self._priorities: dict[int, int] = {}
        self._changed = changed
        self._stopping = False
        self._jobs_max = sys.maxsize if jobs_max is None else jobs_max
        self._luck = 1.0
        """How often a claim gets something that nobody announced, a mean of the recent ones."""
        self._few = True
        """Whether the last claim that got something got no more than may bring their bodies."""
        self._slots: tuple[int, ...] = ()
        """Where the last claim found something; the next one will, too, unless the ring turns."""
        for name, asleep in sleeping.queues.items():
            asleep.poll_s = tuner.poll_s(name)
        self.listener: Listener | None = None
        self._found_empty: Final[dict[str, int]] = {}
        """The last claim call that found nothing in this queue."""

    def stop(self) -> None:
        """Claim no more; the claim under way is still answered."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Claim until stopped. Raises UnknownWorker when the worker's row is gone."""
        try:
            # Deadlines are the server's times: none can be kept before its clock is known.
            await look_at_the_clock(self._clock, self._session.ask)
            found = await self._session.ask(self._storage.overrides_of([*self._queues]))
            self.override(found)
            while not self._stopping:
                now_s = trio.current_time()
                asks = self._next_asks(now_s)
                if asks:
                    await self._claim(asks)
                else:
                    await self._changed.wait(until_s=self._sleeping.next_s(now_s))
        finally:
            await self._session.aclose()

    async def finds_nothing(self) -> bool:
        """Ask for every queue once more; whether none had anything, and nothing came meanwhile."""
        call, claimed = self._ledger.last_call, self._statistics.claimed
        for queue in self._queues:
            self.heard(queue)
        while self._statistics.claimed == claimed and not self._stopping:
            if all(self._found_empty.get(queue, 0) > call for queue in self._queues):
                return True
            await trio.sleep(EMPTY_LOOK_S)
        return False

    def override(self, found: Mapping[str, QueueOverrides]) -> None:
        """Hold to what operators say of these queues, and to the programs' word in the others."""
        for name in self._tuner.override(found, self._queues):
            self._sleeping.queues[name].poll_s = self._tuner.poll_s(name)
            self._changed.set()

    # What the listener tells -----------------------------------------------------------------

    def heard(self, queue: str) -> None:
        """Somebody notified this queue."""
        if self._sleeping.heard(queue, trio.current_time()):
            self._drop_flags()
        self._changed.set()

    def listener_up(self) -> None:
        """The listener is there (again)."""
        self._sleeping.listener_up()
        self._changed.set()

    def listener_down(self) -> None:
        """The listener is gone."""
        self._sleeping.listener_down(trio.current_time())
        self._changed.set()

    def rest(self) -> None:
        """Another worker shall be woken instead of this one from now on."""
        self._hand_over_sleep(tuple(self._queues))

    # The database ----------------------------------------------------------------------------

    def _next_asks(self, now_s: float) -> list[Ask]:
        wanted = self._sleeping.ask_flags(now_s)
        if wanted is not None:
            self._raise_flags(wanted)
        self._tuner.share(self._queues, self._sleeping.contending(now_s), now_s)
        names = self._sleeping.to_claim(now_s)
        rooms = {name: self._tuner.room(self._queues[name], now_s) for name in names}
        limits = self._within_jobs_max({name: room.jobs for name, room in rooms.items()})
        none = [name for name, limit in limits.items() if limit == 0]
        if none:
            self._hand_over_sleep(none)
        for name in none:
            self._sleeping.pause(name, rooms[name].not_before_s)
        return [Ask(queue=name, limit=limit) for name, limit in share_out(limits).items()]

    def _within_jobs_max(self, limits: Mapping[str, int]) -> dict[str, int]:
        left = self._jobs_max - self._statistics.claimed
        within: dict[str, int] = {}
        for name, limit in limits.items():
            within[name] = min(limit, left)
            left -= within[name]
        return within

    async def _claim(self, asks: Sequence[Ask]) -> None:
        """Claim, and go on for as long as a claim that was full leaves room for the next one."""
        claim: Claim | None = await self._send(asks)
        while claim is not None:
            answer = await self._session.answer(claim.asked)
            now_s = trio.current_time()
            self._answered(claim, answer, now_s)
            try:
                following = await self._send_ahead(claim, now_s)
                bodies = await self._bodies_of(claim, answer)
                await self._learn_lanes(answer.rows)
            except BaseException:
                self._give_back(claim, answer)
                raise
            self._take_over(claim, answer, bodies)
            claim = following
            if claim is not None:
                claim.asked_s = trio.current_time()  # what it waited for before is not its time

    async def _send(self, asks: Sequence[Ask]) -> Claim:
        """A claim leaves, and with it the question for its bodies when there are likely some."""
        call, token = self._ledger.start_call(), draw_token()
        told = self._sleeping.expects(ask.queue for ask in asks)
        most = BODIES_WITH_CLAIM_MAX if self._few else 0
        ask = self._storage.claim(self._worker, call=call, token=token, asks=asks, bodies_max=most)
        claim = Claim(
            call=call,
            token=token,
            asks=asks,
            told=told,
            asked=Asked(call=ask),
            bodies=Asked(call=self._storage.bodies(token, guess=self._slots)),
            # To read the bodies of nothing costs half as much as a claim that gets nothing.
            is_with_bodies=not self._few and (told or self._luck > _LUCK_MIN),
            asked_s=trio.current_time(),
        )
        self._sends(claim)
        if claim.is_with_bodies:
            await self._session.send(claim.asked, claim.bodies)
        return claim

    def _sends(self, claim: Claim) -> None:
        """A claim call leaves."""

    def _answered(self, claim: Claim, answer: ClaimAnswer, now_s: float) -> None:
        """What a claim took is known, and held from now on."""
        got: Counter[str] = Counter()
        for row in answer.rows:
            got[row.queue] += len(row.seqs)
        self._ledger.answered(claim.call, jobs=got.total())
        self._statistics.claimed += got.total()
        for queue, jobs in got.items():
            self._queues[queue].permits.took(jobs)
            self._tuner.took(queue, jobs, now_s)
        self._found_empty.update(dict.fromkeys(answer.empty, claim.call))
        if got:
            self._few = got.total() <= BODIES_WITH_CLAIM_MAX
            self._slots = tuple({row.slot for row in answer.rows})
        if not claim.told:
            self._luck += _LUCK_WEIGHT * (bool(got) - self._luck)
        claim.full = {ask.queue for ask in claim.asks if got.get(ask.queue, 0) >= ask.limit}
        dropped = self._sleeping.claimed(
            now_s=now_s,
            took_s=now_s - claim.asked_s,
            jitter=jitter(),
            got=got,
            full=claim.full,
            empty=answer.empty,
            busy=answer.busy,
        )
        if dropped:
            self._drop_flags()

    async def _send_ahead(self, claim: Claim, now_s: float) -> Claim | None:
        """Send the next claim while the bodies of this one are on their way, if there is more."""
        if self._stopping or self._few or not (claim.is_with_bodies and claim.full):
            return None
        asks = self._next_asks(now_s)
        return await self._send(asks) if self._are_whole(asks) else None

    def _are_whole(self, asks: Sequence[Ask]) -> bool:
        """Whether they are worth a claim that nobody waits for: more would come of a later one."""
        wholes = [self._queues[ask.queue].permits.batch_max for ask in asks]
        return bool(wholes) and sum(ask.limit for ask in asks) >= min(wholes)

    async def _bodies_of(self, claim: Claim, answer: ClaimAnswer) -> tuple[Bodies, ...]:
        taken = taken_by(answer.rows)
        found = brought(answer.rows)
        if claim.is_with_bodies:
            found = await self._session.answer(claim.bodies)
        elif jobs_of(found) < taken:
            found = await self._session.ask(self._storage.bodies(claim.token, guess=self._slots))
        if jobs_of(found) < taken:
            # They are in other slots than before, as the ring has turned.
            found = await self._session.ask(self._storage.bodies(claim.token))
        return found

    async def _learn_lanes(self, rows: Sequence[ClaimRow]) -> None:
        """A job's priority is its lane's; lanes are few and never change."""
        new = {row.lane for row in rows if row.lane not in self._priorities}
        if new:
            learnt = await self._session.ask(priorities(sorted(new), schema=self._storage.schema))
            self._priorities.update(learnt)

    def _take_over(self, claim: Claim, answer: ClaimAnswer, bodies: Sequence[Bodies]) -> None:
        """The jobs of a claim go into the runners' hands."""
        helds = self._held(claim, answer.rows)
        if taken_by(answer.rows) != jobs_of(bodies):
            self._report_missing(answer.rows, helds, bodies)
        # In the order of the claim: a part of it was carried to another slot, at times.
        for held, mine in product(helds.values(), bodies):
            if mine.part == held.part:
                self._queues[held.queue].hand_over(held, mine)

    def _give_back(self, claim: Claim, answer: ClaimAnswer) -> None:
        """Nobody waits for the bodies of these any more."""
        helds = self._held(claim, answer.rows)
        for row in answer.rows:
            for seq in row.seqs:
                self._settler.give_back(helds[row.part], seq)

    def _held(self, claim: Claim, rows: Sequence[ClaimRow]) -> dict[int, Held]:
        now_s = trio.current_time()
        return {
            row.part: Held(
                queue=row.queue,
                # Of what is given back it may not be known, nor is it asked.
                priority=self._priorities.get(row.lane, 0),
                call=claim.call,
                token=claim.token,
                slot=row.slot,
                part=row.part,
                deadline=row.deadline,
                deadline_s=self._clock.local_s(row.deadline),
                taken_s=now_s,
                jobs=len(row.seqs),
            )
            for row in rows
        }

    def _report_missing(
        self,
        rows: Sequence[ClaimRow],
        helds: Mapping[int, Held],
        bodies: Sequence[Bodies],
    ) -> None:
        for row, missing in missing_bodies(rows, bodies):
            _log.error(
                "lane %d: the bodies of claimed entries %s are missing; they are released",
                row.lane,
                missing,
            )
            for seq in missing:
                self._settler.give_back(helds[row.part], seq)

    # The flags -------------------------------------------------------------------------------

    def _raise_flags(self, wanted: FlagsWanted) -> None:
        calls: list[Any] = []
        if wanted.raised:
            calls.append(self._storage.sleep_on(wanted.raised, wait_ms=SLEEP_LOCK_WAIT_MS))
        calls.append(self._storage.inflight(wanted.tested))

        def answered(answers: list[Any] | BaseException) -> None:
            # Without an answer the listener is down, which the sleeping knows already.
            if isinstance(answers, list):
                got = answers[0] if wanted.raised else ()
                self._sleeping.flags_answered(asked=wanted.tested, got=got, in_flight=answers[-1])
            self._changed.set()

        self._post(calls, answered)

    def _drop_flags(self) -> None:
        self._post([self._storage.wake_up()], _nothing)

    def _hand_over_sleep(self, names: Sequence[str]) -> None:
        handover = self._sleeping.without_permits(names)
        calls = [self._storage.wake_up()] if handover.drop_flags else []
        if handover.pass_on:
            calls.append(self._storage.pass_on(handover.pass_on))
        if calls:
            self._post(calls, _nothing)

    def _post(self, calls: Sequence[Any], then: Any) -> None:
        if self.listener is not None:
            self.listener.post(calls, then)


def _nothing(_answers: list[Any] | BaseException) -> None:
    """A flag that could not be given up is gone with its connection."""
