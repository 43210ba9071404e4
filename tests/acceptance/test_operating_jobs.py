"""Operators at every client: jobs are cancelled, run again and looked into; bad input is named."""

import threading
from datetime import timedelta
from typing import Any

import pytest

import awa
from awa import ActAnswer
from tests.acceptance.fix_operator import Do
from tests.fix_database import Session
from tests.fix_sql import claim, complete, enqueue, enqueue_many, start_worker

FAIL = (
    "select * from awa.fail(1, 1, %s::smallint[], %s::bigint[], %s::smallint[],"
    " %s::int8multirange[], '{1}', %s, array['{\"error\": \"boom\"}'::jsonb])"
)


def failed(session: Session, **opts: Any) -> int:
    """Return a job that failed with an error."""
    job = enqueue(session, **opts)
    token = job + 1000
    (row,) = claim(session, 1, token=token, queues=[opts.get("queue", "default")]).rows
    (seq,) = row.seqs
    given = [[row.slot], [token], [row.part], [f"{{[{seq},{seq + 1})}}"], [seq]]
    session.execute(FAIL, given)
    return job


def told(act: awa.JobAct) -> tuple[str, str | None]:
    """Return what was answered, and where the job is."""
    return act.answer.value, act.state


def state_of(do: Do, job: int) -> str:
    """Return a job's state."""
    found = do("get_job", job)
    assert found is not None
    return str(found.state)


def test_a_pending_job_is_cancelled_with_its_reason(do: Do, one: Session) -> None:
    """Guards `cancel` before a claim: now, and for a time to come; once."""
    for job in (enqueue(one), enqueue(one, delay_s=60)):
        assert ("settled", "cancelled") == told(do("cancel", job, reason="not needed"))
        found = do("get_job", job)
        assert ("cancelled", "not needed") == (found.state, found.reason)
        assert ("stale", "cancelled") == told(do("cancel", job))


def test_a_running_job_is_cancelled_and_its_worker_comes_too_late(do: Do, one: Session) -> None:
    """Guards `cancel` after a claim: the attempt ends now, and a late answer changes nothing."""
    start_worker(one)
    job = enqueue(one)
    row = claim(one).row
    assert ("settled", "cancelled") == told(do("cancel", job, reason="enough"))
    assert [(1, "stale", [1])] == complete(one, row)
    assert ("cancelled", "enough") == (do("get_job", job).state, do("get_job", job).reason)


def test_a_job_that_is_claimed_meanwhile_is_cancelled_all_the_same(
    do: Do, one: Session, database: str
) -> None:
    """Guards the race with a claim: whichever comes first, the job is cancelled in the end."""
    start_worker(one)
    job = enqueue(one)
    answers: list[awa.JobAct] = []
    operator = threading.Thread(target=lambda: answers.append(do("cancel", job)))
    with one.transaction():
        claim(one)
        operator.start()
    operator.join(60)
    assert [("settled", "cancelled")] == [told(answer) for answer in answers]


def test_what_cannot_be_cancelled_is_answered_and_left_alone(do: Do, one: Session) -> None:
    """Guards lost races as values: an ended job, a dead letter, and none at all."""
    start_worker(one)
    done = enqueue(one)
    complete(one, claim(one).row)
    dead = failed(one)
    do("dlq_move", dead)
    assert ("stale", "completed") == told(do("cancel", done))
    assert ("stale", "dead_lettered") == told(do("cancel", dead))
    assert ("unknown", None) == told(do("cancel", 999))
    assert not do("cancel", 999).done


def test_a_job_is_retried_from_every_state_that_allows_it(do: Do, one: Session) -> None:
    """Guards `retry`: one that waits runs now, one that ended gets a new life."""
    start_worker(one)
    dead, broken = failed(one), failed(one)
    waiting, cancelled = enqueue(one, delay_s=60), enqueue(one)
    do("dlq_move", dead)
    do("cancel", cancelled)
    for job in (waiting, cancelled, dead, broken):
        assert ("settled", "available") == told(do("retry", job))
        assert "available" == state_of(do, job)
        assert ("stale", "available") == told(do("retry", job))
    assert ("unknown", None) == told(do("retry", 999))
    assert 1 == do("get_job", broken).attempt
    assert 2 == do("get_job", broken).run_lease


def test_a_retry_whose_unique_key_is_taken_is_a_duplicate(do: Do, one: Session) -> None:
    """Guards UniqueHeldOnce: the old job stays where it is, among the dead letters."""
    key = {"unique": {"key": "00" * 16}}
    first = enqueue(one, **key)
    do("cancel", first)
    enqueue(one, **key)
    assert ActAnswer.DUPLICATE is do("retry", first).answer
    assert do("get_dlq_job", first) is not None


