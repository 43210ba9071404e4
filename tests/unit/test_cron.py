"""When schedules are due, in zones whose clocks are turned; and what firing makes of it."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from awa._core.cron import Cron, Every, Rule, checked_cron, checked_every, last_due, next_due
from awa.errors import InvalidInput

ZONES: Final = (
    *("UTC", "America/New_York", "Europe/Paris", "Australia/Lord_Howe", "Pacific/Auckland"),
    *("Africa/Casablanca", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"),
)
NAMED_HOURS: Final = ("30 2 * * *", "0 0,12 * * *", "15 1-3 * * *", "0 0 2 * * *", "*/20 1 * * 0")
EVERY_HOUR: Final = ("0 * * * *", "*/7 * * * *", "30 0-23 * * *", "20 30 */1 * * *")
instants = st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)


def utc(text: str) -> datetime:
    """Return an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(rule: Rule, since: str, upto: str) -> list[str]:
    """Return the due instants after one and up to another, as UTC."""
    found: list[str] = []
    at = next_due(rule, utc(since))
    while at is not None and at <= utc(upto):
        found.append(at.strftime("%d %H:%M"))
        at = next_due(rule, at)
    return found


NEW_YORK: Final = "America/New_York"
SPRING: Final = ("2026-03-08T05:00", "2026-03-08T08:30")
"""In New York the clock goes from 2:00 EST to 3:00 EDT at 07:00 UTC."""
AUTUMN: Final = ("2026-11-01T04:00", "2026-11-01T07:30")
"""And from 2:00 EDT back to 1:00 EST at 06:00 UTC."""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["08 07:00"]),
        ("*/15 2 * * *", ["08 07:00"]),
        ("0 3 * * *", ["08 07:00"]),
        ("0 2-3 * * *", ["08 07:00"]),
        ("30 1,3 * * *", ["08 06:30", "08 07:30"]),
        ("30 * * * *", ["08 05:30", "08 06:30", "08 07:30", "08 08:30"]),
    ],
)
def test_a_time_that_the_clock_leaves_out_fires_once(expression: str, expected: list[str]) -> None:
    """Guards the hour that is missing in spring: nothing is lost, and nothing comes twice."""
    assert expected == fires(checked_cron(expression, NEW_YORK), *SPRING)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 1 * * *", ["01 05:30"]),
        ("0 1-2 * * *", ["01 05:00", "01 07:00"]),
        ("*/20 1 * * *", ["01 05:00", "01 05:20", "01 05:40"]),
        ("30 * * * *", ["01 04:30", "01 05:30", "01 06:30", "01 07:30"]),
    ],
)
def test_a_time_that_comes_twice_fires_once_unless_the_hour_does_not_matter(
    expression: str, expected: list[str]
) -> None:
    """Guards the hour that is repeated in autumn: a daily job runs once, an hourly each hour."""
    assert expected == fires(checked_cron(expression, NEW_YORK), *AUTUMN)


@given(st.sampled_from(NAMED_HOURS + EVERY_HOUR), st.sampled_from(ZONES), instants)
@example("30 2 * * *", NEW_YORK, utc("2026-03-08T07:00"))
@example("30 1 * * *", NEW_YORK, utc("2026-11-01T06:45"))
@example("0 0,12 * * *", "Pacific/Apia", utc("2011-12-30T10:00"))
@example("*/7 * * * *", "Australia/Lord_Howe", utc("2026-04-04T15:10"))
def test_looking_back_finds_what_looking_forward_found(
    expression: str, zone: str, at: datetime
) -> None:
    """Guards the plan, which is made backwards, against the timer, which is set forwards."""
    rule = checked_cron(expression, zone)
    coming = next_due(rule, at)
    assert coming is not None
    assert coming > at
    assert coming == last_due(rule, coming)
    before = last_due(rule, coming - timedelta(seconds=1))
    assert before is not None
    assert before <= at
    assert coming == next_due(rule, before)


