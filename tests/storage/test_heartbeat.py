import pytest

from tests.fix_actions import due_in_s, promote
from tests.fix_database import Session
from tests.fix_sql import (
    beat,
    bodies,
    claim,
    complete,
    enqueue,
    enqueue_many,
    everything,
    job_states,
    refused,
    row,
    start_worker,
    value,
)


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start two workers; six jobs are available."""
    start_worker(one, 1)
    start_worker(one, 2)
    enqueue_many(one, 6)


def open_calls(session: Session) -> list[int]:
    """Return the calls whose attempts are running."""
    found = session.execute(
        "select distinct c.call from awa.claims c join awa.attempts a using (token, part)"
        " where a.outcome is null order by 1"
    ).fetchall()
    return [call for (call,) in found]


def test_a_beat_is_kept_and_only_grows(one: Session) -> None:
    """Guards liveness: an observer sees the counter change; a late beat does not take it back."""
    looks = [beat(one, n, 0) for n in (1, 5, 3)]
    assert [("alive", 0)] * 3 == looks
    assert (5, True) == row(
        one, "select beat, beat_at > started_at from awa.workers where worker = 1"
    )
    assert 0 == value(one, "select beat from awa.workers where worker = 2")


def test_named_calls_are_left_alone(one: Session) -> None:
    """Guards reconciling: open and unanswered calls are named, and nothing happens to them."""
    claim(one, 2, token=1)
    claim(one, 2, token=2)
    before = everything(one)
    assert ("alive", 0) == beat(one, 1, 3, [1, 2, 3])
    assert before == everything(one)


def test_a_forgotten_call_is_released_as_a_loss(one: Session) -> None:
    """Guards NoJobLost: a claim whose reply was lost, and which nobody asks about, comes back."""
    complete(one, claim(one, 2, token=1).row, seqs=[1])
    claim(one, 2, token=2)
    assert ("alive", 1) == beat(one, 1, 2, [2])
    assert [2] == open_calls(one)
    again = claim(one, token=3)
    assert [5, 6, 7] == again.seqs
    assert (2, 2, 1, 1) == row(
        one, "select job_id, run_lease, attempt, losses from " + bodies("3") + " where seq = 7"
    )
    assert "lost" == value(
        one, "select outcome from awa.attempts where job_id = 2 and run_lease = 1"
    )


def test_calls_after_the_list_was_built_are_untouched(one: Session) -> None:
    """Guards EntryClaimedOnce: a late beat says nothing about a claim sent since."""
    claim(one, 2, token=1)
    claim(one, 2, token=2)
    assert ("alive", 0) == beat(one, 1, 0)
    assert ("alive", 2) == beat(one, 2, 1)
    assert [2] == open_calls(one)


def test_a_late_beat_cannot_release_what_a_newer_one_named(one: Session) -> None:
    """Guards EntryClaimedOnce: an old list is about old calls only."""
    claim(one, 1, token=1)
    claim(one, 1, token=2)
    assert ("alive", 0) == beat(one, 2, 2, [1, 2])
    assert ("alive", 0) == beat(one, 1, 1, [1])
    assert ("alive", 0) == beat(one, 3, 2, [1, 2])


def test_another_workers_claims_are_its_own(one: Session) -> None:
    """Guards EntryClaimedOnce: call numbers are each worker's."""
    claim(one, 2, token=1, worker=2, call=1)
    assert ("alive", 0) == beat(one, 1, 9, worker=1)
    assert ("alive", 2) == beat(one, 1, 9, worker=2)


def test_a_call_executed_after_it_was_given_up_is_found_by_the_twelfth_beat(one: Session) -> None:
    """Guards Reclaims: what earlier beats dealt with is looked at again now and then."""
    assert ("alive", 0) == beat(one, 1, 5)
    claim(one, 2, token=3)  # a connection that was stuck: the worker has long forgotten this call
    assert [("alive", 0)] * 10 == [beat(one, n, 6) for n in range(2, 12)]
    assert ("alive", 2) == beat(one, 12, 6)


def test_open_calls_beyond_the_list_do_not_hide_later_ones(one: Session) -> None:
    """Guards Reclaims: a beat answers for calls up to upto, whatever else it names."""
    assert ("alive", 0) == beat(one, 1, 1, [5])
    claim(one, 2, token=3)
    assert ("alive", 2) == beat(one, 2, 4, [5])


def test_a_call_with_many_rows_is_released_wholly(one: Session) -> None:
    """Guards NoJobLost: rows in several slots and lanes, some of them settled in part."""
    for slot in (3, 7):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        enqueue_many(one, 2, priority=1)
    found = claim(one, token=1)
    assert 3 == len(found.rows)
    complete(one, found.rows[0], seqs=found.rows[0].seqs[:1])
    assert ("alive", 9) == beat(one, 1, 1)
    assert [] == open_calls(one)
    assert 9 == len(claim(one, token=2).seqs)


def test_a_removed_worker_is_told_it_is_gone(one: Session) -> None:
    """Guards the answer 'gone': it is not kept by its claims, and nothing is released for it."""
    claim(one, 2, token=1)
    one.execute("select awa.worker_stop(1)")
    before = everything(one)
    assert ("gone", 0) == beat(one, 1, 1)
    assert ("gone", 0) == beat(one, 1, 1, worker=99)
    assert before == everything(one)


def test_a_job_lost_too_often_ends(one: Session) -> None:
    """Guards LossBound: the sixth loss is its last; the job failed, reason crash_loop.

    The first is made good at once; after the others the job waits 4, 8, 16, 32 seconds.
    """
    job = enqueue(one, queue="deadly")
    for token in range(1, 7):
        assert 1 == len(claim(one, token=token, queues=["deadly"]).seqs)
        assert ("alive", 1) == beat(one, token, token)
        if 2 <= token < 6:
            assert 2**token - 3 < due_in_s(one, job) <= 2**token
            assert 1 == promote(one, job)
    assert ["deadly"] == claim(one, token=7, queues=["deadly"]).empty
    assert (job, "failed") == job_states(one)[-1]
    assert ("crash_loop", 6, 6, 1) == row(
        one, "select reason, losses, run_lease, attempt from awa.finals"
    )


def test_an_attempt_somebody_is_settling_is_left_to_the_next_look(
    one: Session, other: Session
) -> None:
    """Guards liveness: a beat never waits for a handler, and says that there is more to look at."""
    found = claim(one, 2, token=1)
    statement = "select * from awa.heartbeat(1, %s, 1, '{}')"
    with other.transaction():
        complete(other, found.row, seqs=[1])
        assert ("alive", 0, 1) == row(one, statement, [1])
    assert ("alive", 1, 0) == row(one, statement, [12])
    assert ("alive", 0, 0) == row(one, statement, [13])
    assert ("gone", 0, 0) == row(one, "select * from awa.heartbeat(99, 1, 1, '{}')")


def test_bad_beats_are_refused_and_write_nothing(one: Session) -> None:
    """Guards AW001: the field is named, and the beat is not kept."""
    claim(one, 2, token=1)
    before = everything(one)
    statement = "select * from awa.heartbeat(%s, %s, %s, %s::int8multirange)"
    for field, params in (
        ("worker", (None, 1, 1, "{}")),
        ("beat", (1, None, 1, "{}")),
        ("upto", (1, 1, None, "{}")),
        ("open_calls", (1, 1, 1, None)),
        ("open_calls", (1, 1, 1, "{(,3)}")),
    ):
        with refused("AW001", field):
            one.execute(statement, params)
    assert before == everything(one)
    assert 0 == value(one, "select beat from awa.workers where worker = 1")
