from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fix_actions import (
    DLQ_RETRY,
    cancel_pending,
    claim_again,
    configure,
    dead_letter,
    dlq_move,
    dlq_retry,
    due_in_s,
    fail,
    job_at,
    promote,
    told,
)
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    claim,
    complete,
    enqueue,
    everything,
    refused,
    row,
    start_worker,
    value,
)

KEY = "00112233445566778899aabbccddeeff"


def test_a_dead_letter_runs_again_from_its_first_attempt(one: Session) -> None:
    """Guards DlqRoundTrip: the same job, run_lease + 1, attempt 1, no losses; its errors stay."""
    job = dead_letter(one, max_attempts=3, tags=["t"])
    before = everything(one)
    assert [("settled", "available")] == dlq_retry(one, job)
    assert {**before, "dlq": 0, "ready": before["ready"] + 1} == everything(one)
    assert ("available", 2, 1, 0) == job_at(one, job).place
    assert {"tags": ["t"]} == job_at(one, job).extra
    found = claim(one, token=1, queues=["dead"]).row
    assert [(1, "settled", found.seqs)] == complete(one, found)
    assert ("completed", 2, 1, 0) == job_at(one, job).place


def test_a_late_settle_of_the_old_life_finds_nothing_of_its_own(one: Session) -> None:
    """Guards OnlyOpenSettles: the receipt of the attempt that failed is stale for ever."""
    configure(one, "default", dead_letters=True)
    start_worker(one)
    job = enqueue(one)
    old = claim(one, token=1).row
    fail(one, old)
    dlq_retry(one, job)
    claim(one, token=2)
    assert [(1, "stale", [1])] == complete(one, old, settle_id=7)
    assert ("running", 2, 1, 0) == job_at(one, job).place


def test_a_dead_letter_may_wait(session: NewSession, one: Session) -> None:
    """Guards delay_s: scheduled; its run_lease is that of its last entry; the leader is told."""
    ear = session()
    job = dead_letter(one)
    one.execute("select awa.set_timer(clock_timestamp() + interval '1 hour')")
    with told(ear, "select awa_name()") as heard:
        assert [("settled", "scheduled")] == dlq_retry(one, job, delay_s=60)
    assert [""] == heard
    assert ("scheduled", 1, 1, 0) == job_at(one, job).place
    assert 55 < due_in_s(one, job) <= 60
    claim_again(one, job, token=5, queue="dead")
    assert ("running", 2, 1, 0) == job_at(one, job).place


def test_a_dead_letter_may_go_elsewhere(session: NewSession, one: Session) -> None:
    """Guards queue and priority: each for itself, the other as it was; the sleeper is told."""
    ear, sleeper = session(), session()
    jobs = [dead_letter(one, priority=3) for _ in range(4)]
    one.execute("select awa.ensure_lane('new')")
    sleeper.execute("select awa.sleep_on('{new}', 1000)")
    with told(ear, "select awa_name()") as heard:
        dlq_retry(one, jobs[0], settle_id=1, queue="new")
    assert ["new"] == heard
    dlq_retry(one, jobs[1], settle_id=2, priority=1)
    dlq_retry(one, jobs[2], settle_id=3, queue="brand new", priority=4, delay_s=60)
    dlq_retry(one, jobs[3], settle_id=4)
    places = one.execute(
        "select queue, priority from awa.jobs where id = any (%s) order by id", [jobs]
    ).fetchall()
    assert [("new", 3), ("dead", 1), ("brand new", 4), ("dead", 3)] == places


def test_a_key_keeps_its_shard_in_another_queue(one: Session) -> None:
    """Guards ordering: jobs of one ordering key are in one lane, moved ones too."""
    configure(one, "wide", enqueue_shards=8)
    jobs = [dead_letter(one, ordering_key=f"customer-{n % 4}") for n in range(8)]
    dlq_retry(one, *jobs, queue="wide")
    for n in range(4):
        enqueue(one, queue="wide", ordering_key=f"customer-{n}")
    lanes = one.execute(
        "select extra ->> 'ordering_key', count(*), count(distinct lane) from awa.ready"
        " join awa.lanes using (lane) where queue = 'wide' group by 1 order by 1"
    ).fetchall()
    assert [(f"customer-{n}", 3, 1) for n in range(4)] == lanes


def test_each_job_has_its_answer_in_the_order_asked(one: Session) -> None:
    """Guards the answers: only dead letters return."""
    dead, again = dead_letter(one), dead_letter(one)
    available = enqueue(one)
    dlq_retry(one, again, settle_id=3)
    asked = (available, dead, 99, again)
    expected = [
        ("stale", "available"),
        ("settled", "available"),
        ("unknown", None),
        ("already", "available"),
    ]
    assert expected == dlq_retry(one, *asked, settle_id=3)
    expected[1] = ("already", "available")
    before = everything(one)
    assert expected == dlq_retry(one, *asked, settle_id=3)
    assert before == everything(one)


