"""The options of an insert, checked before anything is sent: each error names field and limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, get_args

import msgspec

from awa._core import limits
from awa._core.arguments import encode_args, encode_json, kind_of_args
from awa._core.unique import OnConflict, Uniqueness, checked_unique, stored_unique
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
    queue: str = limits.QUEUE_DEFAULT
    unique: Uniqueness | None = None
    """The only option that differs from job to job: the key depends on the arguments."""


OPTIONS: Final = (
    "deadline",
    "delay",
    "kind",
    "max_attempts",
    "metadata",
    "on_conflict",
    "ordering_key",
    "priority",
    "queue",
    "run_at",
    "tags",
    "unique",
)
"""What `new_job` understands, by the names that users type."""


def new_job(
    args: object,
    options: Mapping[str, object] | JobOptions | None = None,
    *,
    args_bytes_max: int = limits.ARGS_BYTES_MAX,
) -> NewJob:
    """Check a job's arguments and options; options as `checked_options`. Raises InvalidInput."""
    chosen = options if isinstance(options, JobOptions) else checked_options(options or {})
    kind = checked_name("kind", kind_of_args(args)) if chosen.kind is None else chosen.kind
    data = encode_args(args, bytes_max=args_bytes_max)
    if chosen.unique is None:
        return NewJob(kind, data, chosen.opts)
    stored = stored_unique(chosen.unique, kind=kind, args=data, queue=chosen.queue)
    return NewJob(kind=kind, args=data, opts=_with("unique", stored, chosen.opts))


def checked_options(options: Mapping[str, object]) -> JobOptions:
    """Check the options of an insert. One that is None counts as not given.

    `kind` (default: derived from the class of the arguments), `queue`, `priority`,
    `max_attempts`, `deadline` (timedelta or seconds, 0 for none), `tags`, `metadata`,
    `run_at` (aware datetime) or `delay` (timedelta or seconds), `ordering_key` (str, or bytes of
    UTF-8), `unique` (UniqueOpts, True, or a mapping of its fields), `on_conflict`.
    Raises InvalidInput.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in OPTIONS:
            raise InvalidInput(name, f"is not an option; the options are {', '.join(OPTIONS)}")
    if "run_at" in given and "delay" in given:
        raise InvalidInput("run_at", "contradicts delay: give one of them")
    kind = given.pop("kind", None)
    unique = given.pop("unique", False)
    if unique is False and "on_conflict" in given:
        raise InvalidInput("on_conflict", "needs unique: only a unique key can conflict")
    stored = _stored(given)
    return JobOptions(
        kind=None if kind is None else checked_name("kind", kind),
        opts=encode_json("opts", stored) if stored else b"{}",
        queue=str(stored.get("queue", limits.QUEUE_DEFAULT)),
        unique=None if unique is False else checked_unique(unique),
    )


def checked_name(field: str, value: object) -> str:
    """The name of a kind or queue. Raises InvalidInput: not a string, empty, too long, with NUL."""
    length_max = limits.KIND_LENGTH_MAX if field == "kind" else limits.QUEUE_LENGTH_MAX
    text = checked_text(field, value)
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


def checked_flag(field: str, value: object) -> bool:
    """True or False. Raises InvalidInput."""
    if not isinstance(value, bool):
        raise InvalidInput(field, f"must be True or False, not {value!r}")
    return value


def checked_duration_s(field: str, value: object, *, low_s: float = 0.0) -> float:
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
    if seconds < low_s:
        raise InvalidInput(field, f"is {seconds} seconds; it must be {low_s} at least")
    if seconds > limits.DEADLINE_MAX_S:
        raise InvalidInput(field, f"is {seconds} seconds; the limit is {limits.DEADLINE_MAX_S:.0f}")
    return seconds


def checked_span_s(field: str, value: object) -> float:
    """Seconds of a deadline or an aging, 0 for none. Raises InvalidInput: shorter than can be."""
    seconds = checked_duration_s(field, value)
    if 0 < seconds < limits.SPAN_MIN_S:
        problem = f"is {seconds:g} seconds, and a claim alone takes longer"
        raise InvalidInput(field, f"{problem}: give 0 for none, or {limits.SPAN_MIN_S} at least")
    return seconds


def checked_ordering_key(value: object) -> str:
    """An ordering key as text. Raises InvalidInput: empty, too long, not UTF-8, with NUL."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise InvalidInput("ordering_key", f"is not valid UTF-8: {error.reason}") from error
    text = checked_text("ordering_key", value)
    if not 1 <= len(text) <= limits.ORDERING_KEY_LENGTH_MAX:
        high = limits.ORDERING_KEY_LENGTH_MAX
        raise InvalidInput("ordering_key", f"has {len(text)} characters; it needs 1 to {high}")
    return text


def checked_text(field: str, value: object) -> str:
    """A string that PostgreSQL can store. Raises InvalidInput."""
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
    tags = [checked_text("tags", tag) for tag in value]
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


def _checked_run_at(value: object) -> str:
    if not isinstance(value, datetime):
        raise InvalidInput("run_at", f"must be a datetime, not {value!r}")
    if value.utcoffset() is None:
        problem = (
            f"is {value.isoformat()}, which names no time zone: use datetime.now(UTC), "
            "or give it one with replace(tzinfo=...)"
        )
        raise InvalidInput("run_at", problem)
    try:
        return value.astimezone(UTC).isoformat()
    except OverflowError as error:
        problem = f"is {value.isoformat()}, which is outside the years 1 to 9999 in UTC"
        raise InvalidInput("run_at", problem) from error


def _checked_on_conflict(value: object) -> str:
    answers = get_args(OnConflict)
    if value not in answers:
        raise InvalidInput("on_conflict", f"must be one of {', '.join(answers)}, not {value!r}")
    return str(value)


_CHECKS: Final[Mapping[str, tuple[str, Callable[[object], object]]]] = {
    "deadline": ("deadline_s", lambda value: checked_span_s("deadline", value)),
    "delay": ("delay_s", lambda value: checked_duration_s("delay", value)),
    "max_attempts": (
        "max_attempts",
        lambda value: checked_int("max_attempts", value, low=1, high=limits.ATTEMPTS_MAX),
    ),
    "metadata": ("metadata", _checked_metadata),
    "on_conflict": ("on_conflict", _checked_on_conflict),
    "ordering_key": ("ordering_key", checked_ordering_key),
    "priority": (
        "priority",
        lambda value: checked_int(
            "priority", value, low=limits.PRIORITY_FIRST, high=limits.PRIORITY_LAST
        ),
    ),
    "queue": ("queue", lambda value: checked_name("queue", value)),
    "run_at": ("run_at", _checked_run_at),
    "tags": ("tags", _checked_tags),
}
"""By the name that users type: the name that the SQL function knows, and what is checked."""

assert {*_CHECKS, "kind", "unique"} == set(OPTIONS)


def _stored(given: Mapping[str, object]) -> dict[str, object]:
    """The options by the names that the SQL function knows."""
    stored: dict[str, object] = {}
    for name, value in given.items():
        stored_name, check = _CHECKS[name]
        stored[stored_name] = check(value)
    return stored


def _with(name: str, value: object, opts: bytes) -> bytes:
    """The options with one more, without reading them again."""
    more = b'{"%b":%b' % (name.encode(), msgspec.json.encode(value))
    return more + (b"}" if opts == b"{}" else b"," + opts[1:])
