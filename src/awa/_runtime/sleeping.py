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

A worker that is woken keeps its flags as long as it has permits and is not told too often. While it
holds the flags of all its queues, what it learnt before it slept stands: nobody was in flight, and
who came later saw the flag. So one look takes it from AWAKE to QUIET again: one that finds nothing,
or whose answer says that what it got was all. It says so by not saying busy beside it, and by less
than was asked for.

A queue whose jobs come hardly slower than looks are answered is not slept on: to be woken for each
would cost more than to look again, and commits that notify wait for each other. Whether that is so
depends on the server: where a commit takes long, so does the claim.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from awa._runtime.backoff import pause_s
from awa._runtime.limits import (
    BUSY_RETRY_MAX_S,
    BUSY_RETRY_MIN_S,
    INFLIGHT_POLL_MAX_S,
    INFLIGHT_POLL_MIN_S,
    LINGER_GAPS,
    LINGER_LOOKS,
    POLL_LISTENING_S,
    WAKE_GAP_LOOKS,
)

# Of the newest gap in a mean.
_WEIGHT = 0.1


@dataclass(slots=True)
class _Pace:
    """How quickly something happens: when last, and a mean of the recent times between two."""

    last_s: float = float("-inf")
    gap_s: float = float("inf")

    def happened(self, now_s: float, times: int = 1) -> None:
        gap_s, self.last_s = (now_s - self.last_s) / times, now_s
        if max(gap_s, self.gap_s) > POLL_LISTENING_S:
            self.gap_s = gap_s  # what was long ago says nothing
        else:
            self.gap_s += _WEIGHT * (gap_s - self.gap_s)

    def is_quick(self, look_s: float) -> bool:
        """Whether it happens hardly slower than looks are answered, which take so long."""
        return self.gap_s < WAKE_GAP_LOOKS * look_s


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
    poll_s: float
    """How often it is asked for while there is no listener."""
    phase: Phase = Phase.AWAKE
    not_before_s: float = 0.0
    """The next claim is not before this time (AWAKE after busy, POLLING, QUIET)."""
    in_flight: bool = False
    """Whether the last test found a producer in flight (LOOKING)."""
    tries: int = 0
    """Claims in a row that gave nothing in this way (busy, or a producer in flight)."""
    settled: bool = False
    """Since our flag went up it was seen once that no producer was in flight."""
    told: bool = False
    """Notified since the last claim began: what that claim does not show may be there."""
    jobs: _Pace = field(default_factory=_Pace)

    def is_busy(self) -> bool:
        """Whether the last claims could not see all that there is."""
        return self.phase is Phase.AWAKE and self.tries > 0

    def lingers(self, now_s: float, look_s: float) -> bool:
        """Whether the next job should come so soon that sleeping is not worth it."""
        quiet_s = now_s - self.jobs.last_s
        return self.jobs.is_quick(look_s) and quiet_s < LINGER_GAPS * self.jobs.gap_s


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
    listening: bool = False
    flags: set[str] = field(default_factory=set)
    asking: bool = False
    """A request for flags is under way."""
    unwanted: bool = False
    """... and what it brings is to be given up again."""
    owed: set[str] = field(default_factory=set)
    """Queues whose flag was given up since somebody was woken: the wake-up may have to be passed
    on, for all of them, when this worker has no permit left."""
    notified: _Pace = field(default_factory=_Pace)
    look_s: float = 0.0
    """How long a claim takes, a mean of the recent ones."""

    @classmethod
    def of(cls, names: Iterable[str], *, poll_s: float) -> "Sleeping":
        """All queues awake, no listener yet."""
        return cls(queues={name: _Queue(poll_s=poll_s) for name in names})

    # What to do ------------------------------------------------------------------------------

    def to_claim(self, now_s: float) -> list[str]:
        """The queues worth asking for now, permits aside."""
        return [
            name
            for name, queue in self.queues.items()
            if self._claimable(name) and queue.not_before_s <= now_s
        ]

    def contending(self, now_s: float) -> set[str]:
        """The queues that may have work: those to claim from, and those somebody is busy with."""
        busy = {name for name, queue in self.queues.items() if queue.is_busy()}
        return busy.union(self.to_claim(now_s))

    def pause(self, name: str, until_s: float) -> None:
        """This queue has work, perhaps, but is not to be claimed from before that time."""
        queue = self.queues[name]
        assert queue.phase is Phase.AWAKE, "who is awake cannot be the one that is notified"
        queue.not_before_s = max(queue.not_before_s, until_s)

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
        tested = [name for name in self.queues if self._wants_sleep(name, now_s)]
        if not tested:
            return None
        self.asking, self.unwanted = True, False
        for name in tested:
            self.queues[name].phase = Phase.FLAGGING
            self.owed.discard(name)
        return FlagsWanted(
            raised=tuple(n for n in tested if n not in self.flags), tested=tuple(tested)
        )

    def expects(self, names: Iterable[str]) -> bool:
        """A claim for these queues begins; says whether somebody announced something for it."""
        told = False
        for queue in map(self.queues.__getitem__, names):
            told, queue.told = told or queue.told, False
        return told

    def without_permits(self, names: Collection[str]) -> "Handover":
        """These queues were worth asking for, but there is no permit for them.

        A sleeper that could not take a job must not be the one who is notified of it.
        """
        flagged = any(self._dozing(name) or name in self.flags for name in names)
        dropped = self.wake() if flagged else False
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
            queue.settled = not in_flight and name in self.flags
            queue.not_before_s = 0.0

    def claimed(
        self,
        *,
        now_s: float,
        took_s: float = 0.0,
        jitter: float,
        got: Mapping[str, int],
        full: Collection[str] = (),
        empty: Collection[str],
        busy: Collection[str],
    ) -> bool:
        """A claim was answered; says whether the flags have to be given up.

        `got`: how many jobs of a queue; `full`: there were as many as were asked for, or more;
        `busy`: there may be more than it got, if anything.
        """
        self.look_s += _WEIGHT * (took_s - self.look_s)
        for name, jobs in got.items():
            queue = self.queues[name]
            queue.tries = 0
            queue.jobs.happened(now_s, jobs)
            if name not in full and queue.jobs.is_quick(self.look_s):
                queue.not_before_s = now_s + LINGER_LOOKS * self.look_s
        for name in empty:
            self._found_empty(name, now_s, jitter)
        for name in busy:
            if name not in got:
                self._found_busy(name, now_s, jitter)
        if any(name in self.flags and self.queues[name].jobs.is_quick(self.look_s) for name in got):
            return self.wake()
        dropped = self._rouse([*got, *busy])
        for name in got:
            if name not in full and name not in busy and self._stands(name):
                self._found_empty(name, now_s, jitter)
        return dropped

    def got_beside(self, *, now_s: float, got: Mapping[str, int]) -> bool:
        """A claim got these that may have begun before flags were up; says as `claimed`."""
        for name, jobs in got.items():
            self.queues[name].jobs.happened(now_s, jobs)
        return self._rouse([*got])

    def heard(self, name: str, now_s: float) -> bool:
        """Somebody notified this queue; says whether the flags have to be given up."""
        if name not in self.queues:
            return False
        self.notified.happened(now_s)
        self.queues[name].told = True
        if self.notified.is_quick(self.look_s) and (self.flags or self._dozing(name)):
            return self.wake()
        return self._rouse([name])

    def wake(self) -> bool:
        """Wake every queue: flags are given up all together. Says whether there were any."""
        for queue in self.queues.values():
            if queue.phase is not Phase.AWAKE:
                queue.phase = Phase.AWAKE
                queue.not_before_s = 0.0
                queue.tries = 0
            queue.settled = False
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
            queue.settled = False
            if queue.phase is not Phase.AWAKE:
                queue.phase = Phase.POLLING
                queue.not_before_s = now_s + queue.poll_s

    def _rouse(self, names: Sequence[str]) -> bool:
        """There is something to do for these queues; says whether the flags have to be given up."""
        dozing = [name for name in names if self._dozing(name)]
        if dozing and not self._holds_all():
            return self.wake()
        for queue in map(self.queues.__getitem__, dozing):
            queue.phase = Phase.AWAKE
            queue.not_before_s = 0.0
            queue.tries = 0
        return False

    def _holds_all(self) -> bool:
        return not self.asking and len(self.flags) == len(self.queues)

    def _stands(self, name: str) -> bool:
        """Every producer that may still commit something for this queue saw our flag."""
        return self.queues[name].settled and self._holds_all()

    def _dozing(self, name: str) -> bool:
        return self.queues[name].phase is not Phase.AWAKE

    def _claimable(self, name: str) -> bool:
        phase = self.queues[name].phase
        polled = phase is Phase.POLLING and not self.listening
        looked_at = phase is Phase.QUIET and self._stands(name)
        return polled or looked_at or phase in {Phase.AWAKE, Phase.LOOKING}

    def _wants_sleep(self, name: str, now_s: float) -> bool:
        queue = self.queues[name]
        doubtful = queue.phase is Phase.POLLING or (
            queue.phase is Phase.QUIET and not self._stands(name)
        )
        return queue.phase is Phase.DROWSY or (doubtful and queue.not_before_s <= now_s)

    def _found_busy(self, name: str, now_s: float, jitter: float) -> None:
        queue = self.queues[name]
        queue.tries += 1
        queue.not_before_s = now_s + busy_pause_s(queue.tries, jitter)

    def _found_empty(self, name: str, now_s: float, jitter: float) -> None:
        queue = self.queues[name]
        if not self.listening:
            queue.phase = Phase.POLLING
            queue.not_before_s = now_s + queue.poll_s
        elif queue.phase is Phase.AWAKE and queue.lingers(now_s, self.look_s):
            queue.not_before_s = now_s + LINGER_LOOKS * self.look_s
        elif queue.phase is not Phase.LOOKING and not self._stands(name):
            # Found empty while awake: this was not yet the look that counts.
            queue.phase = Phase.DROWSY
        elif queue.told:
            # What was announced may have been committed after that look began.
            queue.phase = Phase.AWAKE
        elif queue.phase is Phase.LOOKING and queue.in_flight:
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


def busy_pause_s(tries: int, jitter: float) -> float:
    """How long lanes are left to those who hold them, after so many claims that found no other."""
    return pause_s(tries=tries, least_s=BUSY_RETRY_MIN_S, most_s=BUSY_RETRY_MAX_S, jitter=jitter)
