"""A token bucket: so many things per second, and so many at once after a quiet while."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

_HAIR: Final = 1e-6
"""Of a token: what sums of times are inexact by. It is lent, not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Tokens per second, and how many there are at the most."""

    per_s: float
    burst: int


def default_burst(per_s: float) -> int:
    """What a second brings."""
    return max(1, math.ceil(per_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Tokens there were at a time, by the caller's clock. A value: taking makes another one."""

    rate: Rate
    tokens: float
    at_s: float

    @classmethod
    def full(cls, rate: Rate, now_s: float) -> Bucket:
        """As it is at the beginning."""
        return cls(rate=rate, tokens=float(rate.burst), at_s=now_s)

    def available(self, now_s: float) -> int:
        """Whole tokens that may be taken now."""
        return max(0, math.floor(self._level(now_s) + _HAIR))

    def taken(self, tokens: int, now_s: float) -> Bucket:
        """Without these; more than were there are owed."""
        return replace(self, tokens=self._level(now_s) - tokens, at_s=max(self.at_s, now_s))

    def retuned(self, rate: Rate, now_s: float) -> Bucket:
        """At another rate from now on, with no more tokens than it had."""
        tokens = min(self._level(now_s), float(rate.burst))
        return Bucket(rate=rate, tokens=tokens, at_s=max(self.at_s, now_s))

    def ready_s(self, tokens: int) -> float:
        """When so many may be taken; a bucket never holds more than its burst."""
        missing = min(tokens, self.rate.burst) - self.tokens
        return self.at_s + max(0.0, missing / self.rate.per_s)

    def _level(self, now_s: float) -> float:
        elapsed_s = max(0.0, now_s - self.at_s)
        return min(float(self.rate.burst), self.tokens + elapsed_s * self.rate.per_s)
