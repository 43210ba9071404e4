"""Who is alive: by the observer's own looks, and never sooner than it has seen enough."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awa._core.entries import Observed
from awa._core.watching import Lost, Patience, Sign, Watch, look, look_again_s, lost

PATIENCE = Patience(timeout_s=15.0, grace_s=3.0, beat_s=5.0, glance_s=1.5)
W = 7
OLD_S = 100.0


def watched(
    *looks: tuple[float, int, bool], watch: Watch | None = None, beaten: bool = True
) -> Watch:
    """Return a watch after looks at one worker: (when, beat, alive)."""
    watch = watch or Watch()
    for now_s, beat, alive in looks:
        seen = Observed(worker=W, beat=beat, alive=alive, beaten=beaten)
        watch = looked(watch, now_s, seen)
    return watch


def looked(watch: Watch, now_s: float, *workers: Observed) -> Watch:
    """Return the watch after one more look, which took no time."""
    return look(watch, workers, asked_s=now_s, answered_s=now_s, patience=PATIENCE)


def experienced() -> Watch:
    """Return a watch that has looked on for longer than the time-out, up to the time OLD_S."""
    return watched(*((OLD_S - 20 + s, 100 + s // 5, True) for s in range(21)))


def signs(watch: Watch) -> list[Sign]:
    """Return why the worker is thought lost."""
    return [found.sign for found in lost(watch, PATIENCE)]


def test_silence_is_loss_after_the_whole_timeout() -> None:
    """Guards liveness: three missed beats, and not a look sooner."""
    looks = [(float(s), 5, True) for s in range(16)]
    assert () == lost(watched(*looks[:-1]), PATIENCE)
    found = Lost(worker=W, beat=5, sign=Sign.SILENCE, seconds=15.0)
    assert (found,) == lost(watched(*looks), PATIENCE)


def test_a_beat_begins_the_silence_anew() -> None:
    """Guards the living: what was seen before its last beat counts for nothing."""
    watch = watched(*((float(s), 5, True) for s in range(15)), (15.0, 6, True))
    assert [] == signs(watch)
    watch = watched(*((15.0 + s, 6, True) for s in range(1, 15)), watch=watch)
    assert [] == signs(watch)
    assert [Sign.SILENCE] == signs(watched((30.0, 6, True), watch=watch))


def test_a_counter_that_went_back_is_a_beat_too() -> None:
    """Guards failovers: a standby may know an older beat; it is another one, that is all."""
    watch = watched(*((float(s), 5, True) for s in range(15)), (15.0, 4, True), (16.0, 4, True))
    assert [] == signs(watch)


def test_three_looks_at_least() -> None:
    """Guards against an observer that slept: two looks show no more than one gap."""
    assert [] == signs(watched((0.0, 5, True), (1000.0, 5, True)))
    assert [] == signs(watched((0.0, 5, True), (1000.0, 5, True), (2000.0, 5, True)))
    four = [(1000.0 * n, 5, True) for n in range(4)]
    assert [Sign.SILENCE] == signs(watched(*four))


def test_the_worlds_sleep_is_nobodys_silence() -> None:
    """Guards a frozen machine: whoever thaws has the time between two beats to say so."""
    looks = [(0.0, 5, True), (1.0, 5, True), (3600.0, 5, True)]
    assert [] == signs(watched(*looks, *((3600.0 + s, 5, True) for s in range(1, 6))))


def test_absence_is_loss_after_the_grace() -> None:
    """Guards a quick rescue: a process that was killed is lost after seconds."""
    looks = [(OLD_S + 1 + s, 105, False) for s in range(4)]
    assert [] == signs(watched(*looks[:-1], watch=experienced()))
    assert [Sign.ABSENCE] == signs(watched(*looks, watch=experienced()))
    (found,) = lost(watched(*looks, watch=experienced()), PATIENCE)
    assert (W, 105, 3.0) == (found.worker, found.beat, found.seconds)


def test_a_lock_held_in_between_begins_the_absence_anew() -> None:
    """Guards a worker that changes its connections: free twice is not free all the time."""
    looks = [(OLD_S + 1 + s, 104, s == 2) for s in range(6)]
    assert [] == signs(watched(*looks, watch=experienced()))


def test_a_beat_begins_the_absence_anew() -> None:
    """Guards a worker whose lock was lost: it beats over another connection."""
    looks = [(OLD_S + 1 + s, 104 + s // 2, False) for s in range(6)]
    assert [] == signs(watched(*looks, watch=experienced()))


def test_a_lock_that_a_beat_needed_is_missed_by_who_comes_later() -> None:
    """Guards a quick rescue by a worker that has only just begun: no restart freed that lock."""
    assert [] == signs(watched(*after(0, 4, beat=5)[:-1]))
    assert [Sign.ABSENCE] == signs(watched(*after(0, 4, beat=5)))
    beaten = [(0.0, 5, True), *after(1, 5, beat=6)]
    assert [Sign.ABSENCE] == signs(watched(*beaten)), "it was held at an earlier beat"


def test_no_absence_of_a_lock_from_an_earlier_run_of_the_server() -> None:
    """Guards restarts: no lock is held then, and the living come back within the time-out."""
    assert [] == signs(watched(*after(0, 15, beat=5), beaten=False))
    assert [Sign.SILENCE] == signs(watched(*after(0, 16, beat=5), beaten=False))


def test_a_run_that_ends_meanwhile_ends_the_absence() -> None:
    """Guards a crash between two looks of a session that outlives it: what was missed is void."""
    missed = watched(*after(0, 3, beat=5))
    restarted = watched(*after(3, 5, beat=5), watch=missed, beaten=False)
    assert [] == signs(restarted)
    assert [] == signs(watched(*after(5, 8, beat=5), watch=restarted)), "it begins anew"


def after(first: int, last: int, *, beat: int) -> list[tuple[float, int, bool]]:
    """Return looks that see nobody hold the lock."""
    return [(float(s), beat, False) for s in range(first, last)]


def test_a_worker_before_its_first_beat_is_lost_by_silence_only() -> None:
    """Guards starting on a slow machine: its row may be there before its sessions are."""
    looks = [(OLD_S + 1 + s, 0, False) for s in range(16)]
    assert [] == signs(watched(*looks[:-1], watch=experienced(), beaten=False))
    assert [Sign.SILENCE] == signs(watched(*looks, watch=experienced(), beaten=False))


def test_long_gaps_show_little_absence() -> None:
    """Guards the grace: an observer that looks seldom has not seen the lock stay free."""
    assert [] == signs(
        watched((OLD_S + 1, 104, False), (OLD_S + 9, 104, False), watch=experienced())
    )


def test_the_time_that_a_look_takes_is_not_silence() -> None:
    """Guards against slow answers: what a look saw may be as old as the question, or as new."""
    watch = Watch()
    for n in range(10):
        same = [Observed(worker=W, beat=5, alive=True, beaten=True)]
        watch = look(watch, same, asked_s=20.0 * n, answered_s=20.0 * n + 19.0, patience=PATIENCE)
    assert [] == signs(watch)


def test_a_worker_that_is_gone_is_forgotten() -> None:
    """Guards memory, and a number that comes back: it begins anew."""
    watch = watched(*((float(s), 5, True) for s in range(15)))
    watch = looked(watch, 15.0)
    assert {} == watch.records
    assert [] == signs(watched((16.0, 5, True), watch=watch))


def test_each_worker_is_judged_by_itself() -> None:
    """Guards the others: one worker's silence says nothing of its neighbours."""
    watch = Watch()
    for s in range(16):
        mute = Observed(worker=1, beat=5, alive=True, beaten=True)
        fine = Observed(worker=2, beat=5 + s // 5, alive=True, beaten=True)
        watch = looked(watch, float(s), mute, fine)
    assert [1] == [found.worker for found in lost(watch, PATIENCE)]


@pytest.mark.parametrize(("workers", "pause_s"), [(0, 1.0), (5, 1.0), (25, 5.0), (1000, 200.0)])
def test_followers_share_the_looks(workers: int, pause_s: float) -> None:
    """Guards the server: a thousand workers that each read a thousand rows do so seldom."""
    assert pause_s == look_again_s(workers, least_s=1.0, share_s=0.2)


# Against the definition ----------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """One look at one worker, `gap_s` after the one before."""

    gap_s: float
    beat: int
    alive: bool
    beaten: bool


LOOKS = st.lists(
    st.builds(
        Seen,
        gap_s=st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 5.0, 6.0, 20.0]),
        beat=st.sampled_from([0, 1, 1, 1, 1, 2]),
        alive=st.booleans(),
        beaten=st.sampled_from([True, True, True, True, False]),
    ),
    max_size=40,
)


