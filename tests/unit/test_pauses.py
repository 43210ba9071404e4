"""How long failed jobs wait."""

from awa._core.entries import Body, ClaimRow
from awa._core.ranges import Ranges
from awa._runtime.backoff import pause_s
from awa._runtime.claiming import missing_bodies
from awa._runtime.ledger import Held
from awa._runtime.limits import FAILURE_COUNTS_MAX
from awa._runtime.pauses import Pauses, failure_pause_s

HELD = Held(
    queue="q",
    priority=2,
    call=1,
    token=1,
    slot=0,
    part=1,
    deadline_s=float("inf"),
    taken_s=0.0,
    jobs=9,
)


def test_the_pause_doubles_from_one_second_to_a_minute() -> None:
    """Guards the database from a job that always fails, and the job from waiting for ever."""
    assert [1, 2, 4, 8, 16, 32, 60, 60] == [failure_pause_s(n) for n in range(1, 9)]
    assert 60 == failure_pause_s(10_000)


def test_each_job_has_its_own_count_which_success_ends() -> None:
    """Guards innocent jobs: another one's failures do not slow them."""
    pauses = Pauses()
    assert [1, 2] == [pauses.failed(7, HELD, seq, now_s=0) for seq in (1, 2)]
    assert 1 == pauses.failed(8, HELD, 3, now_s=0)
    pauses.succeeded(7)
    assert 1 == pauses.failed(7, HELD, 4, now_s=0)


def test_entries_come_out_when_their_time_has_come() -> None:
    """Guards order: the earliest first, nobody before the time."""
    pauses = Pauses()
    pauses.failed(7, HELD, 1, now_s=10.0)
    pauses.failed(7, HELD, 2, now_s=10.0)
    assert 11.0 == pauses.due_s()
    assert [] == pauses.take_due(now_s=10.9)
    assert [(HELD, 1)] == pauses.take_due(now_s=11.0)
    assert 1 == len(pauses)
    assert [(HELD, 2)] == pauses.take_due(now_s=float("inf"))
    assert None is pauses.due_s()


def test_counts_are_forgotten_before_they_fill_the_memory() -> None:
    """Guards a worker that lives long: the oldest count goes first."""
    pauses = Pauses()
    for job_id in range(FAILURE_COUNTS_MAX + 1):
        pauses.failed(job_id, HELD, job_id, now_s=0)
    assert 1 == pauses.failed(0, HELD, 1, now_s=0)
    assert 2 == pauses.failed(FAILURE_COUNTS_MAX, HELD, 1, now_s=0)


def test_pauses_are_spread_and_bounded() -> None:
    """Guards the server: clients that failed together come back apart."""
    assert 0.5 == pause_s(tries=1, least_s=1, most_s=8, jitter=0.0)
    assert 0.75 == pause_s(tries=1, least_s=1, most_s=8, jitter=0.5)
    assert 4.0 == pause_s(tries=99, least_s=1, most_s=8, jitter=0.0)


def body(part: int, seq: int) -> Body:
    """Return an entry of this claims row."""
    moment = 0.0
    return Body(0, part, 1, seq, seq, 1, 1, 25, 0, "kind", b"{}", b"{}", moment)


def test_claimed_numbers_without_a_body_are_found_by_claims_row() -> None:
    """Guards lost bodies: what cannot be run is released, and nothing else."""
    first, second = (
        ClaimRow(queue="q", slot=0, part=part, lane=1, seqs=Ranges([(1, 4)]), deadline=None)
        for part in (1, 2)
    )
    bodies = [body(1, 1), body(1, 2), body(1, 3), body(2, 3), body(2, 1)]
    assert [(second, Ranges([(2, 3)]))] == missing_bodies([first, second], bodies)
