"""Failures that are alike: the first few of a span have a record each, the rest one together.

Alike are those of one kind of job with one type of error. Thousands of jobs may fail at once, for
one reason: a record with a traceback for each would hide everything else in the log, and cost more
than the attempts. Every error is in its job's history, whatever the log says.

Nothing here reads a clock: a span begins with the first look after its first failure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from awa._core.entries import Body
from awa._core.failures import Failure
from awa._runtime.ledger import Held
from awa._runtime.limits import FAILURE_SORTS_MAX, FAILURES_ALIKE_S, FAILURES_TOLD


@dataclass(slots=True, kw_only=True)
class Span:
    """Failures that are alike, of one span of time."""

    level: int
    """How their records are logged."""
    told: int = 0
    """Those that have a record of their own."""
    untold: int = 0
    seconds: float = 0.0
    """How long the span has lasted, known at its end."""
    held: Held
    body: Body
    failure: Failure
    """Of the last one, with the job it was of."""
    since_s: float | None = None


class Alike:
    """The present spans of one worker."""

    def __init__(self) -> None:
        self._spans: Final[dict[tuple[str, str], Span]] = {}

    def tells(self, level: int, held: Held, body: Body, failure: Failure) -> bool:
        """Whether this failure has a record of its own; else it is counted."""
        sort = body.kind, failure.type
        span = self._spans.get(sort)
        if span is None:
            if len(self._spans) >= FAILURE_SORTS_MAX:
                sort = _OTHERS
            span = self._spans.setdefault(
                sort, Span(level=level, held=held, body=body, failure=failure)
            )
        if span.told < FAILURES_TOLD:
            span.told += 1
            return True
        span.untold += 1
        span.held, span.body, span.failure = held, body, failure
        return False

    def ended(self, now_s: float) -> Iterator[Span]:
        """The spans that are over by now and counted something; each is answered once."""
        for sort, span in list(self._spans.items()):
            if span.since_s is None:
                span.since_s = now_s
            span.seconds = now_s - span.since_s
            if span.seconds >= FAILURES_ALIKE_S:
                del self._spans[sort]
                if span.untold:
                    yield span

    def all(self, now_s: float) -> Iterator[Span]:
        """End all spans, and answer those that counted something."""
        for span in self._spans.values():
            span.seconds = 0.0 if span.since_s is None else now_s - span.since_s
            if span.untold:
                yield span
        self._spans.clear()


_OTHERS: Final = ("", "")
"""Kinds and types of errors may be many, and be made up: past a number they share one span."""