def by_definition(looks: list[Seen]) -> set[Sign]:
    """Return the signs, read off the whole history each time."""
    if not looks:
        return set()
    same = len(looks) - next(
        (n for n, seen in enumerate(reversed(looks)) if seen.beat != looks[-1].beat), len(looks)
    )
    unchanged = looks[same:]
    if len(unchanged) >= 3 and sum(min(s.gap_s, 5.0) for s in unchanged[1:]) >= 15.0:
        return {Sign.SILENCE}
    missed = [seen.beaten and not seen.alive for seen in unchanged]
    since = len(missed)
    while since and missed[since - 1]:
        since -= 1
    if sum(min(s.gap_s, 1.5) for s in unchanged[since:][1:]) >= 3.0:
        return {Sign.ABSENCE}
    return set()


@given(LOOKS)
def test_what_is_remembered_suffices_for_the_definition(looks: list[Seen]) -> None:
    """Guards the summary that a watch keeps: it judges as the whole history would."""
    watch, now_s = Watch(), 0.0
    for seen in looks:
        now_s += seen.gap_s
        watch = watched((now_s, seen.beat, seen.alive), watch=watch, beaten=seen.beaten)
    assert by_definition(looks) == set(signs(watch))


@given(
    late_s=st.lists(st.floats(0.0, 4.9), min_size=12, max_size=12),
    looks_s=st.lists(st.floats(0.0, 60.0), min_size=2, max_size=60),
    frozen_at_s=st.floats(0.0, 60.0),
    frozen_s=st.floats(0.0, 600.0),
)
def test_a_worker_that_beats_late_is_not_lost_after_a_freeze(
    late_s: list[float], looks_s: list[float], frozen_at_s: float, frozen_s: float
) -> None:
    """Guards the living: beats up to 4.9 s late, looks at any time, and all of it frozen once.

    The freeze stops worker and observer together; the observer's clock goes on.
    """
    beats_s = [5.0 * n + late for n, late in enumerate(late_s)]
    looks = sorted(s for s in looks_s if s <= beats_s[-1])
    watch = Watch()
    for awake_s in looks:
        beat = sum(at_s <= awake_s for at_s in beats_s)
        clock_s = awake_s + (frozen_s if frozen_at_s < awake_s else 0.0)
        watch = watched((clock_s, beat, True), watch=watch)
        assert [] == signs(watch)


