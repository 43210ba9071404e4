"""When a schedule is due: by a cron expression in a time zone, or every so many seconds.

A cron expression speaks of a clock on the wall. Where that clock is turned, a time that it leaves
out counts as the moment at which it is turned, and a time that it shows twice as the first. An
expression that does not choose among the hours follows the time that passes instead: it fires in
both of the two hours that look alike, and nothing is made up for an hour that was left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from awa._core.limits import CRON_LENGTH_MAX, EVERY_MAX_S, EVERY_MIN_S
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALIASES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS: Final = (5, 6)
_BY_CHANCE: Final = re.compile(r"(?<![a-z])[hr](?![a-z])", re.IGNORECASE)
"""What croniter reads as a number drawn at random, or from a hash."""
_ALONE: Final = re.compile(r"\d+w|w\d+|#|l\d", re.IGNORECASE)
"""In a field of days: croniter leaves the other field of days out beside it, without a word."""
_ANY: Final = frozenset("*?")
_SECOND: Final = timedelta(seconds=1)
_HOURS: Final = 24
_EARLIEST: Final = datetime(1, 1, 10, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 20, tzinfo=UTC)
"""Beyond, a time of the day in some zone has no year."""
_SAMPLE: Final = datetime(2000, 1, 1)  # noqa: DTZ001  # a time on a wall


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Due when a clock on a wall in that zone shows what the expression says."""

    expression: str
    """Of 5 fields, or 6 with seconds first."""
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Due every so many seconds, counted from an instant: no restart and no delay moves it."""

    every_s: float
    anchor_s: float = 0.0
    """Seconds since 1970."""


Rule: TypeAlias = Cron | Every


def checked_cron(expression: object, timezone: object) -> Cron:
    """A rule that can be followed. Raises InvalidInput, also for one that is never due."""
    if not isinstance(expression, str) or len(expression) > CRON_LENGTH_MAX:
        problem = f"must be a cron expression of at most {CRON_LENGTH_MAX} characters"
        raise InvalidInput("cron", f"{problem}, not {expression!r}"[:200])
    _zone(timezone)
    text = _ALIASES.get(expression.strip().lower(), expression)
    if text.lstrip().startswith("@"):
        known = ", ".join(_ALIASES)
        raise InvalidInput("cron", f"{expression!r} is no name of a schedule; there are {known}")
    fields = len(text.split())
    if fields not in _FIELDS:
        problem = f"{expression!r} has {fields} fields; it needs 5, or 6 with seconds first"
        raise InvalidInput("cron", problem)
    if _BY_CHANCE.search(text):
        problem = f"{expression!r} leaves a field to chance; give numbers, and `jitter_s` spreads"
        raise InvalidInput("cron", problem)
    *_, day, _, weekday = text.split()
    if not _ANY & {day, weekday} and any(_ALONE.search(days) for days in (day, weekday)):
        problem = f"{expression!r} names a day and a weekday: beside `W`, `#` and `L5` give `*`"
        raise InvalidInput("cron", problem)
    try:
        _walls(text, _SAMPLE).get_next()
    except (CroniterError, ValueError, KeyError, OverflowError) as error:
        what = "is never due" if "failed to find" in str(error) else f"cannot be read: {error}"
        raise InvalidInput("cron", f"{expression!r} {what}") from error
    return Cron(expression=" ".join(text.split()), timezone=str(timezone))


def checked_every(every_s: float, anchor_s: float = 0.0) -> Every:
    """An interval within bounds. Raises InvalidInput."""
    if not EVERY_MIN_S <= every_s <= EVERY_MAX_S:
        problem = f"is {every_s} seconds; it must be from {EVERY_MIN_S:g} to {EVERY_MAX_S:.0f}"
        raise InvalidInput("every", problem)
    return Every(every_s=every_s, anchor_s=anchor_s)


def next_due(rule: Rule, after: datetime) -> datetime | None:
    """The first instant after this one at which it is due; None: never again."""
    if isinstance(rule, Every):
        return _tick(rule, _ticks(rule, after) + 1)
    return next((at for at in _onwards(rule, after) if at > after), None)


def last_due(rule: Rule, upto: datetime) -> datetime | None:
    """The last instant up to and with this one at which it was due; None: never before."""
    if isinstance(rule, Every):
        return _tick(rule, _ticks(rule, upto))
    return next((at for at in _backwards(rule, upto) if at <= upto), None)


def _ticks(rule: Every, upto: datetime) -> int:
    """How many whole intervals lie between the anchor and an instant."""
    count = int((upto.timestamp() - rule.anchor_s) // rule.every_s)
    # Division of floats may be one off.
    while _tick(rule, count) > upto:
        count -= 1
    while _tick(rule, count + 1) <= upto:
        count += 1
    return count


def _tick(rule: Every, count: int) -> datetime:
    """The instant of an interval's end, whole microseconds: always the same one for a number."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=round((rule.anchor_s + count * rule.every_s) * 1_000_000)
    )


