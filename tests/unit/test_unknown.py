from awa._runtime.limits import (
    UNKNOWN_KIND_SHOWN_S,
    UNKNOWN_KIND_SNOOZE_MAX_S,
    UNKNOWN_KIND_SNOOZE_S,
    UNKNOWN_KIND_TOLD_S,
    UNKNOWN_KINDS_MAX,
)
from awa._runtime.unknown import UnknownKinds, unknown_delay_s


def test_a_job_waits_twice_as_long_each_time_it_comes_back() -> None:
    """Guards the database: jobs that nobody can run cost less and less, and are never far away."""
    first = UNKNOWN_KIND_SNOOZE_S
    waits = [unknown_delay_s(run_lease=lease, attempt=1) for lease in (1, 2, 3, 50, 10**6)]
    assert [first, 2 * first, 4 * first, *[UNKNOWN_KIND_SNOOZE_MAX_S] * 2] == waits
    assert first == unknown_delay_s(run_lease=7, attempt=7), "attempts made elsewhere do not count"


def test_a_kind_is_told_once_a_minute_with_how_many_there_were() -> None:
    """Guards the log: a queue full of such jobs is one line, and a line that goes on."""
    unknown = UnknownKinds()
    minute = UNKNOWN_KIND_TOLD_S
    moments = (0, 0, minute / 2, minute, minute + 1, 2 * minute)
    assert [1, 0, 0, 3, 0, 2] == [unknown.met("q", "k", now_s) for now_s in moments]
    assert 1 == unknown.met("another", "k", minute), "a kind is told of each queue"


def test_what_is_remembered_is_bounded() -> None:
    """Guards memory: any producer may make up kinds without end."""
    unknown = UnknownKinds()
    told = [unknown.met("q", f"k{n:04}", 0) for n in range(UNKNOWN_KINDS_MAX + 10)]
    assert UNKNOWN_KINDS_MAX == sum(told) == len(unknown.kinds())


def test_the_database_is_told_of_changes_alone() -> None:
    """Guards the worker's row: it is written when something is new, and when it is over."""
    unknown = UnknownKinds()
    assert unknown.news(0) is None
    unknown.met("q", "k", 0)
    first = unknown.news(1)
    assert first is not None
    assert [("q", "k", 1)] == [(one.queue, one.kind, one.times) for one in first]
    unknown.told(first)
    assert unknown.news(2) is None
    unknown.met("q", "k", 3)
    assert unknown.news(3) is None, "how often is told later"
    again = unknown.news(1 + UNKNOWN_KIND_TOLD_S)
    assert again is not None
    assert [2] == [one.times for one in again]
    unknown.told(again)
    assert () == unknown.news(4 + UNKNOWN_KIND_SHOWN_S)
    assert () == unknown.kinds()
