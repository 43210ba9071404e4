from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fix_actions import (
    RETRY,
    claim_again,
    configure,
    due_in_s,
    fail,
    job_at,
    promote,
    retry,
    told,
)
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    Row,
    claim,
    enqueue,
    enqueue_many,
    everything,
    refused,
    start_worker,
    value,
)

DAY_S = 86400


@pytest.fixture
def row(one: Session) -> Row:
    """Return a claim of the numbers 1 to 4."""
    start_worker(one)
    enqueue_many(one, 4, max_attempts=3)
    return claim(one, token=1).row


def test_the_next_attempt_waits_for_the_time_it_was_given(one: Session, row: Row) -> None:
    """Guards retry: attempt + 1 is written with the wait, its run_lease with the new entry."""
    faults = [(1, 1, None, 100.0), (1, 2, "e", 0.0), (1, 3, None, 3153600000.0)]
    assert [(1, "settled", [1, 2, 3])] == retry(one, row, seqs=[1, 2, 3], faults=faults)
    assert ("retryable", 1, 2, 0) == job_at(one, 1).place
    assert 95 < due_in_s(one, 1) <= 100
    assert due_in_s(one, 2) <= 0
    assert 3153600000 - 5 < due_in_s(one, 3) <= 3153600000
    assert [2] == [claim_again(one, 1, token=2).row.seqs[0] - 3]
    assert ("running", 2, 2, 0) == job_at(one, 1).place


def test_the_usual_wait_doubles_with_each_attempt_up_to_a_day(one: Session) -> None:
    """Guards the backoff formula: min(2^attempt * (1 + 0.25 u), 24 h), u from 0 up to 1."""
    for attempt in (1, 2, 5, 13, 16):
        low = min(2.0**attempt, DAY_S)
        drawn = one.execute(
            "select awa.backoff_s(%s) from generate_series(1, 200)", [attempt]
        ).fetchall()
        assert all(low <= s <= min(low * 1.25, DAY_S) for (s,) in drawn)
        assert len({s for (s,) in drawn}) > 1
    for attempt in (17, 31, 1000):
        assert DAY_S == value(one, "select awa.backoff_s(%s)", [attempt])


def test_without_a_delay_the_wait_is_the_usual_one(one: Session, row: Row) -> None:
    """Guards the default: by the attempt that failed; an error without a delay changes nothing."""
    retry(one, row, seqs=[1, 2], faults=[(1, 2, "e", None)])
    for job in (1, 2):
        assert -5 < due_in_s(one, job) - 2 <= 0.5
    again = claim_again(one, 1, token=2).row
    retry(one, again, settle_id=2)
    assert -5 < due_in_s(one, 1) - 4 <= 1
    assert ("retryable", 2, 3, 0) == job_at(one, 1).place


def test_the_last_attempt_ends_the_job(one: Session, row: Row) -> None:
    """Guards the bound: max_attempts attempts are made; a delay does not add one."""
    for token in (2, 3):
        assert [(1, "settled", row.seqs[:1])] == retry(one, row, seqs=row.seqs[:1], settle_id=token)
        row = claim_again(one, 1, token=token).row
    assert ("running", 3, 3, 0) == job_at(one, 1).place
    assert [(1, "failed", row.seqs)] == retry(
        one, row, settle_id=9, faults=[(1, row.seqs[0], "the last", 5.0)]
    )
    assert ("failed", 3, 3, 0) == job_at(one, 1).place
    assert "exhausted" == job_at(one, 1).reason
    assert ["the last"] == job_at(one, 1).errors
    assert [(1, "already", row.seqs)] == retry(one, row, settle_id=9)


def test_one_call_tells_the_failed_from_those_that_go_on(one: Session) -> None:
    """Guards the answer: numbers by what became of their jobs."""
    start_worker(one)
    enqueue(one, max_attempts=1)
    enqueue(one, max_attempts=2)
    enqueue(one, max_attempts=1)
    row = claim(one, token=1).row
    assert [(1, "failed", [1, 3]), (1, "settled", [2])] == retry(one, row)


@pytest.mark.parametrize(
    ("queue_says", "default", "answer"),
    [
        (None, False, "failed"),
        (None, True, "dead_lettered"),
        (True, False, "dead_lettered"),
        (False, True, "failed"),
    ],
)
def test_an_exhausted_job_is_a_dead_letter_where_the_queue_says_so(
    one: Session, queue_says: bool | None, default: bool, answer: str
) -> None:
    """Guards the policy: the queue's word, else the installation's."""
    one.execute("select awa.configure_defaults(%s)", [Jsonb({"dead_letters": default})])
    configure(one, "default", dead_letters=queue_says)
    start_worker(one)
    job = enqueue(one, max_attempts=1)
    row = claim(one, token=1).row
    assert [(1, answer, [1])] == retry(one, row, faults=[(1, 1, "boom", None)])
    found = job_at(one, job)
    assert (answer, 1, 1, 0) == found.place
    assert ("exhausted", ["boom"]) == (found.reason, found.errors)


