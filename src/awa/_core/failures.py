"""What is kept of an error: its type, its message, and where it came from, within bounds.

The error comes out of the handler's code, whose own methods may fail, lie or be endless in text.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  a value's field types stay readable at run time
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import msgspec

from awa._core.limits import ERROR_LENGTH_MAX

if TYPE_CHECKING:
    from types import FrameType, TracebackType

_TYPE_LENGTH_MAX: Final = 200
_FRAMES_MAX: Final = 3
_FRAME_LENGTH_MAX: Final = 200
_LEAVES_MAX: Final = 5
_OURS: Final = ("awa._runtime", "trio.")
"""Code that calls handlers: what is above it in a traceback says nothing about the error."""
_RAISED_NO_ERROR: Final = "exceptions must derive from BaseException"
"""Python's own words. They do not say what was raised, and neither can we: an outcome, perhaps."""
_RETURN_IT: Final = (
    "; if it was an outcome such as Snooze, RetryAfter or Cancel: these are values that a handler"
    " returns, so write `return awa.Snooze(...)` where it says `raise`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt failed, as it is stored: text that PostgreSQL can hold."""

    type: str
    """Name of the error's class, or of the outcome."""
    message: str
    frames: tuple[str, ...] = ()
    """The last places of its traceback, `file.py:12 in function`, the innermost last."""

    def document(self) -> bytes:
        """The JSON text that the database adds to the job's errors."""
        stored: dict[str, object] = {"error": self.message, "type": self.type}
        if self.frames:
            stored["trace"] = "\n".join(self.frames)
        return msgspec.json.encode(stored)

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptError:
    """One failed attempt in a job's history, which keeps the last five."""

    attempt: int
    at: datetime
    """When it was stored, by the database's clock."""
    error: str
    """The message, or the reason that was given."""
    type: str | None = None
    """Name of the error's class, or of the outcome; None when no handler raised it."""
    trace: str | None = None
    """The last places of its traceback, a line for each, the innermost last."""


DEADLINE_EXCEEDED: Final = Failure(type="deadline", message="deadline exceeded")
"""The same words as the database's own, when it ends an attempt first."""


def failure_of(error: BaseException) -> Failure:
    """What to keep of this error. A group that holds one error is that error."""
    leaves = leaves_of(error)
    if len(leaves) == 1:
        (error,) = leaves
        message = _text_of(error)
    else:
        said = [f"{_type_of(leaf)}: {_text_of(leaf)}" for leaf in leaves[:_LEAVES_MAX]]
        more = len(leaves) - len(said)
        message = cut_text("; ".join([*said, f"and {more} more"] if more else said))
    return Failure(type=_type_of(error), message=message, frames=_frames(error.__traceback__))


def leaves_of(error: BaseException) -> list[BaseException]:
    """The errors inside a group, however nested; of any other error itself."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in leaves_of(inner)]


def cut_text(text: str, length_max: int = ERROR_LENGTH_MAX) -> str:
    """The text as PostgreSQL can store it: no NUL, no half characters, bounded."""
    cut = text if len(text) <= length_max else text[: length_max - 1] + "…"
    if cut.isascii() and "\0" not in cut:
        return cut
    return cut.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _type_of(error: BaseException) -> str:
    return cut_text(type(error).__qualname__, _TYPE_LENGTH_MAX)


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
        if type(error) is TypeError and text == _RAISED_NO_ERROR:
            text += _RETURN_IT
        return cut_text(text)
    except Exception as failure:  # noqa: BLE001  # whatever it raises, the worker goes on
        return f"(its text failed with {type(failure).__name__})"


def handlers_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the handler's own code on; all of it when nothing of that is in it."""
    part = trace
    while part is not None and _is_ours(part.tb_frame):
        part = part.tb_next
    return trace if part is None else part


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(_OURS)


def _frames(trace: TracebackType | None) -> tuple[str, ...]:
    kept: deque[TracebackType] = deque(maxlen=_FRAMES_MAX)
    while trace is not None:
        if _is_ours(trace.tb_frame):
            kept.clear()
        else:
            kept.append(trace)
        trace = trace.tb_next
    codes = [(part.tb_frame.f_code, part.tb_lineno) for part in kept]
    return tuple(_place(code.co_filename, line, code.co_name) for code, line in codes)


@lru_cache(maxsize=1000)  # jobs fail together, at one place
def _place(path: str, line: int | None, function: str) -> str:
    # Names of files, not paths: where a program is installed is nobody's business.
    return cut_text(f"{PurePath(path).name}:{line} in {function}", _FRAME_LENGTH_MAX)
