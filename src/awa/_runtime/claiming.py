"""Claiming: permits become jobs in the runners' hands, and an idle worker goes to sleep.

A claim whose reply is lost is asked again with the same token until it is answered: what it took is
known then, and nothing was taken twice. Ranges and bodies come in one round trip: a few small
bodies with the claim's answer, others by a second statement behind it. The claim commits before
anything is sent that a slow reader could hold up, so it holds nobody's lane.

Bodies are long in coming, so a claim that was full has the next one sent behind them as soon as its
ranges are known: the server goes on with that one while the worker reads. There is room for it by
then, or it is not sent.

A session has one claim unanswered. The first one asks for all queues, sleeps and is woken; others,
where a queue has more `claimers`, claim beside it from queues that the last claim did not empty.
What they find tells nobody that a queue is empty: they may have looked before its flag was up.
"""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Final

import trio

from awa._core.bodies import Bodies
from awa._core.entries import Ask, ClaimAnswer, ClaimRow
from awa._core.tuning import QueueOverrides
from awa._runtime.chance import jitter
from awa._runtime.claims import Claim, held_of, jobs_of, taken_by
from awa._runtime.clock import ServerClock, look_at_the_clock
from awa._runtime.fetching import bodies_of, give_back_missing
from awa._runtime.flags import Flags
from awa._runtime.ledger import Held, Ledger
from awa._runtime.limits import BODIES_WITH_CLAIM_MAX, EMPTY_LOOK_S
from awa._runtime.permits import share_out
from awa._runtime.reconnecting import Session
from awa._runtime.running import QueueRun
from awa._runtime.settling import Settler
from awa._runtime.signals import Signals
from awa._runtime.sleeping import Sleeping, busy_pause_s
from awa._runtime.statistics import Statistics
from awa._runtime.tuning import Room, Tuner
from awa._storage.functions import Storage
from awa._storage.piping import Asked
from awa._storage.tokens import draw_token
from awa._storage.views import priorities

_LUCK_MIN: Final = 0.25
_LUCK_WEIGHT: Final = 0.2
_NOTHING_KEPT: Final[Mapping[str, int]] = {}