def test_the_last_five_errors_are_kept_each_bounded(one: Session) -> None:
    """Guards the history: five at most, 2,000 characters each; oldest first, each with attempt."""
    start_worker(one)
    job = enqueue(one, tags=["t"])
    for attempt in range(1, 8):
        row = claim(one, token=attempt).row
        error: Any = {"error": f"{attempt}:" + "🐦" * 3000, "type": "T" * 300, "trace": "x" * 3000}
        retry(one, row, settle_id=attempt, faults=[(1, row.seqs[0], error, 1.0)])
        promote(one, job)
    extra = job_at(one, job).extra
    assert ["t"] == extra["tags"]
    assert [3, 4, 5, 6, 7] == [e["attempt"] for e in extra["errors"]]
    for e in extra["errors"]:
        assert f"{e['attempt']}:" + "🐦" * 1998 == e["error"]
        assert ("T" * 200, "x" * 2000) == (e["type"], e["trace"])
        assert {"attempt", "at", "error", "type", "trace"} == set(e)
    assert sorted(e["at"] for e in extra["errors"]) == [e["at"] for e in extra["errors"]]


def test_an_error_may_be_any_json(one: Session, row: Row) -> None:
    """Guards the history: whatever a client sends is kept as text, and nothing breaks on it."""
    given = ["plain", 5, None, {"error": None}]
    faults = [(1, n, error, 1.0) for n, error in enumerate(given, 1)]
    retry(one, row, faults=faults)
    assert [["plain"], ["5"], [], [""]] == [job_at(one, job).errors for job in (1, 2, 3, 4)]
    again = claim_again(one, 1, token=2).row
    odd: Any = {"error": {"a": [1]}, "type": None, "other": "gone"}
    retry(one, again, settle_id=2, faults=[(1, again.seqs[0], odd, 1.0)])
    assert '{"a": [1]}' == job_at(one, 1).errors[1]
    assert {"attempt", "at", "error"} == set(job_at(one, 1).extra["errors"][1])


def test_faults_of_other_items_and_numbers_are_not_mixed_up(one: Session, row: Row) -> None:
    """Guards the pairing: a fault belongs to its item and number, wherever else that number is."""
    enqueue_many(one, 4, queue="second")
    second = claim(one, token=2, queues=["second"]).row
    faults = [(1, 1, "first", 100.0), (2, 1, "second", 200.0), (2, 9, "no such", 1.0)]
    retry(one, row, second, faults=[*faults, (7, 1, "no such item", 1.0)])
    assert ["first"] == job_at(one, 1).errors
    assert ["second"] == job_at(one, 5).errors
    assert [] == job_at(one, 6).errors
    assert due_in_s(one, 1) <= 100 < due_in_s(one, 5)


def test_an_earlier_job_than_the_timer_is_told(session: NewSession, one: Session, row: Row) -> None:
    """Guards NoLostWakeup: the leader sleeps until its timer, and hears of what is due before."""
    ear = session()
    one.execute("select awa.set_timer(clock_timestamp() + interval '1 hour')")
    with told(ear, "select awa_name()") as heard:
        retry(one, row, seqs=[1], faults=[(1, 1, None, 7200.0)], settle_id=1)
    assert [] == heard
    with told(ear, "select awa_name()") as heard:
        retry(one, row, seqs=[2, 3], faults=[(1, 2, None, 60.0), (1, 3, None, 9000.0)], settle_id=2)
    assert [""] == heard


BAD_FAULTS: list[tuple[str, tuple[Any, ...]]] = [
    ("error_items", ([1], [], [], [])),
    ("error_items", (None, [1], [None], [])),
    ("error_items", ([1], [1], [None, None], [])),
    ("error_items", ([1], [1], [None], [1.0, 2.0])),
    ("error_seqs", ([1, 1], [1, 1], [None, None], [])),
    ("error_seqs", ([None], [1], [None], [])),
    ("error_seqs", ([1, 1], [1, None], [None, None], [])),
    ("delays_s", ([1], [1], [None], [-0.1])),
    ("delays_s", ([1], [1], [None], [3153600001.0])),
    ("delays_s", ([1], [1], [None], [float("inf")])),
    ("delays_s", ([1], [1], [None], [float("nan")])),
]


def test_bad_faults_are_refused_and_write_nothing(one: Session, row: Row) -> None:
    """Guards AW001 for retry and fail: the field is named."""
    before = everything(one)
    items = (1, 1, [row.slot], [1], [1], ["{[1,2)}"])
    fail_ = RETRY.replace("retry", "fail").replace(", %s::float8[]", "")
    for field, (error_items, seqs, errors, delays_s) in BAD_FAULTS:
        given = [None if e is None else Jsonb(e) for e in errors]
        with refused("AW001", field):
            one.execute(RETRY, (*items, error_items, seqs, given, delays_s))
        if field.startswith("error") and delays_s == []:
            with refused("AW001", field):
                one.execute(fail_, (*items, error_items, seqs, given))
    assert before == everything(one)
    assert [(1, "settled", row.seqs)] == fail(one, row)