def test_a_repeat_does_not_revive_a_job_that_died_again(one: Session) -> None:
    """Guards the settle id: a lost reply that is asked again is about the first death."""
    job = dead_letter(one)
    dlq_retry(one, job, settle_id=1, delay_s=60)
    again = claim_again(one, job, token=5, queue="dead").row
    assert [(1, "dead_lettered", again.seqs)] == fail(one, again, settle_id=5)
    assert [("already", "scheduled")] == dlq_retry(one, job, settle_id=1)
    assert "dead_lettered" == job_at(one, job).state
    assert [("settled", "available")] == dlq_retry(one, job, settle_id=2)


def test_a_row_that_somebody_has_is_busy(one: Session, other: Session) -> None:
    """Guards NoDeadlock: an act never waits for another."""
    first, second = dead_letter(one), dead_letter(one)
    with other.transaction():
        dlq_retry(other, first, settle_id=1)
        assert [("busy", "dead_lettered"), ("settled", "available")] == dlq_retry(
            one, first, second, settle_id=2
        )
    assert [("stale", "available")] == dlq_retry(one, first, settle_id=2)


def test_a_key_that_another_job_has_keeps_a_dead_letter_out(one: Session) -> None:
    """Guards UniqueHeldOnce: duplicate, until the other one is through; then the key is its own."""
    job = dead_letter(one, unique={"key": KEY})
    holder = enqueue(one, unique={"key": KEY})
    free = dead_letter(one, unique={"by": ["args"]})
    assert [("duplicate", "dead_lettered"), ("settled", "available")] == dlq_retry(
        one, job, free, settle_id=1
    )
    assert "dead_lettered" == job_at(one, job).state
    complete(one, claim(one, token=5).row)
    assert "completed" == job_at(one, holder).state
    assert [("settled", "available")] == dlq_retry(one, job, settle_id=1)
    with refused("AW008", str(job)):
        enqueue(one, unique={"key": KEY})


def test_two_dead_letters_of_one_key_do_not_both_return(one: Session) -> None:
    """Guards UniqueHeldOnce: of two in one call, one is a duplicate."""
    first = dead_letter(one, unique={"key": KEY})
    second = dead_letter(one, unique={"key": KEY})
    assert ["duplicate", "settled"] == sorted(answer for answer, _ in dlq_retry(one, first, second))
    states = {job_at(one, job).state for job in (first, second)}
    assert {"available", "dead_lettered"} == states


def test_a_cancelled_job_returns_by_way_of_the_dead_letters(one: Session) -> None:
    """Guards DlqRoundTrip: a job cancelled before its first entry gets one: run_lease 1."""
    job = enqueue(one, delay_s=60)
    cancel_pending(one, job, settle_id=1)
    dlq_move(one, job, settle_id=2)
    dlq_retry(one, job, settle_id=3)
    assert ("available", 1, 1, 0) == job_at(one, job).place


def test_losses_begin_anew(one: Session) -> None:
    """Guards LossBound: a job that was lost too often gets a whole new life."""
    configure(one, "dead", dead_letters=True)
    job = enqueue(one, queue="dead")
    for worker in range(1, 7):
        start_worker(one, worker)
        claim(one, token=worker, worker=worker, queues=["dead"])
        row(one, "select * from awa.rescue_worker(%s, 0)", [worker])
        promote(one, job)
    assert ("dead_lettered", 6, 1, 6) == job_at(one, job).place
    dlq_retry(one, job)
    assert ("available", 7, 1, 0) == job_at(one, job).place


BAD_OPTS: list[tuple[str, Any]] = [
    ("opts", None),
    ("opts", []),
    ("opts", {"tags": ["t"]}),
    ("opts", {"max_attempts": 3}),
    ("opts", {"run_at": "2100-01-01T00:00:00Z"}),
    ("queue", {"queue": ""}),
    ("priority", {"priority": 5}),
    ("delay_s", {"delay_s": -1}),
    ("other", {"other": 1}),
]


@pytest.mark.parametrize(("field", "opts"), BAD_OPTS)
def test_bad_options_are_refused_and_write_nothing(one: Session, field: str, opts: Any) -> None:
    """Guards AW001: queue, priority and delay_s, as for enqueue."""
    job = dead_letter(one)
    before = everything(one)
    with refused("AW001", field):
        one.execute(DLQ_RETRY, [1, [job], None if opts is None else Jsonb(opts)])
    assert before == everything(one)
    assert 0 == value(one, "select count(*) from awa.acts")
