"""What can be said of a schedule besides its name: checked, and as the database stores it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping  # noqa: TC003  the fields' types, read at run time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, TypeVar

import msgspec

from awa._core import limits
from awa._core.cron import checked_cron, checked_every
from awa._core.firing import MissedFires, Overlap
from awa._core.options import checked_duration_s, checked_int
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from enum import StrEnum

    from awa._client.producing import Producing

    WordT = TypeVar("WordT", bound=StrEnum)

MissedFirePolicy: TypeAlias = Literal["coalesce", "catch_up", "skip"]
OverlapPolicy: TypeAlias = Literal["allow", "skip", "replace"]


class JobParts(TypedDict, total=False):
    """Of the jobs; as for `insert`."""

    kind: str | None
    queue: str | None
    priority: int | None
    max_attempts: int | None
    deadline: timedelta | float | None
    tags: Iterable[str] | None
    metadata: Mapping[str, Any] | None
    ordering_key: str | bytes | None


class ScheduleOptions(JobParts, total=False):
    """All that is optional in a schedule."""

    every: timedelta | float | None
    """Instead of a cron expression: due every so many seconds, counted from `anchor`."""
    anchor: datetime | None
    """An aware datetime; default 1970, so that an hour begins with the clock's."""
    timezone: str
    """Of a cron expression; an IANA name, default UTC."""
    missed_fire_policy: MissedFirePolicy
    """What becomes of instants that passed while no worker led: fired once (coalesce, the default),
    each (catch_up), or not (skip)."""
    max_lateness_s: float | None
    """An instant that is later than this is not fired; default however late, with skip a minute."""
    catch_up_max: int
    """How many instants are caught up on at once, the newest; default 100."""
    overlap: OverlapPolicy
    """While a job of an earlier instant is not finished: store another one all the same (allow, the
    default), none (skip), or cancel the older one (replace)."""
    jitter_s: float
    """Fire up to so many seconds late, each instant by its own share; default 0."""


_JOB_PARTS: Final = frozenset(JobParts.__annotations__)
_KNOWN: Final = frozenset(ScheduleOptions.__annotations__)


def schedule_parts(cron: str | None, options: Mapping[str, Any]) -> dict[str, object]:
    """When a schedule fires, and how, as it is stored. Raises InvalidInput."""
    unknown = min(set(options) - _KNOWN, default=None)
    if unknown is not None:
        known = ", ".join(sorted(_KNOWN))
        raise InvalidInput(unknown, f"is not an option of a schedule; the options are {known}")
    late = options.get("max_lateness_s")
    return {
        **_rule(cron, options),
        "missed_fire_policy": _word("missed_fire_policy", MissedFires, options),
        "overlap": _word("overlap", Overlap, options),
        "max_lateness_s": None if late is None else checked_duration_s("max_lateness_s", late),
        "catch_up_max": checked_int(
            "catch_up_max",
            options.get("catch_up_max", limits.CATCH_UP_DEFAULT),
            low=1,
            high=limits.CATCH_UP_MAX,
        ),
        "jitter_s": _jitter_s(options.get("jitter_s", 0)),
    }


def job_parts(producing: Producing, args: object, options: Mapping[str, Any]) -> dict[str, object]:
    """What is enqueued, as it is stored. Raises InvalidInput."""
    chosen = {name: value for name, value in options.items() if name in _JOB_PARTS}
    job = producing.prepare(args, chosen).job
    return {"kind": job.kind, "args": msgspec.Raw(job.args), "opts": msgspec.Raw(job.opts)}


def _rule(cron: str | None, options: Mapping[str, Any]) -> dict[str, object]:
    every, anchor = options.get("every"), options.get("anchor")
    if (cron is None) == (every is None):
        raise InvalidInput("cron", "or `every` is needed: say in one way when it is due")
    if every is None:
        if anchor is not None:
            raise InvalidInput("anchor", "is for `every`: a cron expression has a time zone")
        rule = checked_cron(cron, options.get("timezone", "UTC"))
        return {"cron": rule.expression, "timezone": rule.timezone}
    if "timezone" in options:
        raise InvalidInput("timezone", "is for cron expressions: an interval has an anchor")
    if anchor is not None and (not isinstance(anchor, datetime) or anchor.utcoffset() is None):
        raise InvalidInput("anchor", f"must be a datetime with a time zone, not {anchor!r}")
    interval = checked_every(
        checked_duration_s("every", every), 0.0 if anchor is None else anchor.timestamp()
    )
    return {"every_s": interval.every_s, "anchor_s": interval.anchor_s}


def _word(field: str, words: type[WordT], options: Mapping[str, Any]) -> WordT:
    default = next(iter(words))
    try:
        return words(options.get(field, default))
    except ValueError as error:
        known = ", ".join(words)
        problem = f"must be one of {known}, not {options[field]!r}"
        raise InvalidInput(field, problem) from error


def _jitter_s(value: object) -> float:
    jitter_s = checked_duration_s("jitter_s", value)
    if not math.isfinite(jitter_s) or jitter_s > limits.JITTER_MAX_S:
        problem = f"is {jitter_s} seconds; the limit is {limits.JITTER_MAX_S:.0f}"
        raise InvalidInput("jitter_s", problem)
    return jitter_s
