"""What stands in a recording for names and numbers, as small numbers and sets of them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

Event = Mapping[str, Any]

_NUMBER_MAX: Final = 2**63
_SPAN: Final = re.compile(r"[\[(](-?\d*),(-?\d*)\)")


class Names:
    """Small numbers for what the world draws at random; calls keep their order."""

    def __init__(self, events: Iterable[Event], appear: frozenset[int]) -> None:
        self._numbers: dict[str, dict[int, int]] = {}
        # Numbers above every one that appears are all alike: two of them stand for the rest.
        self.top: Final = max(appear, default=0) + 3
        calls = {event[key] for event in events for key in ("call", "upto") if key in event}
        self.calls: Final = {call: rank for rank, call in enumerate(sorted(calls), 1)}

    def of(self, kind: str, name: int) -> int:
        """Answer the small number of this name."""
        known = self._numbers.setdefault(kind, {})
        return known.setdefault(name, len(known) + 1)

    def named(self, text: str) -> frozenset[int]:
        """Answer the calls of this recording that a heartbeat's list names; it may be unbounded."""
        spans = _SPAN.findall(text)
        return frozenset(
            rank
            for call, rank in self.calls.items()
            if any(
                (not low or int(low) <= call) and (not high or call < int(high))
                for low, high in spans
            )
        )


def numbers_of(text: str, top: int = _NUMBER_MAX) -> frozenset[int]:
    """The numbers of a multirange from 0 up to `top`: a caller may ask for any numbers at all."""
    return frozenset(
        number
        for low, high in _SPAN.findall(text)
        for number in range(max(0, int(low or 0)), min(int(high or top), top))
    )
