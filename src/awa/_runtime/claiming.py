"""Claiming: permits become jobs in the runners' hands, and an idle worker goes to sleep.

A claim whose reply is lost is asked again with the same token until it is answered: what it took is
known then, and nothing was taken twice. Ranges and bodies come in one round trip: a few small
bodies with the claim's answer, others by a second statement behind it. The claim commits before
anything is sent that a slow reader could hold up, so it holds nobody's lane.
"""

import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import trio

from awa._core.bodies import Bodies
from awa._core.entries import Ask, ClaimAnswer, ClaimRow
from awa._core.ranges import Ranges
from awa._core.tuning import QueueOverrides
from awa._runtime.chance import jitter
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
from awa._storage.calls import Call
from awa._storage.functions import Storage
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
                wanted = self._sleeping.ask_flags(now_s)
                if wanted is not None:
                    self._raise_flags(wanted)
                asks = self._asks(now_s)
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

    def _asks(self, now_s: float) -> list[Ask]:
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
        call, token = self._ledger.start_call(), draw_token()
        asked_s = trio.current_time()
        answer, bodies = await self._ask(call, token, asks)
        took_s = trio.current_time() - asked_s
        await self._learn_lanes(answer.rows)
        now_s = trio.current_time()
        self._take_over(call, token, answer, bodies, now_s)
        self._found_empty.update(dict.fromkeys(answer.empty, call))
        got: Counter[str] = Counter()
        for row in answer.rows:
            got[row.queue] += len(row.seqs)
        dropped = self._sleeping.claimed(
            now_s=now_s,
            took_s=took_s,
            jitter=jitter(),
            got=got,
            full={ask.queue for ask in asks if got.get(ask.queue, 0) >= ask.limit},
            empty=answer.empty,
            busy=answer.busy,
        )
        if dropped:
            self._drop_flags()

    async def _ask(
        self, call: int, token: int, asks: Sequence[Ask]
    ) -> tuple[ClaimAnswer, tuple[Bodies, ...]]:
        """Claim, and read the bodies: in one round trip when there are few, or likely some."""
        told = self._sleeping.expects(ask.queue for ask in asks)
        ask = partial(self._storage.claim, self._worker, call=call, token=token, asks=asks)
        if self._few:
            answer = await self._session.ask(ask(bodies_max=BODIES_WITH_CLAIM_MAX))
            found = _brought(answer.rows)
        else:
            answer, found = await self._ask_for_many(ask(), token, likely=told)
        if answer.rows:
            taken = sum(len(row.seqs) for row in answer.rows)
            self._few = taken <= BODIES_WITH_CLAIM_MAX
            self._slots = tuple({row.slot for row in answer.rows})
            if _jobs_of(found) < taken:
                # They are many or large; or in other slots than before, as the ring has turned.
                found = await self._session.ask(self._storage.bodies(token))
        if not told:
            self._luck += _LUCK_WEIGHT * (bool(answer.rows) - self._luck)
        return answer, found

    async def _ask_for_many(
        self, claim: Call[ClaimAnswer], token: int, *, likely: bool
    ) -> tuple[ClaimAnswer, tuple[Bodies, ...]]:
        """To read the bodies of nothing costs half as much as a claim that gets nothing."""
        bodies = self._storage.bodies(token, guess=self._slots)
        if likely or self._luck > _LUCK_MIN:
            return await self._session.ask_both(claim, bodies)
        answer = await self._session.ask(claim)
        return answer, await self._session.ask(bodies) if answer.rows else ()

    async def _learn_lanes(self, rows: Sequence[ClaimRow]) -> None:
        """A job's priority is its lane's; lanes are few and never change."""
        new = {row.lane for row in rows if row.lane not in self._priorities}
        if new:
            learnt = await self._session.ask(priorities(sorted(new), schema=self._storage.schema))
            self._priorities.update(learnt)

    def _take_over(
        self, call: int, token: int, answer: ClaimAnswer, bodies: Sequence[Bodies], now_s: float
    ) -> None:
        taken = sum(len(row.seqs) for row in answer.rows)
        self._ledger.answered(call, jobs=taken)
        self._statistics.claimed += taken
        helds = {row.part: self._hold(call, token, row, now_s) for row in answer.rows}
        if taken != _jobs_of(bodies):
            self._report_missing(answer.rows, helds, bodies)
        # In the order of the claim: a part of it was carried to another slot, at times.
        for held, mine in product(helds.values(), bodies):
            if mine.part == held.part:
                self._queues[held.queue].hand_over(held, mine)

    def _hold(self, call: int, token: int, row: ClaimRow, now_s: float) -> Held:
        jobs = len(row.seqs)
        self._queues[row.queue].permits.took(jobs)
        self._tuner.took(row.queue, jobs, now_s)
        return Held(
            queue=row.queue,
            priority=self._priorities[row.lane],
            call=call,
            token=token,
            slot=row.slot,
            part=row.part,
            deadline=row.deadline,
            deadline_s=self._clock.local_s(row.deadline),
            taken_s=now_s,
            jobs=jobs,
        )

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


def missing_bodies(
    rows: Sequence[ClaimRow], bodies: Sequence[Bodies]
) -> list[tuple[ClaimRow, Ranges]]:
    """What was claimed and has no body, by claims row."""
    found: dict[int, list[int]] = {row.part: [] for row in rows}
    for some in bodies:
        found[some.part] += some.columns.seqs
    missing = [(row, row.seqs.minus(Ranges.from_sorted(sorted(found[row.part])))) for row in rows]
    return [(row, seqs) for row, seqs in missing if seqs]


def _brought(rows: Sequence[ClaimRow]) -> tuple[Bodies, ...]:
    """The bodies that came with these rows."""
    return tuple(row.bodies for row in rows if row.bodies is not None)


def _jobs_of(bodies: Sequence[Bodies]) -> int:
    return sum(map(len, bodies))


def _nothing(_answers: list[Any] | BaseException) -> None:
    """A flag that could not be given up is gone with its connection."""
