"""Outcomes on their way to the database: collected per claims row, sent in batches.

An outcome leaves only when the database has answered for it. A batch is a value: sent again after
a lost reply it carries the same settle id and the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from awa._core.limits import SETTLE_ITEMS_MAX
from awa._runtime.ledger import Held
from awa._runtime.limits import (
    FLUSH_AGE_S,
    FLUSH_JOBS,
    SETTLE_JOBS_MAX,
    SETTLE_RESULT_BYTES_MAX,
)


class Action(StrEnum):
    """How a batch of attempts ends."""

    COMPLETE = "complete"
    RELEASE = "release"


class Parcel:
    """What is to be said about one claims row: numbers, and the results some of them have."""

    __slots__ = ("held", "results", "seqs")

    def __init__(
        self, held: Held, seqs: list[int], results: list[tuple[int, bytes]] | None = None
    ) -> None:
        self.held = held
        self.seqs = seqs
        self.results = [] if results is None else results


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One settle call: one parcel per claims row."""

    action: Action
    parcels: tuple[Parcel, ...]

    def jobs(self) -> int:
        """How many outcomes it carries."""
        return sum(len(parcel.seqs) for parcel in self.parcels)

    def halves(self) -> "tuple[Batch, Batch] | None":
        """Two batches in place of one the database refused; None when it is a single job."""
        if len(self.parcels) > 1:
            middle = len(self.parcels) // 2
            first, second = self.parcels[:middle], self.parcels[middle:]
        elif len(self.parcels[0].seqs) > 1:
            parcel = self.parcels[0]
            middle = len(parcel.seqs) // 2
            first = (_cut(parcel, parcel.seqs[:middle]),)
            second = (_cut(parcel, parcel.seqs[middle:]),)
        else:
            return None
        return Batch(action=self.action, parcels=first), Batch(action=self.action, parcels=second)


def _cut(parcel: Parcel, seqs: list[int]) -> Parcel:
    kept = set(seqs)
    return Parcel(parcel.held, seqs, [result for result in parcel.results if result[0] in kept])


@dataclass(slots=True)
class Outbox:
    """Outcomes of one action that no settle call under way carries."""

    action: Action
    jobs: int = 0
    since_s: float | None = None
    """When the settler first saw the oldest outcome; None while there is none."""
    _parcels: dict[Held, Parcel] = field(default_factory=dict)

    def put(self, held: Held, seq: int) -> None:
        """The attempt at this number ended."""
        parcel = self._parcels.get(held)
        if parcel is None:
            self._parcels[held] = Parcel(held, [seq])
        else:
            parcel.seqs.append(seq)
        self.jobs += 1

    def put_result(self, held: Held, seq: int, result: bytes) -> None:
        """The attempt at this number ended with a value, given as JSON text."""
        self.put(held, seq)
        self._parcels[held].results.append((seq, result))

    def put_back(self, parcel: Parcel, seqs: Sequence[int]) -> None:
        """The database was busy with these numbers of a batch: they are to be sent again."""
        results = dict(parcel.results)
        for seq in seqs:
            result = results.get(seq)
            if result is None:
                self.put(parcel.held, seq)
            else:
                self.put_result(parcel.held, seq, result)

    def age_s(self, now_s: float) -> float:
        """How long the oldest outcome has waited, as far as the settler knows."""
        if self.jobs == 0:
            self.since_s = None
        elif self.since_s is None:
            self.since_s = now_s
        return 0.0 if self.since_s is None else now_s - self.since_s

    def take(self) -> Batch:
        """The next batch, within every bound of a call; its outcomes leave the box."""
        taken: list[Parcel] = []
        jobs = result_bytes = 0
        while self._parcels and len(taken) < SETTLE_ITEMS_MAX and jobs < SETTLE_JOBS_MAX:
            held = next(iter(self._parcels))
            parcel = self._parcels.pop(held)
            parcel.seqs.sort()
            taken.append(parcel)
            jobs += len(parcel.seqs)
            result_bytes += sum(len(result) for _, result in parcel.results)
            if result_bytes >= SETTLE_RESULT_BYTES_MAX:
                break
        self.jobs -= jobs
        assert self.jobs >= 0
        self.since_s = None
        return Batch(action=self.action, parcels=tuple(taken))


_NOW: Final = 0.0


def flush_in_s(*, jobs: int, age_s: float, idle: bool) -> float | None:
    """Seconds until the outcomes are worth a call; 0 for now, None while there are none.

    A full batch goes at once, and so does anything when no handler runs that could add to it.
    """
    if jobs == 0:
        return None
    if jobs >= FLUSH_JOBS or idle:
        return _NOW
    return max(_NOW, FLUSH_AGE_S - age_s)
