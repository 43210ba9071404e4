"""Numbers that were taken back before anybody claimed them, and the claims that pass over them."""

import pytest

from tests.fix_actions import cancel_pending, job_at, rescue_worker
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    all_holes,
    beat,
    claim,
    complete,
    enqueue,
    enqueue_many,
    lane_state,
    start_worker,
    value,
)


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start a worker."""
    start_worker(one)


def cancel_all(session: Session, jobs: list[int]) -> None:
    """Cancel pending jobs, 500 at a time."""
    for n in range(0, len(jobs), 500):
        some = jobs[n : n + 500]
        answers = cancel_pending(session, *some, settle_id=10_000 + jobs[n])
        assert [("settled", "cancelled")] * len(some) == answers


def test_a_claim_takes_what_is_left_between_them(one: Session) -> None:
    """Guards EntryClaimedOnce and HoleSafety: the withdrawn are neither taken nor waited for."""
    enqueue_many(one, 6)
    cancel_pending(one, 1, 3, 4, 6)
    assert [2] == claim(one, 3, token=1).seqs
    assert [5] == claim(one, 10, token=2).seqs
    assert 7 == lane_state(one).next
    assert [] == all_holes(one)
    assert ["default"] == claim(one, token=3).empty


def test_a_claim_of_withdrawn_numbers_only_moves_the_cursor(one: Session) -> None:
    """Guards Drains: it writes a row without numbers and answers busy: there may be more behind."""
    enqueue_many(one, 5)
    cancel_pending(one, 1, 2, 3)
    found = claim(one, 3, token=1)
    assert ([], ["default"]) == (found.rows, found.busy)
    assert (1, 4) == (lane_state(one).no, lane_state(one).next)
    assert "{}" == value(one, "select seqs::text from awa.claims")
    assert [4, 5] == claim(one, 3, token=2).seqs
    assert ["default"] == claim(one, 3, token=1).busy  # its repeat has nothing open


def test_a_look_that_withdrawn_numbers_filled_says_busy_beside_what_it_got(one: Session) -> None:
    """Guards NoLostWakeup (PartForAll): it got less than its limit, and that was not all."""
    enqueue_many(one, 5)
    cancel_pending(one, 1, 3)
    found = claim(one, 3, token=1)
    assert ([2], ["default"]) == (found.seqs, found.busy)
    rest = claim(one, 3, token=2)
    assert ([4, 5], []) == (rest.seqs, rest.busy)


def test_a_row_without_numbers_has_nothing_to_rescue(one: Session) -> None:
    """Guards reconciling: a forgotten call that took nothing gives nothing back."""
    enqueue_many(one, 2)
    cancel_pending(one, 1, 2)
    claim(one, token=1)
    assert ("alive", 0) == beat(one, 1, 1)
    assert ("gone", 0, 0, 0) == rescue_worker(one, 1, 1)


def test_a_hole_may_be_withdrawn(session: NewSession, one: Session) -> None:
    """Guards HoleSafety: a late entry below the cursor is cancelled like any other."""
    late = session()
    one.execute("select awa.ensure_lane('default')")
    late.execute("begin")
    enqueue(late)
    kept = enqueue(one)
    assert [2] == claim(one, token=1).seqs
    assert [1] == all_holes(one)
    late.execute("commit")
    assert [("settled", "cancelled")] == cancel_pending(one, 1)
    assert claim(one, token=2).busy == ["default"]
    assert [] == all_holes(one)
    assert "running" == job_at(one, kept).state


def test_withdrawn_numbers_that_a_limit_leaves_are_not_lost_sight_of(one: Session) -> None:
    """Guards CursorGrows: a limit that cuts a pick leaves later withdrawals to the next."""
    enqueue_many(one, 8)
    cancel_pending(one, 2, 4, 6, 7, settle_id=1)
    cancel_pending(one, 1, settle_id=2)
    taken = []
    for token in range(1, 12):
        taken += claim(one, 1, token=token).seqs
    assert [3, 5, 8] == taken
    assert 9 == lane_state(one).next


def test_other_lanes_give_what_this_one_has_not(one: Session) -> None:
    """Guards Drains: a lane of withdrawn numbers keeps nobody from the lane after it."""
    jobs = enqueue_many(one, 3, priority=1)
    enqueue_many(one, 2, priority=4)
    cancel_pending(one, *jobs)
    found = claim(one, 5, token=1)
    assert [1, 2] == found.row.seqs
    assert [] == found.busy


def test_withdrawn_jobs_in_several_slots_have_rows_in_each(one: Session) -> None:
    """Guards the ring: all that is known of an entry is in the entry's own slot."""
    jobs = []
    for slot in (0, 4, 9):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        jobs += enqueue_many(one, 2)
    cancel_all(one, jobs[1:])
    rows = one.execute("select slot, seqs::text from awa.closures order by slot").fetchall()
    assert [(0, "{[2,3)}"), (4, "{[3,5)}"), (9, "{[5,7)}")] == rows
    assert [1] == claim(one, token=1).seqs


@pytest.mark.bulk
def test_a_row_names_numbers_of_one_block_only(one: Session) -> None:
    """Guards the claim's look: a withdrawal is found within 1,000 numbers of what it names."""
    jobs = enqueue_many(one, 2500)
    chosen = [job for job in jobs if job % 7 == 0 and 900 < job < 2200]
    cancel_all(one, chosen)
    spans = one.execute(
        "select lower(seqs) / 1000, (upper(seqs) - 1) / 1000 from awa.closures order by 1"
    ).fetchall()
    assert all(first == last for first, last in spans)
    assert {0, 1, 2} == {first for first, _ in spans}
    taken = []
    for token in range(1, 8):
        taken += claim(one, 500, token=token).seqs
    assert sorted(set(jobs) - set(chosen)) == taken


@pytest.mark.bulk
def test_a_cancelled_flood_is_passed_in_few_claims(one: Session) -> None:
    """Guards Drains: a claim passes a thousand withdrawn numbers, and then work goes on."""
    jobs = enqueue_many(one, 5000)
    cancel_all(one, jobs[:-1])
    answers = []
    for token in range(1, 20):
        found = claim(one, 1000, token=token)
        answers.append(found.seqs or found.busy)
        if found.seqs:
            break
    assert [["default"]] * 4 + [[5000]] == answers
    assert [(1, "settled", [5000])] == complete(one, found.row)
