"""Outcomes on their way to the database: collected per claims row, sent in batches.

An outcome leaves only when the database has answered for it. A batch is a value: sent again after
a lost reply it carries the same settle id and the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from awa._core.limits import SETTLE_ITEMS_MAX
from awa._runtime.ledger import Held
from awa._runtime.limits import (
    FLUSH_AGE_S,
    FLUSH_JOBS,
    FLUSH_WAITING_AGE_S,
    SETTLE_JOBS_MAX,
    SETTLE_RESULT_BYTES_MAX,
)


class Action(StrEnum):
    """How a batch of attempts ends."""

    COMPLETE = "complete"
    RETRY = "retry"
    SNOOZE = "snooze"
    FAIL = "fail"
    CANCEL = "cancel_running"
    RELEASE = "release"


class Detail(NamedTuple):
    """What one attempt leaves behind: a result, or what went wrong. A tuple: there may be many."""

    seq: int
    text: bytes
    """JSON text."""
    delay_s: float | None = None
    """Until the next attempt; None for the database's choice."""
    job_id: int | None = None
    """For the log."""


Shared: TypeAlias = float | str | None
"""What a call says once for all numbers of an item (a delay) or of all items (a reason)."""


class Parcel:
    """What is to be said about one claims row: numbers, and the details some of them have."""

    __slots__ = ("details", "held", "seqs", "shared")

    def __init__(
        self,
        held: Held,
        seqs: list[int],
        details: list[Detail] | None = None,
        shared: Shared = None,
    ) -> None:
        self.held = held
        self.seqs = seqs
        self.details = [] if details is None else details
        self.shared = shared

    def only(self, seqs: Sequence[int]) -> "Parcel":
        """The part about these numbers."""
        kept = set(seqs)
        details = [detail for detail in self.details if detail.seq in kept]
        return Parcel(self.held, list(seqs), details, self.shared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One settle call: one parcel per claims row."""

    action: Action
    parcels: tuple[Parcel, ...]

    def jobs(self) -> int:
        """How many outcomes it carries."""
        return sum(len(parcel.seqs) for parcel in self.parcels)

    def says_more(self) -> bool:
        """Whether it carries anything of a handler's, and not just which numbers ended."""
        return any(parcel.details or parcel.shared is not None for parcel in self.parcels)

    def halves(self) -> "tuple[Batch, Batch] | None":
        """Two batches in place of one the database refused; None when it is a single job."""
        if len(self.parcels) > 1:
            middle = len(self.parcels) // 2
            first, second = self.parcels[:middle], self.parcels[middle:]
        elif len(self.parcels[0].seqs) > 1:
            parcel = self.parcels[0]
            middle = len(parcel.seqs) // 2
            first = (parcel.only(parcel.seqs[:middle]),)
            second = (parcel.only(parcel.seqs[middle:]),)
        else:
            return None
        return Batch(action=self.action, parcels=first), Batch(action=self.action, parcels=second)

    def milder(self, error: bytes) -> "Batch | None":
        """What to say of a single job in place of what the database refused; None: nothing is left.

        A result that cannot be stored is a failed attempt, whose error is given. What cannot even
        be said without details is given back.
        """
        (parcel,) = self.parcels
        (seq,) = parcel.seqs
        bare = Parcel(parcel.held, [seq])
        if self.action is Action.COMPLETE:
            failed = Parcel(parcel.held, [seq], [Detail(seq, error)])
            return Batch(action=Action.RETRY, parcels=(failed,))
        if parcel.details or (self.action is Action.CANCEL and parcel.shared is not None):
            return Batch(action=self.action, parcels=(bare,))
        if self.action is Action.RELEASE:
            return None
        return Batch(action=Action.RELEASE, parcels=(bare,))


_Key: TypeAlias = Held | tuple[Held, Shared]


@dataclass(slots=True)
class Outbox:
    """Outcomes of one action that no settle call under way carries."""

    action: Action
    jobs: int = 0
    since_s: float | None = None
    """When the settler first saw the oldest outcome; None while there is none."""
    _parcels: dict[_Key, Parcel] = field(default_factory=dict)

    def put(self, held: Held, seq: int) -> None:
        """The attempt at this number ended."""
        parcel = self._parcels.get(held)
        if parcel is None:
            self._parcels[held] = Parcel(held, [seq])
        else:
            parcel.seqs.append(seq)
        self.jobs += 1

    def put_all(self, held: Held, seqs: list[int]) -> None:
        """The attempts at these numbers ended."""
        parcel = self._parcels.get(held)
        if parcel is None:
            self._parcels[held] = Parcel(held, seqs)
        else:
            parcel.seqs += seqs
        self.jobs += len(seqs)

    def put_detail(self, held: Held, detail: Detail) -> None:
        """The attempt at this number ended, and left something behind."""
        self.put(held, detail.seq)
        self._parcels[held].details.append(detail)

    def put_sharing(self, held: Held, seq: int, shared: Shared) -> None:
        """The attempt at this number ended, with a word it shares with others."""
        parcel = self._parcels.get((held, shared))
        if parcel is None:
            self._parcels[held, shared] = Parcel(held, [seq], shared=shared)
        else:
            parcel.seqs.append(seq)
        self.jobs += 1

    def put_back(self, parcel: Parcel, seqs: Sequence[int]) -> None:
        """The database was busy with these numbers of a batch: they are to be sent again."""
        details = {detail.seq: detail for detail in parcel.details}
        for seq in seqs:
            if seq in details:
                self.put_detail(parcel.held, details[seq])
            elif parcel.shared is not None:
                self.put_sharing(parcel.held, seq, parcel.shared)
            else:
                self.put(parcel.held, seq)

    def age_s(self, now_s: float) -> float:
        """How long the oldest outcome has waited, as far as the settler knows."""
        if self.jobs == 0:
            self.since_s = None
        elif self.since_s is None:
            self.since_s = now_s
        return 0.0 if self.since_s is None else now_s - self.since_s

    def take(self) -> Batch:
        """The next batch, within every bound of a call; its outcomes leave the box."""
        taken: dict[Held, Parcel] = {}
        jobs = detail_bytes = 0
        for key, parcel in list(self._parcels.items()):
            if len(taken) == SETTLE_ITEMS_MAX or jobs >= SETTLE_JOBS_MAX:
                break
            if not self._fits(parcel, taken):
                continue
            del self._parcels[key]
            parcel.seqs.sort()
            taken[parcel.held] = parcel
            jobs += len(parcel.seqs)
            detail_bytes += sum(len(detail.text) for detail in parcel.details)
            if detail_bytes >= SETTLE_RESULT_BYTES_MAX:
                break
        self.jobs -= jobs
        assert self.jobs >= 0
        self.since_s = None
        return Batch(action=self.action, parcels=tuple(taken.values()))

    def _fits(self, parcel: Parcel, taken: dict[Held, Parcel]) -> bool:
        """A call names each claims row once, and a cancel has one reason."""
        if self.action is Action.CANCEL and taken:
            return parcel.held not in taken and parcel.shared == next(iter(taken.values())).shared
        return parcel.held not in taken


_NOW: Final = 0.0
_WAITING: Final = frozenset({Action.RETRY, Action.SNOOZE})
"""After these a job waits for a time anyway."""


def flush_in_s(*, action: Action, jobs: int, age_s: float, idle: bool) -> float | None:
    """Seconds until the outcomes are worth a call; 0 for now, None while there are none.

    A full batch goes at once, and so does anything when no handler runs that could add to it.
    """
    if jobs == 0:
        return None
    if jobs >= FLUSH_JOBS or idle:
        return _NOW
    most_s = FLUSH_WAITING_AGE_S if action in _WAITING else FLUSH_AGE_S
    return max(_NOW, most_s - age_s)
