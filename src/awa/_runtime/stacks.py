"""Where code stands just now: the innermost frames of a task or a thread, as lines of text."""

import sys
from collections.abc import Iterable
from itertools import chain
from traceback import StackSummary, walk_stack
from types import FrameType
from typing import Final

import trio

FRAMES_MAX: Final = 8
CHILDREN_MAX: Final = 3


def of_task(task: trio.lowlevel.Task) -> tuple[str, ...]:
    """The innermost frames of a task, innermost last, and of the first tasks it started."""
    children = chain.from_iterable(nursery.child_tasks for nursery in task.child_nurseries)
    lines = list(_lines(task.iter_await_frames()))
    for child, _ in zip(children, range(CHILDREN_MAX), strict=False):
        lines.append(f"its task {child.name}:")
        lines += _lines(child.iter_await_frames())
    return tuple(lines)


def of_thread(ident: int | None) -> tuple[str, ...]:
    """The innermost frames of a thread, innermost last; none when it has ended."""
    frame = None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001  # its name
    return () if frame is None else _lines(reversed(list(walk_stack(frame))))


def _lines(frames: Iterable[tuple[FrameType, int]]) -> tuple[str, ...]:
    found = StackSummary.extract(iter(list(frames)[-FRAMES_MAX:]), lookup_lines=False)
    return tuple(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in found)