def test_the_failed_jobs_of_a_queue_or_kind_are_retried(do: Do, one: Session) -> None:
    """Guards `retry_failed`: what the filter leaves, and nothing else."""
    start_worker(one)
    here = [failed(one) for _ in range(3)]
    there = failed(one, queue="other")
    gone = enqueue(one)
    do("cancel", gone)
    found = do("retry_failed", queue="default")
    assert (3, 3, 0, 0) == (found.matched, found.done, found.busy, found.duplicate)
    assert {"available"} == {state_of(do, job) for job in here}
    assert ["failed", "cancelled"] == [state_of(do, job) for job in (there, gone)]
    assert 1 == do("retry_failed", kind="k").done
    assert 0 == do("retry_failed", everything=True).matched


def test_a_job_is_cancelled_by_its_unique_key(do: Do, one: Session) -> None:
    """Guards keys: derived as at the insert, by arguments, queue and period."""
    hour = timedelta(hours=1)
    wishes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"by_queue": True}, {"queue": "mail"}),
        ({"period": hour}, {"period": hour}),
        ({"by_period": 7}, {"by_period": 7}),
    ]
    for unique, how in wishes:
        job = do("insert", {"to": "a"}, kind="mail", queue="mail", unique=unique)
        assert job.id == do("cancel_by_unique_key", "mail", args={"to": "a"}, **how).job_id
        assert "cancelled" == state_of(do, job.id)
    assert do("cancel_by_unique_key", "mail", args={"to": "b"}) is None
    assert do("cancel_by_unique_key", "mail") is None


def test_a_job_and_its_attempts_are_dumped(do: Do, one: Session) -> None:
    """Guards incidents: what ran, how it ended, what was said, and what operators did."""
    start_worker(one)
    job = failed(one)
    do("retry", job)
    complete(one, claim(one, token=50).row, settle_id=50)
    dump = do("dump_job", job)
    assert ("completed", ["boom"]) == (dump.job.state, [one["error"] for one in dump.job.errors])
    assert ["failed", "completed"] == [run.outcome for run in dump.attempts]
    assert ["dlq_move", "dlq_retry"] == [act.act for act in dump.acts]
    run = do("dump_run", job)
    assert (1, 2, "boom") == (run.attempt, len(run.runs), run.error["error"])
    assert do("dump_run", job, 2) is None
    assert do("dump_job", 999) is None
    assert do("dump_run", 999) is None
    dead = failed(one)
    do("dlq_move", dead, reason="look")
    found = do("dump_job", dead)
    assert (None, "look") == (found.job, found.acts[0].reason)
    assert "look" == found.dead_letter.reason


def test_jobs_are_listed_page_by_page(do: Do, one: Session) -> None:
    """Guards the cursor: every job once, newest first."""
    ids = enqueue_many(one, 5)
    first = do("list_jobs", limit=3)
    rest = do("list_jobs", limit=3, before_id=first[-1].id)
    assert ids[::-1] == [job.id for job in (*first, *rest)]
    assert () == do("list_jobs", before_id=rest[-1].id)
    assert ids[-1:] == [job.id for job in do("list_jobs", state="available", limit=1)]


@pytest.mark.parametrize(
    ("method", "given", "field"),
    [
        ("cancel", {"job_id": 0}, "job_id"),
        ("cancel", {"job_id": "1"}, "job_id"),
        ("cancel", {"job_id": 2**63}, "job_id"),
        ("cancel", {"job_id": 1, "reason": "x" * 2001}, "reason"),
        ("cancel", {"job_id": 1, "reason": "a\0"}, "reason"),
        ("retry", {"job_id": True}, "job_id"),
        ("retry_failed", {}, "everything"),
        ("retry_failed", {"queue": "q", "everything": True}, "everything"),
        ("retry_failed", {"everything": "yes"}, "everything"),
        ("retry_failed", {"queue": ""}, "queue"),
        ("cancel_by_unique_key", {"kind": ""}, "kind"),
        ("cancel_by_unique_key", {"kind": "k", "queue": "x" * 201}, "queue"),
        ("cancel_by_unique_key", {"kind": "k", "args": {"a": 1.5}}, "args.a"),
        ("cancel_by_unique_key", {"kind": "k", "period": -1}, "unique.period"),
        ("dump_job", {"job_id": None}, "job_id"),
        ("dump_run", {"job_id": 1, "attempt": 0}, "attempt"),
        ("list_jobs", {"before_id": -5}, "before_id"),
        ("list_jobs", {"limit": 0}, "limit"),
        ("list_jobs", {"limit": 10_001}, "limit"),
        ("list_jobs", {"state": "lost"}, "state"),
        ("list_jobs", {"kind": "a\0b"}, "kind"),
    ],
)
def test_bad_input_names_its_field(
    do: Do, one: Session, method: str, given: dict[str, Any], field: str
) -> None:
    """Guards callers: what is wrong is said before anything is sent."""
    with pytest.raises(awa.InvalidInput) as refused:
        do(method, **given)
    assert field == refused.value.field
