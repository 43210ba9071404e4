"""Sets of whole numbers as sorted ranges: what claims, closures and reports are made of.

A claim of five hundred jobs is usually one range, so its cost is one pair and not five hundred.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Span: TypeAlias = tuple[int, int]
"""Half-open: the first number, and the one after the last."""


class Ranges:
    """An immutable set of whole numbers, kept as spans: sorted, apart, none empty.

    `str` gives PostgreSQL's multirange text and `parse` reads it. `len` counts numbers, not spans;
    iterating yields the numbers in order.
    """

    __slots__ = ("spans",)

    spans: Final[tuple[Span, ...]]

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self.spans = _normal(spans)

    @classmethod
    def from_sorted(cls, numbers: Sequence[int]) -> Ranges:
        """The set of these numbers, which must ascend strictly (ValueError otherwise)."""
        if not numbers:
            return EMPTY
        low, last = numbers[0], numbers[-1]
        # The usual batch is everything between its ends, and comparing is cheaper than walking.
        if last - low == len(numbers) - 1 and list(numbers) == list(range(low, last + 1)):
            return _of(((low, last + 1),))
        spans: list[Span] = []
        high = low
        for number in numbers:
            if number != high:
                if number < high:
                    raise ValueError(f"{number} does not ascend")
                spans.append((low, high))
                low = number
            high = number + 1
        spans.append((low, high))
        return _of(tuple(spans))

    @classmethod
    def parse(cls, text: str) -> Ranges:
        """Read PostgreSQL's multirange text, e.g. `{[1,4),[6,7)}`.

        Raises ValueError for anything else, infinite bounds included.
        """
        if text == "{}":
            return EMPTY
        if not (text.startswith("{[") and text.endswith(")}")):
            raise ValueError(f"not a multirange of whole numbers: {text[:80]!r}")
        spans: list[Span] = []
        before = None
        for part in text[2:-2].split("),["):
            low, high = map(int, part.split(","))
            if low >= high or (before is not None and low <= before):
                raise ValueError(f"not a normal multirange: {text[:80]!r}")
            spans.append((low, high))
            before = high
        return _of(tuple(spans))

    def union(self, other: Ranges) -> Ranges:
        """The numbers of either."""
        if not other.spans:
            return self
        return Ranges(chain(self.spans, other.spans)) if self.spans else other

    def minus(self, other: Ranges) -> Ranges:
        """The numbers of this one that are not in the other."""
        if not self.spans or not other.spans:
            return self
        return _of(tuple(_minus(self.spans, other.spans)))

    def intersect(self, other: Ranges) -> Ranges:
        """The numbers of both."""
        return _of(tuple(_intersect(self.spans, other.spans)))

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.spans, number, key=_low) - 1
        return at >= 0 and number < self.spans[at][1]

    def __len__(self) -> int:
        return sum(high - low for low, high in self.spans)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(range(low, high) for low, high in self.spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self.spans == other.spans

    def __hash__(self) -> int:
        return hash(self.spans)

    def __str__(self) -> str:
        return f"{{{','.join([f'[{low},{high})' for low, high in self.spans])}}}"

    def __repr__(self) -> str:
        return f"Ranges.parse({str(self)!r})"


def _of(spans: tuple[Span, ...]) -> Ranges:
    """Wrap spans that are known to be sorted, apart and not empty."""
    made = Ranges.__new__(Ranges)
    object.__setattr__(made, "spans", spans)
    return made


def _low(span: Span) -> int:
    return span[0]


def _normal(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort, drop the empty, join what touches."""
    joined: list[Span] = []
    for low, high in sorted(spans):
        if low >= high:
            continue
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def _minus(spans: tuple[Span, ...], taken: tuple[Span, ...]) -> Iterator[Span]:
    """Walk both lists once; `at` is the first taken span that can still matter."""
    at = 0
    for low, high in spans:
        start = low
        while at < len(taken) and taken[at][1] <= start:
            at += 1
        here = at
        while here < len(taken) and taken[here][0] < high:
            if start < taken[here][0]:
                yield start, taken[here][0]
            start = taken[here][1]
            here += 1
        at = max(at, here - 1)
        if start < high:
            yield start, high


def _intersect(left: tuple[Span, ...], right: tuple[Span, ...]) -> Iterator[Span]:
    """Walk both lists once, always leaving behind the span that ends first."""
    i = j = 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low < high:
            yield low, high
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1


EMPTY: Final = Ranges()
"""The set of no numbers."""