@given(st.lists(st.floats(0.9, 1.4), min_size=40, max_size=40), st.booleans())
def test_the_dead_are_lost_in_time(gaps_s: list[float], alive: bool) -> None:
    """Guards Reclaims: who looks about once a second finds the dead within the bounds."""
    watch, now_s = experienced(), OLD_S
    for gap_s in gaps_s:
        now_s += gap_s
        watch = watched((now_s, 200, alive), watch=watch)
        if signs(watch):
            break
    # One gap until the first look that saw it, and at most one more than needed at the end.
    assert now_s - OLD_S <= (15.0 if alive else 3.0) + 2 * 1.4


def test_patience_is_checked() -> None:
    """Guards against settings under which one missed beat would be loss."""
    for wrong in ({"beat_s": 8.0}, {"glance_s": 4.0}, {"grace_s": 16.0}, {"looks_min": 1}):
        good = {"timeout_s": 15.0, "grace_s": 3.0, "beat_s": 5.0, "glance_s": 1.5}
        with pytest.raises(AssertionError):
            Patience(**{**good, **wrong})  # type: ignore[arg-type]


def test_the_looks_of_the_examples_are_in_order() -> None:
    """Guards these tests: they go on where the experienced observer ended."""
    assert OLD_S == experienced().answered_s
