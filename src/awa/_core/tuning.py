"""What a worker holds to in one queue: what its program said, and what operators say for now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from awa._core.limits import CLAIM_ENTRIES_MAX
from awa._core.throttling import Rate, default_burst

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKERS_MAX: Final = 10_000
WEIGHT_MAX: Final = 1000
RATE_MAX: Final = 1_000_000.0
"""Jobs per second, and in one burst; the least rate is one of as many seconds for a job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """One queue of one worker. `max_workers`: handlers that may run at once at the most.

    In a shared pool `guaranteed` of them are its own, and `weight` is its share of the rest.
    """

    max_workers: int
    guaranteed: int = 0
    weight: int = 1
    claim_batch: int = CLAIM_ENTRIES_MAX
    claimers: int = 1
    poll_s: float | None = None
    """None: as the worker."""
    rate: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOverrides:
    """What operators say of a queue for now, to all workers; None where they say nothing."""

    max_workers: int | None = None
    weight: int | None = None
    claim_batch_size: int | None = None
    poll_interval_ms: int | None = None
    rate: float | None = None
    """Jobs per second, for each worker."""
    burst: int | None = None
    """Jobs at once; with a rate and without this, what a second brings."""
    deadline_s: float | None = None
    aging_s: float | None = None
    """These two are not the workers': claims hold to them, in the database."""

    @classmethod
    def of(cls, document: Mapping[str, object]) -> QueueOverrides:
        """What is stored. A later version may store more, which this one does not know."""
        known = {name: document[name] for name in cls.__slots__ if name in document}
        return cls(**known)  # type: ignore[arg-type]  # the database has checked their types

    def shown(self) -> str:
        """In words, for the log."""
        said = {name: getattr(self, name) for name in self.__slots__}
        given = [f"{name}={value}" for name, value in said.items() if value is not None]
        return ", ".join(given) or "none"

    def over(self, tuning: Tuning) -> Tuning:
        """What holds in place of what the program said."""
        changed: dict[str, int | float | Rate] = {}
        if self.max_workers is not None:
            changed["max_workers"] = self.max_workers
        if self.weight is not None:
            changed["weight"] = self.weight
        if self.claim_batch_size is not None:
            changed["claim_batch"] = self.claim_batch_size
        if self.poll_interval_ms is not None:
            changed["poll_s"] = self.poll_interval_ms / 1000
        rate = self._rate(tuning.rate)
        if rate is not None:
            changed["rate"] = rate
        return replace(tuning, **changed)  # type: ignore[arg-type]  # each by its name

    def _rate(self, said: Rate | None) -> Rate | None:
        if self.rate is not None:
            return Rate(per_s=self.rate, burst=self.burst or default_burst(self.rate))
        if said is not None and self.burst is not None:
            return replace(said, burst=self.burst)
        return said
