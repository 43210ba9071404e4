"""The options of an insert, checked before anything is sent: each error names field and limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from awa._core import limits
from awa._core.arguments import encode_args, encode_json, kind_of_args
from awa.errors import InvalidInput


class NewJob(NamedTuple):
    """A job ready to be stored: everything about it was checked. A tuple, as there may be many."""

    kind: str
    args: bytes
    """JSON text of an object."""
    opts: bytes = b"{}"
    """JSON text of an object; what has its default is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """Options that were checked once, for any number of jobs."""

    kind: str | None
    """None: derived from the class of each job's arguments."""
    opts: bytes


OPTIONS: Final = ("deadline", "kind", "max_attempts", "metadata", "priority", "queue", "tags")
"""What `new_job` understands, by the names that users type."""


def new_job(
    args: object,
    options: Mapping[str, object] | JobOptions | None = None,
    *,
    args_bytes_max: int = limits.ARGS_BYTES_MAX,
) -> NewJob:
    """Check a job's arguments and options; options as `checked_options`. Raises InvalidInput."""
    chosen = options if isinstance(options, JobOptions) else checked_options(options or {})
    return NewJob(
        kind=checked_name("kind", kind_of_args(args)) if chosen.kind is None else chosen.kind,
        args=encode_args(args, bytes_max=args_bytes_max),
        opts=chosen.opts,
    )


def checked_options(options: Mapping[str, object]) -> JobOptions:
    """Check the options of an insert. One that is None counts as not given.

    `kind` (default: derived from the class of the arguments), `queue`, `priority`,
    `max_attempts`, `deadline` (timedelta or seconds, 0 for none), `tags`, `metadata`.
    Raises InvalidInput.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in OPTIONS:
            raise InvalidInput(name, f"is not an option; the options are {', '.join(OPTIONS)}")
    kind = given.pop("kind", None)
    return JobOptions(
        kind=None if kind is None else checked_name("kind", kind),
        opts=encode_json("opts", _stored(given)) if given else b"{}",
    )


def checked_name(field: str, value: object) -> str:
    """The name of a kind or queue. Raises InvalidInput: not a string, empty, too long, with NUL."""
    length_max = limits.KIND_LENGTH_MAX if field == "kind" else limits.QUEUE_LENGTH_MAX
    text = _checked_text(field, value)
    if not 1 <= len(text) <= length_max:
        raise InvalidInput(field, f"has {len(text)} characters; it needs 1 to {length_max}")
    return text


def checked_int(field: str, value: object, *, low: int, high: int) -> int:
    """A whole number within bounds. Raises InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(field, f"must be an integer from {low} to {high}, not {value!r}")
    if not low <= value <= high:
        raise InvalidInput(field, f"is {value}; it must be from {low} to {high}")
    return value


def checked_duration_s(field: str, value: object) -> float:
    """Seconds from a number or a timedelta, not negative and bounded. Raises InvalidInput."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:  # an integer of hundreds of digits
            seconds = math.inf
    else:
        raise InvalidInput(field, f"must be a timedelta or seconds, not {value!r}")
    if not math.isfinite(seconds) or seconds < 0:
        raise InvalidInput(field, f"is {seconds} seconds; it must be finite and not negative")
    if seconds > limits.DEADLINE_MAX_S:
        raise InvalidInput(field, f"is {seconds} seconds; the limit is {limits.DEADLINE_MAX_S:.0f}")
    return seconds


def _checked_text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(field, f"must be a string, not {value!r}")
    if "\0" in value:
        raise InvalidInput(field, "holds a NUL character, which PostgreSQL cannot store")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(field, f"is not valid Unicode: {error.reason}") from error
    return value


def _checked_tags(value: object) -> list[str]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidInput("tags", f"must be a list of strings, not {value!r}")
    tags = [_checked_text("tags", tag) for tag in value]
    for tag in tags:
        if len(tag) > limits.TAG_LENGTH_MAX:
            problem = f"has a tag of {len(tag)} characters; the limit is {limits.TAG_LENGTH_MAX}"
            raise InvalidInput("tags", problem)
    if len(tags) > limits.TAGS_MAX:
        raise InvalidInput("tags", f"has {len(tags)} tags; the limit is {limits.TAGS_MAX}")
    return tags


def _checked_metadata(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidInput("metadata", f"must be a mapping, not {value!r}")
    for key in value:
        if not isinstance(key, str):
            raise InvalidInput("metadata", f"has the key {key!r}, which is not a string")
    size = len(encode_json("metadata", dict(value)))
    if size > limits.METADATA_BYTES_MAX:
        problem = f"takes {size} bytes as JSON; the limit is {limits.METADATA_BYTES_MAX}"
        raise InvalidInput("metadata", problem)
    return dict(value)


def _stored(given: Mapping[str, object]) -> dict[str, object]:
    """The options by the names that the SQL function knows."""
    stored: dict[str, object] = {}
    for name, value in given.items():
        match name:
            case "queue":
                stored[name] = checked_name(name, value)
            case "priority":
                low, high = limits.PRIORITY_FIRST, limits.PRIORITY_LAST
                stored[name] = checked_int(name, value, low=low, high=high)
            case "max_attempts":
                stored[name] = checked_int(name, value, low=1, high=limits.ATTEMPTS_MAX)
            case "deadline":
                stored["deadline_s"] = checked_duration_s(name, value)
            case "tags":
                stored[name] = _checked_tags(value)
            case _:
                assert name == "metadata"
                stored[name] = _checked_metadata(value)
    return stored
