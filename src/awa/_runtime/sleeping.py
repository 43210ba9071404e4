"""When to ask for jobs, when to sleep, whom to wake: decided here, without I/O or a clock.

Producers notify only a queue's designated sleeper, because NOTIFY takes a database-wide lock at
commit. So a worker that finds a queue empty raises its flag there, *then* asks whether a producer
is in flight (one that looked before the flag was up will notify nobody), and *then* looks once
more. Only after that it may wait to be woken.

Each queue goes through these phases::

    AWAKE --claim: empty--> DROWSY --flags asked--> FLAGGING --nobody in flight--> LOOKING
      ^                                                |                              |
      |                                          in flight: LOOKING, then POLLING   empty
      |                                                                               v
      +--- heard, got, busy  <------------------------------------------------------- QUIET

A POLLING or QUIET queue that is due becomes DROWSY: flags and test come before each look. Without
a listener there are no flags: an empty queue is POLLING, and claims at the poll interval's pace.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from awa._runtime.backoff import pause_s
from awa._runtime.limits import (
    BUSY_RETRY_MAX_S,
    BUSY_RETRY_MIN_S,
    INFLIGHT_POLL_MAX_S,
    INFLIGHT_POLL_MIN_S,
    POLL_LISTENING_S,
)


class Phase(Enum):
    """How near a queue is to sleep."""

    AWAKE = auto()
    DROWSY = auto()
    FLAGGING = auto()
    LOOKING = auto()
    POLLING = auto()
    QUIET = auto()


@dataclass(slots=True)
class _Queue:
    phase: Phase = Phase.AWAKE
    not_before_s: float = 0.0
    """The next claim is not before this time (AWAKE after busy, POLLING, QUIET)."""
    in_flight: bool = False
    """Whether the last test found a producer in flight (LOOKING)."""
    tries: int = 0
    """Claims in a row that gave nothing in this way (busy, or a producer in flight)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsWanted:
    """Raise these flags, then test these queues for producers in flight. In this order."""

    raised: tuple[str, ...]
    tested: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Give up all flags, if said so, and then wake another worker for these queues."""

    drop_flags: bool
    pass_on: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Sleeping:
    """The phases of a worker's queues, and the flags it holds."""

    queues: dict[str, _Queue]
    poll_s: float
    listening: bool = False
    flags: set[str] = field(default_factory=set)
    asking: bool = False
    """A request for flags is under way."""
    unwanted: bool = False
    """... and what it brings is to be given up again."""
    owed: set[str] = field(default_factory=set)
    """Queues whose flag was given up since somebody was woken: the wake-up may have to be passed
    on, for all of them, when this worker has no permit left."""

    @classmethod
    def of(cls, names: Iterable[str], *, poll_s: float) -> "Sleeping":
        """All queues awake, no listener yet."""
        return cls(queues={name: _Queue() for name in names}, poll_s=poll_s)

    # What to do ------------------------------------------------------------------------------

    def to_claim(self, now_s: float) -> list[str]:
        """The queues worth asking for now, permits aside."""
        return [
            name
            for name, queue in self.queues.items()
            if self._claimable(queue) and queue.not_before_s <= now_s
        ]

    def next_s(self, now_s: float) -> float:
        """When something more becomes due by itself; infinite when nothing does.

        What is due already waits for something else: a permit, or the answer about flags.
        """
        timed = (Phase.AWAKE, Phase.POLLING, Phase.QUIET)
        return min(
            (
                queue.not_before_s
                for queue in self.queues.values()
                if queue.phase in timed and queue.not_before_s > now_s
            ),
            default=float("inf"),
        )

    def ask_flags(self, now_s: float) -> "FlagsWanted | None":
        """What to ask the database before the next look, if anything; the answer is awaited now.

        One request at a time: the next is made when the last was answered.
        """
        if not self.listening or self.asking:
            return None
        tested = [name for name, queue in self.queues.items() if self._wants_sleep(queue, now_s)]
        if not tested:
            return None
        self.asking, self.unwanted = True, False
        for name in tested:
            self.queues[name].phase = Phase.FLAGGING
            self.owed.discard(name)
        return FlagsWanted(
            raised=tuple(n for n in tested if n not in self.flags), tested=tuple(tested)
        )

    def without_permits(self, names: Collection[str]) -> "Handover":
        """These queues were worth asking for, but there is no permit for them.

        A sleeper that could not take a job must not be the one who is notified of it.
        """
        dropped = self.wake() if any(self._dozing(name) for name in names) else False
        owed = tuple(sorted(self.owed)) if names else ()
        self.owed.difference_update(owed)
        return Handover(drop_flags=dropped, pass_on=owed)

    # What happened ---------------------------------------------------------------------------

    def flags_answered(self, *, asked: Iterable[str], got: Iterable[str], in_flight: bool) -> None:
        """These flags are up (the others are another worker's); whether a producer is in flight."""
        self.asking = False
        if self.unwanted:
            # Woken meanwhile: a request to give all flags up is behind this one.
            self.owed.update(got)
            return
        self.flags.update(got)
        for name in asked:
            queue = self.queues[name]
            assert queue.phase is Phase.FLAGGING
            queue.phase = Phase.LOOKING
            queue.in_flight = in_flight
            queue.not_before_s = 0.0

    def claimed(
        self,
        *,
        now_s: float,
        jitter: float,
        got: Collection[str],
        empty: Collection[str],
        busy: Collection[str],
    ) -> bool:
        """A claim was answered; says whether the flags have to be given up."""
        for name in got:
            self.queues[name].tries = 0
        for name in empty:
            self._found_empty(self.queues[name], now_s, jitter)
        for name in busy:
            queue = self.queues[name]
            queue.tries += 1
            retry_s = pause_s(
                tries=queue.tries,
                least_s=BUSY_RETRY_MIN_S,
                most_s=BUSY_RETRY_MAX_S,
                jitter=jitter,
            )
            queue.not_before_s = now_s + retry_s
        return self.wake() if any(self._dozing(name) for name in (*got, *busy)) else False

    def heard(self, name: str) -> bool:
        """Somebody notified this queue; says whether the flags have to be given up."""
        # A queue that is awake is asked again before it sleeps, whatever was heard.
        return self.wake() if name in self.queues and self._dozing(name) else False

    def wake(self) -> bool:
        """Wake every queue: flags are given up all together. Says whether there were any."""
        for queue in self.queues.values():
            if queue.phase is not Phase.AWAKE:
                queue.phase = Phase.AWAKE
                queue.not_before_s = 0.0
                queue.tries = 0
        self.owed |= self.flags
        had = bool(self.flags) or self.asking
        self.flags.clear()
        self.unwanted = True
        return had

    def listener_up(self) -> None:
        """A listener is there (again): whatever polled goes through the whole protocol."""
        self.listening = True
        self.wake()
        self.owed.clear()

    def listener_down(self, now_s: float) -> None:
        """The listener is gone, its flags with it: poll."""
        self.listening = False
        self.asking = False
        self.flags.clear()
        self.owed.clear()
        for queue in self.queues.values():
            if queue.phase is not Phase.AWAKE:
                queue.phase = Phase.POLLING
                queue.not_before_s = now_s + self.poll_s

    def _dozing(self, name: str) -> bool:
        return self.queues[name].phase is not Phase.AWAKE

    def _claimable(self, queue: _Queue) -> bool:
        polled = queue.phase is Phase.POLLING and not self.listening
        return polled or queue.phase in {Phase.AWAKE, Phase.LOOKING}

    def _wants_sleep(self, queue: _Queue, now_s: float) -> bool:
        due = queue.phase in {Phase.POLLING, Phase.QUIET} and queue.not_before_s <= now_s
        return due or queue.phase is Phase.DROWSY

    def _found_empty(self, queue: _Queue, now_s: float, jitter: float) -> None:
        if not self.listening:
            queue.phase = Phase.POLLING
            queue.not_before_s = now_s + self.poll_s
        elif queue.phase is not Phase.LOOKING:
            # Found empty while awake: this was not yet the look that counts.
            queue.phase = Phase.DROWSY
        elif queue.in_flight:
            queue.phase = Phase.POLLING
            queue.tries += 1
            queue.not_before_s = now_s + pause_s(
                tries=queue.tries,
                least_s=INFLIGHT_POLL_MIN_S,
                most_s=INFLIGHT_POLL_MAX_S,
                jitter=jitter,
            )
        else:
            queue.phase = Phase.QUIET
            queue.tries = 0
            queue.not_before_s = now_s + POLL_LISTENING_S
