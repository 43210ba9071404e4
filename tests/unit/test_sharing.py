"""How permits are shared by queues of several weights."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from awa._core.sharing import Demand, allotments

ENDLESS = 10_000


def demand(
    weight: int = 1,
    *,
    most: int = ENDLESS,
    guaranteed: int = 0,
    busy: int = 0,
    wanted: int = ENDLESS,
) -> Demand:
    """Return a queue's demand; without more it has work for ever."""
    return Demand(most=most, guaranteed=guaranteed, weight=weight, busy=busy, wanted=wanted)


def permits(total: int, *demands: Demand) -> list[int]:
    """Return who gets how many."""
    return [one.permits for one in allotments(total, demands)]


@st.composite
def situations(draw: st.DrawFn) -> tuple[int, list[Demand]]:
    """Draw permits and demands such as a worker may meet: no more handlers run than permits."""
    demands = draw(
        st.lists(
            st.builds(
                Demand,
                most=st.one_of(st.integers(1, 12), st.just(ENDLESS)),
                guaranteed=st.integers(0, 5),
                weight=st.integers(1, 100),
                busy=st.just(0),
                wanted=st.one_of(st.integers(0, 30), st.just(ENDLESS)),
                behind=st.floats(-100, 100),
            ),
            min_size=1,
            max_size=8,
        )
    )
    pool = draw(st.integers(0, 40))
    left, busy = pool, []
    for one in demands:
        over = draw(st.integers(0, left))
        left -= over
        own = one.guaranteed if over else draw(st.integers(0, one.guaranteed))
        busy.append(replace(one, busy=own + over, wanted=max(one.wanted, own + over)))
    return pool + sum(one.guaranteed for one in demands), busy


def used(demands: Sequence[Demand], given_out: Sequence[int]) -> int:
    """Return how many permits are spoken for: guaranteed, busy, or allotted."""
    pairs = zip(demands, given_out, strict=True)
    return sum(max(one.busy, one.own, permits) for one, permits in pairs)


def test_what_is_not_guaranteed_is_shared_by_weight() -> None:
    """Guards weights: three to one, beside what each is guaranteed."""
    assert [6, 2] == permits(8, demand(3), demand(1))
    assert [7, 3] == permits(10, demand(3, guaranteed=1), demand(1, guaranteed=1))


def test_what_one_queue_does_not_want_the_others_have() -> None:
    """Guards work conservation: idle permits go to whoever has work."""
    assert [8, 0] == permits(8, demand(1), demand(1, wanted=0))
    assert [6, 2] == permits(8, demand(1), demand(9, wanted=2))
    assert [7, 1] == permits(8, demand(1), demand(1, guaranteed=1, wanted=0))


def test_what_one_queue_may_not_have_the_others_share_by_weight() -> None:
    """Guards max_workers among shares: one stands at its bound, the others go on by weight."""
    assert [2, 4, 2] == permits(8, demand(9, most=2), demand(2), demand(1))
    assert [7, 1] == permits(8, demand(1), demand(1, guaranteed=3, most=1))
    assert [1, 5] == permits(8, demand(1, most=1, busy=3), demand(1))


def test_who_is_over_its_share_starts_nothing_until_it_is_not() -> None:
    """Guards the late comer: what ends goes to it, and nothing that runs is cut off."""
    assert [4, 0] == permits(8, demand(busy=8), demand())
    assert [4, 2] == permits(8, demand(busy=6), demand())
    assert [4, 4] == permits(8, demand(busy=4), demand())


def test_a_guaranteed_permit_is_there_whatever_the_others_do() -> None:
    """Guards min_workers: nobody is given what another one may need at once."""
    assert [6, 2] == permits(8, demand(99, busy=6), demand(1, guaranteed=2))


def test_two_queues_with_one_permit_take_turns() -> None:
    """Guards small pools: the weights hold over time where they cannot hold at once."""
    demands = [demand(3), demand(1)]
    had = [0, 0]
    for _ in range(100):
        given_out = allotments(1, demands)
        for place, one in enumerate(given_out):
            had[place] += one.permits
            behind = demands[place].behind + one.exact - one.permits
            demands[place] = replace(demands[place], behind=behind)
    assert [75, 25] == had


@given(situations())
def test_no_more_permits_are_spoken_for_than_there_are(situation: tuple[int, list[Demand]]) -> None:
    """Guards global_max_workers, what is guaranteed to a queue, and what it may have at most."""
    total, demands = situation
    given_out = permits(total, *demands)
    assert used(demands, given_out) <= total
    assert all(one.own <= got <= one.most for one, got in zip(demands, given_out, strict=True))


@given(situations())
def test_nothing_stays_idle_that_somebody_wants(situation: tuple[int, list[Demand]]) -> None:
    """Guards work conservation: all is given out, or everybody has what he wants and may have."""
    total, demands = situation
    given_out = permits(total, *demands)
    served = all(
        got >= min(one.wanted, one.most) for one, got in zip(demands, given_out, strict=True)
    )
    assert served or used(demands, given_out) == total


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(0, 1000))
def test_shares_are_in_proportion_to_the_weights(weights: list[int], pool: int) -> None:
    """Guards fairness: each is within one of its exact share when all have work."""
    given_out = permits(pool, *map(demand, weights))
    for weight, got in zip(weights, given_out, strict=True):
        assert abs(got - pool * weight / sum(weights)) < 1


@given(situations())
def test_sharing_again_changes_nothing(situation: tuple[int, list[Demand]]) -> None:
    """Guards rest: once all run what they were given, they are given the same."""
    total, demands = situation
    ended = [replace(one, busy=0) for one in demands]
    first = permits(total, *ended)
    running = [
        replace(one, busy=min(got, one.wanted)) for one, got in zip(ended, first, strict=True)
    ]
    assert first == permits(total, *running)
