"""How many jobs a worker asks for."""

from hypothesis import given
from hypothesis import strategies as st

from awa._runtime.limits import CLAIM_BATCH_MAX, PREFETCH_JOBS_MAX
from awa._runtime.permits import Permits, claim_limit, prefetch_limit, share_out


def test_before_anything_was_measured_a_worker_asks_for_its_permits() -> None:
    """Guards long jobs: nothing is claimed ahead of handlers nobody has timed."""
    permits = Permits(workers=3)
    assert 3 == permits.limit(oldest_running_s=0)
    permits.took(3)
    assert 0 == permits.limit(oldest_running_s=0)


def test_a_permit_comes_back_only_when_the_outcome_is_durable() -> None:
    """Guards the bound on what is lost with a worker: `returned` is called by the settler."""
    permits = Permits(workers=2)
    permits.took(2)
    permits.returned(1)
    assert 1 == permits.limit(oldest_running_s=0)


def test_short_jobs_are_claimed_ahead() -> None:
    """Guards throughput with few workers: one claim serves many short jobs."""
    permits = Permits(workers=2)
    permits.measured(0.00002)
    assert CLAIM_BATCH_MAX == permits.limit(oldest_running_s=0)
    assert PREFETCH_JOBS_MAX == prefetch_limit(workers=2, mean_s=0.00002, oldest_running_s=0)


def test_nothing_is_claimed_ahead_of_long_jobs() -> None:
    """Guards waiting jobs: what would wait behind a long one is left to other workers."""
    assert 0 == prefetch_limit(workers=2, mean_s=1.0, oldest_running_s=0)
    assert 0 == prefetch_limit(workers=2, mean_s=0.00002, oldest_running_s=1.0)


def test_one_long_job_counts_more_than_one_short_one() -> None:
    """Guards mixtures: the mean rises fast and falls slowly."""
    permits = Permits(workers=1, mean_s=0.001)
    permits.measured(1.0)
    risen_s = permits.mean_s
    assert risen_s is not None
    assert risen_s > 0.1
    permits.measured(0.0)
    assert permits.mean_s is not None
    assert permits.mean_s > 0.9 * risen_s


@given(
    workers=st.integers(1, 1000),
    prefetch=st.integers(0, PREFETCH_JOBS_MAX),
    held=st.integers(0, 4000),
)
def test_a_claim_never_asks_beyond_its_permits(workers: int, prefetch: int, held: int) -> None:
    """Guards the bound itself, and that an idle worker always asks for something."""
    limit = claim_limit(workers=workers, prefetch=prefetch, held=held)
    assert 0 <= limit <= max(0, min(CLAIM_BATCH_MAX, workers + prefetch - held))
    if held == 0:
        assert limit > 0


@given(st.dictionaries(st.text(max_size=3), st.integers(0, CLAIM_BATCH_MAX), max_size=40))
def test_a_call_asks_for_at_most_what_it_may_and_forgets_no_queue(limits: dict[str, int]) -> None:
    """Guards LimitExceeded: the sum fits into one call, every wanting queue gets a share."""
    shares = share_out(limits)
    assert sum(shares.values()) <= 1000
    assert {queue for queue, limit in limits.items() if limit} == set(shares)
    assert all(1 <= share <= limits[queue] for queue, share in shares.items())


def test_who_gives_jobs_back_claims_fewer_ahead_for_a_while() -> None:
    """Guards a machine short of processors: not the same jobs claimed and given back for ever."""
    permits = Permits(workers=1000, mean_s=1e-5)
    permits.gave_back()
    assert PREFETCH_JOBS_MAX // 2 == permits.ahead_max
    permits.held = permits.workers + permits.ahead_max
    assert 0 == permits.limit(oldest_running_s=0)
    permits.held = 0
    for _ in range(10):
        permits.took(1)
    assert PREFETCH_JOBS_MAX == permits.ahead_max
    for _ in range(20):
        permits.gave_back()
    assert 0 == permits.ahead_max
    assert permits.limit(oldest_running_s=0) > 0


@given(limits=st.lists(st.integers(1, 50), max_size=5), took=st.integers(0, 50))
def test_what_claims_without_an_answer_may_bring_is_nobody_elses_room(
    limits: list[int], took: int
) -> None:
    """Guards Capacity with several claimers: together they ask for no more than one would."""
    permits = Permits(workers=60)
    asked: list[int] = []
    for limit in limits:
        asked.append(min(limit, permits.limit(oldest_running_s=0)))
        permits.asks(asked[-1])
        assert 0 <= sum(asked) <= 60
    for limit in asked:
        permits.answered(limit)
        permits.took(min(took, limit))
    assert permits.held <= 60
    assert max(0, 60 - permits.held) == permits.limit(oldest_running_s=0)
