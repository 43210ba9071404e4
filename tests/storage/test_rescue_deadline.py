from datetime import datetime

import pytest

from tests.facts import wait_until
from tests.fix_actions import (
    RESCUE_DEADLINE,
    cancel_running,
    configure,
    due_in_s,
    job_at,
    rescue_deadline,
    told,
    wait_past,
)
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    Claimed,
    Row,
    claim,
    complete,
    enqueue,
    enqueue_many,
    everything,
    refused,
    row,
    start_worker,
    value,
)

SOON_S = 0.02


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start two workers."""
    start_worker(one, 1)
    start_worker(one, 2)


def overdue(session: Session, count: int = 1, *, token: int = 1, **opts: object) -> Row:
    """Claim this many jobs with a deadline of their own, and wait until it is past."""
    enqueue_many(session, count, deadline_s=SOON_S, **opts)
    found = claim(session, count, token=token).row
    wait_past(session, found.deadline)
    return found


def deadlines(found: Claimed) -> list[tuple[list[int], bool]]:
    """Return the numbers of each row, and whether it has a deadline."""
    return sorted((r.seqs, r.deadline is not None) for r in found.rows)


def test_an_attempt_past_its_deadline_failed(one: Session) -> None:
    """Guards rescue_deadline: like a retry after the usual wait, with its error; no loss."""
    overdue(one, 2)
    enqueue(one)
    claim(one, token=2)
    assert (2, 0, 0) == rescue_deadline(one)
    for job in (1, 2):
        found = job_at(one, job)
        assert ("retryable", 1, 2, 0) == found.place
        assert ["deadline exceeded"] == found.errors
        assert "deadline" == found.extra["errors"][0]["type"]
        assert -5 < due_in_s(one, job) - 2 <= 0.5
    assert "running" == job_at(one, 3).state
    assert (0, 0, 0) == rescue_deadline(one)


def test_the_last_attempt_past_its_deadline_ends_the_job(one: Session) -> None:
    """Guards the bound: failed as its worker would have it; a dead letter where the queue wants."""
    overdue(one, 2, max_attempts=1)
    assert (0, 2, 0) == rescue_deadline(one)
    assert ("failed", "exhausted") == (job_at(one, 1).state, job_at(one, 1).reason)
    assert ["deadline exceeded"] == job_at(one, 1).errors
    configure(one, "default", dead_letters=True)
    overdue(one, 1, token=2, max_attempts=1)
    assert (0, 1, 0) == rescue_deadline(one)
    assert "dead_lettered" == job_at(one, 3).state


def test_only_what_is_open_is_ended(one: Session) -> None:
    """Guards OnlyOpenSettles: what was settled in time stays as it was."""
    found = overdue(one, 4)
    complete(one, found, seqs=[1], settle_id=1)
    cancel_running(one, found, seqs=[2], settle_id=2)
    assert (2, 0, 0) == rescue_deadline(one)
    assert ["completed", "cancelled", "retryable", "retryable"] == [
        job_at(one, job).state for job in (1, 2, 3, 4)
    ]
    assert [(1, "stale", [3, 4])] == complete(one, found, seqs=[3, 4], settle_id=3)


def test_jobs_with_a_deadline_of_their_own_are_claimed_in_rows_of_their_own(one: Session) -> None:
    """Guards the deadline: each claims row has one; 0 is none; the queue's is the rest's."""
    for deadline_s in (None, 5, 0, 5, 7.5, None):
        enqueue(one, **({} if deadline_s is None else {"deadline_s": deadline_s}))
    found = claim(one, token=1)
    assert [([1, 6], True), ([2, 4], True), ([3], False), ([5], True)] == deadlines(found)
    assert [1, 2, 3, 4] == sorted(r.part for r in found.rows)
    later = one.execute(
        "select seqs::text, round(extract(epoch from deadline - claimed_at)::numeric, 1)::float8"
        " from awa.claims where deadline is not null order by lower(seqs)"
    ).fetchall()
    assert [("{[1,2),[6,7)}", 300.0), ("{[2,3),[4,5)}", 5.0), ("{[5,6)}", 7.5)] == later
    assert [(n, "settled", r.seqs) for n, r in enumerate(found.rows, 1)] == complete(
        one, *found.rows
    )


def test_a_queue_without_deadlines_is_never_rescued(one: Session) -> None:
    """Guards 0: no deadline; but a job may bring its own there."""
    configure(one, "default", deadline_s=0)
    enqueue(one)
    enqueue(one, deadline_s=60)
    assert [([1], False), ([2], True)] == deadlines(claim(one, token=1))
    assert (0, 0, 0) == rescue_deadline(one)


def test_a_held_claim_is_busy_and_ended_by_the_next_look(one: Session, other: Session) -> None:
    """Guards NoDeadlock: a handler's transaction that completes is not waited for."""
    found = overdue(one, 2)
    with other.transaction():
        complete(other, found, seqs=[1])
        assert (0, 0, 1) == rescue_deadline(one)
    assert (1, 0, 0) == rescue_deadline(one)
    assert "completed" == job_at(one, 1).state


