"""Trying several things again and again, each at its own pace: in vain is more and more seldom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

K = TypeVar("K", bound="Hashable")


@dataclass(slots=True, kw_only=True)
class Pacing(Generic[K]):
    """When each thing is tried next, by the caller's clock."""

    least_s: float
    most_s: float
    _next_s: dict[K, float] = field(default_factory=dict)
    _pause_s: dict[K, float] = field(default_factory=dict)

    def due(self, things: Iterable[K], *, now_s: float) -> list[K]:
        """Which of them are to be tried now: all that were never tried, or whose pause is over.

        What is not among them is forgotten: when it comes back it is new.
        """
        there = list(things)
        self._next_s = {thing: self._next_s.get(thing, now_s) for thing in there}
        self._pause_s = {
            thing: pause_s for thing, pause_s in self._pause_s.items() if thing in self._next_s
        }
        return [thing for thing in there if self._next_s[thing] <= now_s]

    def in_vain(self, thing: K, *, now_s: float, at_least_s: float = 0.0) -> None:
        """It was tried and gave nothing: the next pause is twice as long, and at least so long."""
        before_s = self._pause_s.get(thing)
        pause_s = self.least_s if before_s is None else min(2 * before_s, self.most_s)
        pause_s = max(pause_s, at_least_s)
        self._pause_s[thing] = pause_s
        self._next_s[thing] = now_s + pause_s

    def worked(self, thing: K, *, now_s: float) -> None:
        """It was tried and gave something: there may be more, soon."""
        self._pause_s[thing] = self.least_s
        self._next_s[thing] = now_s + self.least_s

    def rest(self, thing: K, *, now_s: float, pause_s: float) -> None:
        """It is not tried again before this pause is over; after that it is new."""
        self._pause_s.pop(thing, None)
        self._next_s[thing] = now_s + pause_s

    def hurry(self, things: Iterable[K]) -> None:
        """Something happened to them: they are new."""
        for thing in things:
            self._pause_s.pop(thing, None)
            self._next_s.pop(thing, None)

    def next_s(self) -> float:
        """When the next of them is due; infinite when there is none."""
        return min(self._next_s.values(), default=float("inf"))
