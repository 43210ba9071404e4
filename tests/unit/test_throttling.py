"""The token bucket of a queue with a rate."""

from itertools import accumulate, combinations

from hypothesis import given
from hypothesis import strategies as st

from awa._core.throttling import Bucket, Rate

rates = st.builds(Rate, per_s=st.floats(0.001, 100_000), burst=st.integers(1, 10_000))
steps = st.lists(st.tuples(st.floats(0, 100), st.integers(0, 20_000)), max_size=30)


def test_a_bucket_is_full_at_the_beginning_and_fills_again() -> None:
    """Guards the burst: what was not used is there at once, up to it."""
    bucket = Bucket.full(Rate(per_s=2, burst=5), 0.0)
    assert 5 == bucket.available(0.0)
    emptied = bucket.taken(5, 0.0)
    assert (0, 1, 2, 5) == tuple(emptied.available(at_s) for at_s in (0.4, 0.5, 1.0, 1000.0))


def test_a_slower_rate_holds_at_once() -> None:
    """Guards an override: what was saved at the old rate is not spent at the new one."""
    bucket = Bucket.full(Rate(per_s=100, burst=100), 0.0).retuned(Rate(per_s=1, burst=2), 0.0)
    assert (2, 0) == (bucket.available(0.0), bucket.taken(2, 0.0).available(0.9))


@given(rates, steps)
def test_no_span_of_time_has_more_than_the_burst_and_its_rate(
    rate: Rate, steps: list[tuple[float, int]]
) -> None:
    """Guards the limit, over every span between two takings, however they come."""
    bucket = Bucket.full(rate, 0.0)
    times = list(accumulate(after_s for after_s, _ in steps))
    took = []
    for now_s, (_, wanted) in zip(times, steps, strict=True):
        took.append(min(wanted, bucket.available(now_s)))
        bucket = bucket.taken(took[-1], now_s)
    for first, last in combinations(range(len(took)), 2):
        span_s = times[last] - times[first]
        assert sum(took[first : last + 1]) <= rate.burst + span_s * rate.per_s + 0.01


@given(rates, steps, st.integers(1, 10_000))
def test_the_bucket_says_when_it_will_have_enough(
    rate: Rate, steps: list[tuple[float, int]], wanted: int
) -> None:
    """Guards the sleep of a throttled queue: neither too long nor again and again."""
    bucket, now_s = Bucket.full(rate, 0.0), 0.0
    for after_s, tokens in steps:
        now_s += after_s
        bucket = bucket.taken(min(tokens, bucket.available(now_s)), now_s)
    ready_s = bucket.ready_s(wanted)
    enough = min(wanted, rate.burst)
    assert enough <= bucket.available(ready_s)
    early_s = ready_s - 0.01 / rate.per_s
    if early_s > bucket.at_s:
        assert bucket.available(early_s) < enough