def test_since_and_the_next_deadline_let_the_leader_sleep(one: Session) -> None:
    """Guards the watermark: earlier deadlines are not looked at; the next one is answered."""
    first = overdue(one, 1, token=1)
    enqueue(one, deadline_s=60)
    second = claim(one, token=2).row
    assert first.deadline is not None
    assert (0, 0, 0, second.deadline) == row(one, RESCUE_DEADLINE, [500, first.deadline, 0])
    assert (1, 0, 0, second.deadline) == row(one, RESCUE_DEADLINE, [500, "-infinity", 0])
    complete(one, second)
    assert (0, 0, 0, second.deadline) == row(one, RESCUE_DEADLINE, [500, None, 0])


def test_the_worker_has_its_grace_to_settle_itself(one: Session) -> None:
    """Guards grace_s: an attempt past its deadline is its worker's for so long."""
    found = overdue(one)
    released, _, _, next_at = row(one, RESCUE_DEADLINE, [500, "-infinity", 60])
    assert 0 == released
    assert found.deadline == next_at
    assert isinstance(next_at, datetime)
    wait_until(lambda: rescue_deadline(one, grace_s=0.01) == (1, 0, 0), what="the end of the grace")


def test_a_look_is_bounded(one: Session) -> None:
    """Guards max_claims: the oldest claims first."""
    for token in (1, 2, 3):
        overdue(one, 1, token=token)
    assert [(2, 0, 0), (1, 0, 0), (0, 0, 0)] == [
        rescue_deadline(one, max_claims=2) for _ in range(3)
    ]


def test_the_workers_are_told(session: NewSession, one: Session) -> None:
    """Guards a handler that runs too long: its worker hears, asks, and cancels it."""
    ear = session()
    enqueue_many(one, 2, deadline_s=SOON_S)
    claim(one, 1, token=1, call=4)
    last = claim(one, 1, token=2, worker=2).row
    wait_past(one, last.deadline)
    with told(ear, "select ended_channel()") as heard:
        rescue_deadline(one)
    assert ["1", "2"] == sorted(heard)
    found = one.execute("select token, outcome from awa.ended_elsewhere(1, '{[4,5)}')").fetchall()
    assert [(1, "expired")] == found
    with told(ear, "select ended_channel()") as heard:
        rescue_deadline(one)
    assert [] == heard


def test_bad_calls_are_refused_and_write_nothing(one: Session) -> None:
    """Guards AW001: the field is named."""
    overdue(one)
    before = everything(one)
    for field, params in (
        ("max_claims", (0, "-infinity", 0)),
        ("max_claims", (501, "-infinity", 0)),
        ("grace_s", (1, "-infinity", -1)),
        ("grace_s", (1, "-infinity", float("nan"))),
    ):
        with refused("AW001", field):
            one.execute(RESCUE_DEADLINE, params)
    assert before == everything(one)
    assert 1 == value(one, "select count(*) from awa.claims")
