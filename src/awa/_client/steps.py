"""What takes several calls, without the I/O: a generator yields calls and is sent their answers.

So the asynchronous and the synchronous client share every decision, and only drive it differently.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from awa._storage.calls import Call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Somebody else is at work on it: come back in a moment."""

    seconds: float


Steps: TypeAlias = Generator[Call[Any] | Pause, Any, T]
"""Yields what to do next; returns what came of it."""

PAUSES_S: Final = (0.01, 0.02, 0.05, *(0.1,) * 20)
"""Between repeats of what was busy: a lock of ours is held for milliseconds. Then it is told."""


def ask(call: Call[T]) -> Steps[T]:
    """Run one call: yielded through here its answer keeps its type."""
    answer: T = yield call
    return answer


async def drive(
    steps: Steps[T],
    run: Callable[[Call[Any]], Awaitable[Any]],
    sleep: Callable[[float], Awaitable[object]],
) -> T:
    """Take the steps asynchronously."""
    answer: Any = None
    try:
        while True:
            wish = steps.send(answer)
            answer = await (sleep(wish.seconds) if isinstance(wish, Pause) else run(wish))
    except StopIteration as stop:
        value: T = stop.value
        return value


def drive_sync(
    steps: Steps[T], run: Callable[[Call[Any]], Any], sleep: Callable[[float], object]
) -> T:
    """Take the steps synchronously."""
    answer: Any = None
    try:
        while True:
            wish = steps.send(answer)
            answer = sleep(wish.seconds) if isinstance(wish, Pause) else run(wish)
    except StopIteration as stop:
        value: T = stop.value
        return value