class Claimer:
    """The loops that claim for all queues of one worker, one for each session."""

    def __init__(
        self,
        *,
        worker: int,
        storage: Storage,
        sessions: Sequence[Session],
        ledger: Ledger,
        queues: Mapping[str, QueueRun],
        settler: Settler,
        clock: ServerClock,
        sleeping: Sleeping,
        flags: Flags,
        tuner: Tuner,
        statistics: Statistics,
        changed: Signals,
        jobs_max: int | None = None,
    ) -> None:
        """`changed` has a flag for each session.

        `jobs_max`: after so many jobs nothing is claimed any more.
        """
        self._worker = worker
        self._storage = storage
        self._sessions = sessions
        self._ledger = ledger
        self._queues = queues
        self._settler = settler
        self._clock = clock
        self._sleeping = sleeping
        self._flags = flags
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
        self._unanswered = 0
        self._asked_first: Mapping[str, int] = {}
        self._reaching: Final[set[trio.CancelScope]] = set()
        self._full: Final[set[str]] = set()
        """Queues of which the last claim that could see all got all that it asked for."""
        self._found_empty: Final[dict[str, int]] = {}
        """The last claim call that found nothing in this queue."""

    def stop(self) -> None:
        """Claim no more; the claim under way is still answered."""
        self._stopping = True
        self._changed.set()
        for scope in self._reaching:
            scope.cancel()

    @property
    def loops(self) -> list[Callable[[], Awaitable[None]]]:
        """What is to run until stopped. Raises UnknownWorker when the worker's row is gone."""
        beside = [partial(self._run_beside, place) for place in range(1, len(self._sessions))]
        return [self._run, *beside]

    async def _run(self) -> None:
        session, changed = self._sessions[0], self._changed.flags[0]
        try:
            # Deadlines are the server's times: none can be kept before its clock is known.
            await look_at_the_clock(self._clock, session.ask)
            found = await session.ask(self._storage.overrides_of([*self._queues]))
            self.override(found)
            while not self._stopping:
                now_s = trio.current_time()
                asks = self._next_asks(now_s)
                if asks:
                    await self._claim(0, asks)
                else:
                    await changed.wait(until_s=self._sleeping.next_s(now_s))
        finally:
            await session.aclose()

    async def _run_beside(self, place: int) -> None:
        session, tries = self._sessions[place], 0
        try:
            while not self._stopping:
                if not self._asks_beside(place, trio.current_time()):
                    tries = 0
                    await self._changed.flags[place].wait()
                elif await self._reach(session):
                    asks = self._asks_beside(place, trio.current_time())
                    tries = 0 if not asks or await self._claim(place, asks) else tries + 1
                if tries:
                    # The others hold the lanes just now.
                    await trio.sleep(busy_pause_s(tries, jitter()))
        finally:
            await session.aclose()

    async def _reach(self, session: Session) -> bool:
        """Connect before anything is asked for: what is asked for is nobody else's room."""
        with trio.CancelScope() as scope:
            self._reaching.add(scope)
            try:
                return await session.reach()
            finally:
                self._reaching.discard(scope)
        return False

    async def finds_nothing(self) -> bool:
        """Ask for every queue once more; whether none had anything, and nothing came meanwhile."""
        call, claimed = self._ledger.last_call, self._statistics.claimed
        for queue in self._queues:
            self.heard(queue)
        # With as many as it may have claimed it asks no more: no answer would come.
        while self._statistics.claimed == claimed < self._jobs_max and not self._stopping:
            looked = all(self._found_empty.get(queue, 0) > call for queue in self._queues)
            # A claim beside those that found nothing may be why.
            if looked and self._unanswered == 0:
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
            self._flags.drop()
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
        self._flags.hand_over(tuple(self._queues))

    # The database ----------------------------------------------------------------------------

    def _next_asks(self, now_s: float) -> list[Ask]:
        wanted = self._sleeping.ask_flags(now_s)
        if wanted is not None:
            self._flags.put_up(wanted)
        self._tuner.share(self._queues, self._sleeping.contending(now_s), now_s)
        rooms = self._rooms(self._sleeping.to_claim(now_s), now_s)
        none = [name for name, room in rooms.items() if room.jobs == 0]
        if none:
            self._flags.hand_over(none)
        for name in none:
            self._sleeping.pause(name, rooms[name].not_before_s)
        return _asks(rooms)

    def _asks_beside(self, place: int, now_s: float) -> list[Ask]:
        names = [
            name
            for name in self._full
            # One handler starts jobs in the order of their claims: of one session's.
            if self._tuner.claimers(name) > place and self._queues[name].permits.workers > 1
        ]
        kept = {name: self._kept(name) for name in names}
        asks = _asks(self._rooms(names, now_s, kept)) if names else []
        return asks if self._are_whole(asks) else []

    def _kept(self, name: str) -> int:
        """Room for a claim of the first session: who is cut off must not keep it from work."""
        return max(0, self._queues[name].permits.batch_max - self._asked_first.get(name, 0))

    def _rooms(
        self, names: Sequence[str], now_s: float, kept: Mapping[str, int] = _NOTHING_KEPT
    ) -> dict[str, Room]:
        rooms = {
            name: self._tuner.room(self._queues[name], now_s, kept=kept.get(name, 0))
            for name in names
        }
        asked = sum(queue.permits.asked for queue in self._queues.values())
        left = self._jobs_max - self._statistics.claimed - asked
        for name, room in rooms.items():
            rooms[name] = room._replace(jobs=min(room.jobs, left))
            left -= rooms[name].jobs
        return rooms

    async def _claim(self, place: int, asks: Sequence[Ask]) -> bool:
        """Claim, and go on for as long as a claim that was full leaves room for the next one.

        Says whether the last one got anything.
        """
        session = self._sessions[place]
        claim: Claim | None = await self._send(place, asks)
        while claim is not None:
            answer = await session.answer(claim.asked)
            now_s = trio.current_time()
            self._answered(claim, answer, now_s)
            try:
                following = await self._send_ahead(claim, now_s)
                bodies = await bodies_of(claim, answer, session, self._storage, self._slots)
                await self._learn_lanes(session, answer.rows)
            except BaseException:
                self._give_back(claim, answer)
                raise
            self._take_over(claim, answer, bodies)
            claim = following
            if claim is not None:
                claim.asked_s = trio.current_time()  # what it waited for before is not its time
        return bool(answer.rows)

    async def _send(self, place: int, asks: Sequence[Ask]) -> Claim:
        """A claim leaves, and with it the question for its bodies when there are likely some."""
        call, token = self._ledger.start_call(), draw_token()
        told = place == 0 and self._sleeping.expects(ask.queue for ask in asks)
        most = BODIES_WITH_CLAIM_MAX if self._few else 0
        ask = self._storage.claim(self._worker, call=call, token=token, asks=asks, bodies_max=most)
        claim = Claim(
            call=call,
            token=token,
            place=place,
            asks=asks,
            told=told,
            asked=Asked(call=ask),
            bodies=Asked(call=self._storage.bodies(token, guess=self._slots)),
            # To read the bodies of nothing costs half as much as a claim that gets nothing.
            is_with_bodies=not self._few and (place > 0 or told or self._luck > _LUCK_MIN),
            asked_s=trio.current_time(),
        )
        self._sends(claim)
        if claim.is_with_bodies:
            await self._sessions[place].send(claim.asked, claim.bodies)
        return claim

    def _sends(self, claim: Claim) -> None:
        """A claim call leaves: what it asks for is nobody else's room."""
        self._unanswered += 1
        if not claim.place:
            self._asked_first = {ask.queue: ask.limit for ask in claim.asks}
        for ask in claim.asks:
            self._queues[ask.queue].permits.asks(ask.limit)

    def _answered(self, claim: Claim, answer: ClaimAnswer, now_s: float) -> None:
        """What a claim took is known, and held from now on."""
        got: Counter[str] = Counter()
        for row in answer.rows:
            got[row.queue] += len(row.seqs)
        self._ledger.answered(claim.call, jobs=got.total())
        self._statistics.claimed += got.total()
        self._unanswered -= 1
        if not claim.place:
            self._asked_first = {}
        for ask in claim.asks:
            self._queues[ask.queue].permits.answered(ask.limit)
        for queue, jobs in got.items():
            self._queues[queue].permits.took(jobs)
            self._tuner.took(queue, jobs, now_s)
        self._found_empty.update(dict.fromkeys(answer.empty, claim.call))
        if got:
            self._few = got.total() <= BODIES_WITH_CLAIM_MAX
            self._slots = tuple({row.slot for row in answer.rows})
        claim.full = {ask.queue for ask in claim.asks if got.get(ask.queue, 0) >= ask.limit}
        self._full.difference_update(
            ask.queue for ask in claim.asks if ask.queue not in answer.busy
        )
        self._full.update(claim.full)
        if claim.place:
            dropped = self._sleeping.got_beside(now_s=now_s, got=got)
        else:
            dropped = self._looked(claim, answer, got, now_s)
        if dropped:
            self._flags.drop()
        if len(self._sessions) > 1:
            self._changed.set()

    def _looked(
        self, claim: Claim, answer: ClaimAnswer, got: Mapping[str, int], now_s: float
    ) -> bool:
        if not claim.told:
            self._luck += _LUCK_WEIGHT * (bool(got) - self._luck)
        return self._sleeping.claimed(
            now_s=now_s,
            took_s=now_s - claim.asked_s,
            jitter=jitter(),
            got=got,
            full=claim.full,
            empty=answer.empty,
            busy=answer.busy,
        )

    async def _send_ahead(self, claim: Claim, now_s: float) -> Claim | None:
        """Send the next claim while the bodies of this one are on their way, if there is more."""
        if self._stopping or self._few or not (claim.is_with_bodies and claim.full):
            return None
        place = claim.place
        asks = self._asks_beside(place, now_s) if place else self._next_asks(now_s)
        return await self._send(place, asks) if self._are_whole(asks) else None

    def _are_whole(self, asks: Sequence[Ask]) -> bool:
        """Whether they are worth a claim that nobody waits for: more would come of a later one."""
        wholes = [self._queues[ask.queue].permits.batch_max for ask in asks]
        return bool(wholes) and sum(ask.limit for ask in asks) >= min(wholes)

    async def _learn_lanes(self, session: Session, rows: Sequence[ClaimRow]) -> None:
        """A job's priority is its lane's; lanes are few and never change."""
        new = {row.lane for row in rows if row.lane not in self._priorities}
        if new:
            learnt = await session.ask(priorities(sorted(new), schema=self._storage.schema))
            self._priorities.update(learnt)

    def _take_over(self, claim: Claim, answer: ClaimAnswer, bodies: Sequence[Bodies]) -> None:
        """The jobs of a claim go into the runners' hands."""
        helds = self._held(claim, answer.rows)
        if taken_by(answer.rows) != jobs_of(bodies):
            give_back_missing(answer.rows, helds, bodies, self._settler)
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
        return held_of(claim, rows, self._priorities, self._clock)


def _asks(rooms: Mapping[str, Room]) -> list[Ask]:
    limits = share_out({name: room.jobs for name, room in rooms.items()})
    return [Ask(queue=name, limit=limit) for name, limit in limits.items()]
