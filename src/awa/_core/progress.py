"""What an attempt says of its progress: a percentage, a message, and data of the handler's own."""

from __future__ import annotations

from enum import StrEnum
from math import isnan
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from awa._core.arguments import encode_json
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRESS_BYTES_MAX: Final = 16 * 1024
"""As JSON, all of it: it is written anew with each note."""
MESSAGE_CHARS_MAX: Final = 1000


class NoteAnswer(StrEnum):
    """What the database did with a note."""

    NOTED = "noted"
    """It is there, or something newer is."""
    STALE = "stale"
    """The attempt has ended."""
    BUSY = "busy"
    """Somebody settles the same claim right now: ask again."""


class Note(NamedTuple):
    """The progress of one attempt, which its receipt names."""

    token: int
    part: int
    seq: int
    number: int
    """Grows with each note of the attempt."""
    text: bytes
    """JSON text."""


def with_percent(
    progress: Mapping[str, Any] | None, percent: object, message: object
) -> dict[str, Any]:
    """The progress with another percentage, and another message or none. Raises InvalidInput."""
    if isinstance(percent, bool) or not isinstance(percent, int | float) or isnan(percent):
        raise InvalidInput("percent", f"must be a number, not {percent!r:.100}")
    if message is not None and (not isinstance(message, str) or len(message) > MESSAGE_CHARS_MAX):
        problem = f"must be a string of at most {MESSAGE_CHARS_MAX} characters"
        raise InvalidInput("message", f"{problem}, not {message!r:.100}")
    changed = {**(progress or {}), "percent": min(max(percent, 0), 100)}
    if message is not None:
        changed["message"] = message
    return changed


def with_metadata(progress: Mapping[str, Any] | None, updates: object) -> dict[str, Any]:
    """The progress with these keys of its data changed. Raises InvalidInput."""
    if not isinstance(updates, dict):
        raise InvalidInput("updates", f"must be a dictionary, not {updates!r:.100}")
    strange = next((key for key in updates if not isinstance(key, str)), None)
    if strange is not None:
        problem = f"must have strings as keys, as the next attempt reads them, not {strange!r:.100}"
        raise InvalidInput("updates", problem)
    before = (progress or {}).get("metadata") or {}
    return {**(progress or {}), "metadata": {**before, **updates}}


def encode_progress(progress: Mapping[str, Any]) -> bytes:
    """As JSON text. Raises InvalidInput."""
    text = encode_json("progress", progress)
    if len(text) > PROGRESS_BYTES_MAX:
        problem = f"takes {len(text)} bytes as JSON; the limit is {PROGRESS_BYTES_MAX}"
        raise InvalidInput("progress", problem)
    return text
