"""Where a look at due things begins."""

from awa._core.watermark import BEHIND_S, WHOLE_LOOK_S, Watermark

T = 1_000_000.0


def test_the_first_look_is_whole() -> None:
    """Guards a new leader: it knows nothing of what others looked at."""
    assert None is Watermark().since_s(T)


def test_a_look_begins_a_little_before_what_was_seen() -> None:
    """Guards rows committed a little after their time."""
    mark = Watermark()
    mark.looked(since_s=None, until_s=T)
    assert T - BEHIND_S == mark.since_s(T + 1)
    mark.looked(since_s=T - BEHIND_S, until_s=T + 5)
    assert T + 5 - BEHIND_S == mark.since_s(T + 6)


def test_a_look_that_saw_nothing_for_sure_moves_nothing() -> None:
    """Guards what was in flight: the next look begins at the same place."""
    mark = Watermark()
    mark.looked(since_s=None, until_s=T)
    assert mark.since_s(T + 1) == mark.since_s(T + 100)


def test_every_now_and_then_a_look_is_whole() -> None:
    """Guards rows committed long after their time, however busy the looks between are."""
    mark = Watermark()
    mark.looked(since_s=None, until_s=T)
    for n in range(1, int(WHOLE_LOOK_S)):
        since_s = mark.since_s(T + n)
        assert since_s is not None
        mark.looked(since_s=since_s, until_s=T + n)
    assert None is mark.since_s(T + WHOLE_LOOK_S)
    mark.looked(since_s=None, until_s=T + WHOLE_LOOK_S)
    assert None is not mark.since_s(T + WHOLE_LOOK_S + 1)


def test_whole_looks_that_take_long_are_made_seldom() -> None:
    """Guards large databases: looking at everything must not be all that is done."""
    mark = Watermark()
    mark.looked(since_s=None, until_s=T, took_s=60.0)
    assert None is not mark.since_s(T + 2999)
    assert None is mark.since_s(T + 3000)


def test_a_clock_set_back_makes_the_next_look_whole() -> None:
    """Guards failover to a server whose clock is behind."""
    mark = Watermark()
    mark.looked(since_s=None, until_s=T)
    assert None is mark.since_s(T - 1)
