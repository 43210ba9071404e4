"""Trying again, each thing at its own pace."""

from awa._core.pacing import Pacing


def pacing() -> Pacing[str]:
    """Return a pacing from 1 to 8 seconds."""
    return Pacing(least_s=1.0, most_s=8.0)


def test_what_was_never_tried_is_due() -> None:
    """Guards newcomers: they need not wait for the old ones."""
    assert ["a", "b"] == pacing().due(["a", "b"], now_s=5.0)


def test_pauses_double_up_to_the_bound_and_never_end() -> None:
    """Guards against giving up: the last pause is the bound, again and again."""
    paced, now_s, pauses = pacing(), 0.0, []
    paced.due(["a"], now_s=now_s)
    for _ in range(6):
        paced.in_vain("a", now_s=now_s)
        assert [] == paced.due(["a"], now_s=paced.next_s() - 0.001)
        assert ["a"] == paced.due(["a"], now_s=paced.next_s())
        pauses.append(paced.next_s() - now_s)
        now_s = paced.next_s()
    assert [1.0, 2.0, 4.0, 8.0, 8.0, 8.0] == pauses


def test_success_brings_the_short_pause_back() -> None:
    """Guards what comes in bursts: after one there may be another."""
    paced = pacing()
    paced.due(["a"], now_s=0.0)
    for _ in range(5):
        paced.in_vain("a", now_s=0.0)
    paced.worked("a", now_s=0.0)
    assert 1.0 == paced.next_s()


def test_what_is_dear_is_tried_seldom() -> None:
    """Guards the server: who says how long a pause must be has to wait so long, bound or not."""
    paced = pacing()
    paced.due(["a"], now_s=0.0)
    paced.in_vain("a", now_s=0.0, at_least_s=5.0)
    assert 5.0 == paced.next_s()
    paced.in_vain("a", now_s=5.0, at_least_s=20.0)
    assert 25.0 == paced.next_s()


def test_each_has_its_own_pace() -> None:
    """Guards the new from the old: one that is tried in vain delays nobody."""
    paced = pacing()
    paced.due(["a", "b"], now_s=0.0)
    for _ in range(4):
        paced.in_vain("a", now_s=0.0)
    paced.in_vain("b", now_s=0.0)
    assert ["b"] == paced.due(["a", "b"], now_s=1.0)


def test_what_went_away_comes_back_as_new() -> None:
    """Guards memory, and a slot that was emptied: its next trouble is another one."""
    paced = pacing()
    paced.due(["a"], now_s=0.0)
    paced.in_vain("a", now_s=0.0)
    assert [] == paced.due([], now_s=0.5)
    assert float("inf") == paced.next_s()
    assert ["a"] == paced.due(["a"], now_s=0.6)
    paced.in_vain("a", now_s=0.6)
    assert 1.6 == paced.next_s()


def test_after_a_rest_it_is_new() -> None:
    """Guards what needs no doubling: a chosen pause, and then the short one."""
    paced = pacing()
    paced.due(["a"], now_s=0.0)
    for _ in range(5):
        paced.in_vain("a", now_s=0.0)
    paced.rest("a", now_s=0.0, pause_s=0.5)
    assert 0.5 == paced.next_s()
    paced.in_vain("a", now_s=0.5)
    assert 1.5 == paced.next_s()


def test_hurry_makes_new() -> None:
    """Guards a rescue: what was just left behind is looked at at once."""
    paced = pacing()
    paced.due(["a", "b"], now_s=0.0)
    for _ in range(5):
        paced.in_vain("a", now_s=0.0)
    paced.hurry(["a", "unknown"])
    assert ["a"] == paced.due(["a"], now_s=0.1)