@given(st.sampled_from(NAMED_HOURS), st.sampled_from(ZONES), instants)
def test_each_wall_time_that_is_shown_is_due_when_it_is_shown_first(
    expression: str, zone: str, at: datetime
) -> None:
    """Guards gap and repeat for every zone: a daily time has one instant on each of its days."""
    rule = checked_cron(expression, zone)
    on_the_wall = Cron(expression=rule.expression, timezone="UTC")
    place = ZoneInfo(zone)
    found: list[datetime] = []
    due = next_due(rule, at)
    while due is not None and len(found) < 40:
        found.append(due)
        due = next_due(rule, due)
    shown = {one.astimezone(place).replace(tzinfo=None) for one in found}
    assert len(shown) == len(found) == len(set(found))
    # One after the other, each wall time is found, or the clock left it out.
    wall = found[0].astimezone(place).replace(tzinfo=UTC)
    while (following := next_due(on_the_wall, wall)) is not None:
        wall = following
        first = wall.replace(tzinfo=place).astimezone(UTC)
        if first > found[-1]:
            break
        if first.astimezone(place).replace(tzinfo=UTC) == wall:
            assert first in found


@given(st.sampled_from(EVERY_HOUR), st.sampled_from(ZONES), instants)
def test_what_does_not_choose_hours_never_pauses_for_a_turned_clock(
    expression: str, zone: str, at: datetime
) -> None:
    """Guards an alarm every few minutes: neither an extra fire nor an hour without one."""
    rule = checked_cron(expression, zone)
    coming = next_due(rule, at)
    assert coming is not None
    assert timedelta() < coming - at <= timedelta(hours=2)


@given(st.floats(0.1, 1e7), st.floats(0, 4e9), instants, st.integers(0, 50))
def test_an_interval_has_no_drift(every_s: float, anchor_s: float, at: datetime, more: int) -> None:
    """Guards `every`: instants belong to the anchor, whoever asks and however often."""
    rule = checked_every(every_s, anchor_s)
    first = next_due(rule, at)
    assert first is not None
    assert last_due(rule, at) == last_due(rule, first - timedelta(microseconds=1))
    assert first == last_due(rule, first)
    due = first
    for _ in range(more):
        following = next_due(rule, due)
        assert following is not None
        due = following
    off_s = (due - first).total_seconds() - more * every_s
    assert abs(off_s) < 1e-4


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("0 0 30 2 *", "never due"),
        ("0 0 31 4,6 *", "never due"),
        ("* * * *", "4 fields"),
        ("* * * * * * 2030", "7 fields"),
        ("", "0 fields"),
        ("60 * * * *", "cannot be read"),
        ("0 0 * * XYZ", "cannot be read"),
        ("0 9 15W * 1", "names a day and a weekday"),
        ("0 9 13 * 5#2", "names a day and a weekday"),
        ("0 0 9 1 * L5", "names a day and a weekday"),
        ("@reboot", "no name of a schedule"),
        ("H * * * *", "to chance"),
        ("0 R(0-5) * * *", "to chance"),
        (5, "must be"),
        ("*" * 300, "at most"),
    ],
)
def test_text_that_cannot_be_followed_is_refused(expression: object, says: str) -> None:
    """Guards the start of a program: a schedule that never fires is a mistake, and told."""
    with pytest.raises(InvalidInput, match=says) as refused:
        checked_cron(expression, "UTC")
    assert "cron" == refused.value.field


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc/passwd", "", None, "EST5EDT4,M3"])
def test_a_zone_that_nobody_knows_is_refused(zone: object) -> None:
    """Guards the same for time zones."""
    with pytest.raises(InvalidInput, match="no time zone"):
        checked_cron("0 9 * * *", zone)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@daily", "2026-01-02T00:00"),
        ("@Weekly", "2026-01-04T00:00"),
        ("*/15 * * * * *", "2026-01-01T12:00:15"),
        ("0 9 * * MON-FRI", "2026-01-02T09:00"),
        ("0 9 L * *", "2026-01-31T09:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 9 * JAN-MAR THU", "2026-01-08T09:00"),
        ("0 0 13 * FRI", "2026-01-02T00:00"),
    ],
)
def test_expressions_are_those_of_cron(expression: str, expected: str) -> None:
    """Guards the dialect: names, last days, seconds first, and either day when both are given."""
    found = next_due(checked_cron(expression, "UTC"), utc("2026-01-01T12:00"))
    assert utc(expected) == found


def test_an_interval_out_of_bounds_is_refused() -> None:
    """Guards the leader: an interval of nothing would keep it busy for ever."""
    for every_s in (0, -1, 0.01, float("nan"), float("inf")):
        with pytest.raises(InvalidInput, match="every"):
            checked_every(every_s)
    assert Every(every_s=60) == checked_every(60)