# Cron: walls are naive datetimes, what the clock on the wall shows. -------------------------------


def _onwards(rule: Cron, after: datetime) -> Iterator[datetime]:
    """Instants at which it is due, not all of them after `after`, in their order."""
    if not _EARLIEST <= after <= _LATEST:
        return
    zone = _zone(rule.timezone)
    if _follows_time(rule.expression):
        yield from _in_passing_time(rule.expression, zone, after)
        return
    # All walls up to the one shown now have come, at least once.
    walls = _walls(rule.expression, _wall(after, zone))
    while (wall := _next_wall(walls, forward=True)) is not None:
        yield _instant(wall, zone)


def _backwards(rule: Cron, upto: datetime) -> Iterator[datetime]:
    """The same backwards, not all of them up to `upto`."""
    if not _EARLIEST <= upto <= _LATEST:
        return
    zone = _zone(rule.timezone)
    if _follows_time(rule.expression):
        yield from _in_past_time(rule.expression, zone, upto)
        return
    wall = _wall(upto, zone)
    # In the second of two hours that look alike all walls of the first have come.
    again = upto.replace(microsecond=0) - _instant(wall, zone)
    walls = _walls(rule.expression, wall + again + _SECOND)
    while (shown := _next_wall(walls, forward=False)) is not None:
        yield _instant(shown, zone)


def _in_passing_time(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """The first due instant after this one, whatever the clock is turned to meanwhile."""
    now = after.replace(microsecond=0)
    while True:
        offset = now.astimezone(zone).utcoffset()
        assert offset is not None
        wall = _next_wall(_walls(expression, _wall(now, zone)), forward=True)
        if wall is None:
            return
        at = (wall - offset).replace(tzinfo=UTC)
        turned = _first_turn(zone, now, at)
        if turned is None:
            yield at
            return
        # What the clock shows first when it was turned may be due itself.
        shown = _wall(turned, zone)
        if _next_wall(_walls(expression, shown - _SECOND), forward=True) == shown:
            yield turned
            return
        now = turned


def _in_past_time(expression: str, zone: ZoneInfo, upto: datetime) -> Iterator[datetime]:
    """The last due instant up to this one."""
    now = upto.replace(microsecond=0)
    while True:
        offset = now.astimezone(zone).utcoffset()
        assert offset is not None
        wall = _next_wall(_walls(expression, _wall(now, zone) + _SECOND), forward=False)
        if wall is None:
            return
        at = (wall - offset).replace(tzinfo=UTC)
        turned = _last_turn(zone, at, now)
        if turned is None:
            yield at
            return
        now = turned - _SECOND


def _first_turn(zone: ZoneInfo, since: datetime, upto: datetime) -> datetime | None:
    """When the clock is turned first after `since`, up to and with `upto`."""
    step = timedelta(days=14)
    low = since
    while low < upto:
        high = min(low + step, upto)
        if _offset(low, zone) != _offset(high, zone):
            return _turn(zone, low, high)
        low = high
    return None


def _last_turn(zone: ZoneInfo, since: datetime, upto: datetime) -> datetime | None:
    """When the clock was turned last after `since`, up to and with `upto`."""
    step = timedelta(days=14)
    high = upto
    while high > since:
        low = max(high - step, since)
        if _offset(low, zone) != _offset(high, zone):
            return _turn(zone, low, high)
        high = low
    return None


def _turn(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second with the later offset, between two instants with different ones."""
    before = _offset(low, zone)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return high


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the clock first shows this; of a time that it leaves out, when it is turned."""
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(first, zone) == wall:
        return first
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _turn(zone, second, first)


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, microsecond=0, fold=0)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta | None:
    return at.astimezone(zone).utcoffset()


def _walls(expression: str, start: datetime) -> croniter[datetime]:
    return croniter(expression, start, ret_type=datetime, second_at_beginning=True)


def _next_wall(walls: croniter[datetime], *, forward: bool) -> datetime | None:
    try:
        return walls.get_next() if forward else walls.get_prev()
    except (CroniterError, ValueError, OverflowError):
        return None  # beyond the years that there are


@lru_cache(maxsize=1024)
def _follows_time(expression: str) -> bool:
    """Whether every hour matches, so that which hour it is does not matter."""
    fields = expression.split()
    hours = _walls(f"0 {fields[-4]} * * *", _SAMPLE - _SECOND)
    return [hours.get_next().hour for _ in range(_HOURS)] == list(range(_HOURS))


def _zone(timezone: object) -> ZoneInfo:
    """The zone of this name. Raises InvalidInput."""
    try:
        return ZoneInfo(timezone)  # type: ignore[arg-type]  # what is no string fits no zone
    except (KeyError, ValueError, TypeError, AttributeError, OSError) as error:
        problem = f"{timezone!r} is no time zone of the IANA database, such as Europe/Paris"
        raise InvalidInput("timezone", problem) from error
