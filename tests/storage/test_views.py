import pytest
from psycopg.types.json import Jsonb

from tests.fix_database import Session
from tests.fix_sql import (
    COMPLETE,
    claim,
    complete,
    enqueue,
    enqueue_many,
    release,
    start_worker,
)


def everyday(session: Session) -> None:
    """Make jobs 1 completed with a result, 2 released, 3 and 4 running, 5 and 6 available."""
    start_worker(session, 4)
    enqueue_many(session, 6)
    row = claim(session, 4, token=1, worker=4).row
    session.execute(
        COMPLETE.replace("[])", "[], %s, %s, %s)"),
        (4, 1, [0], [1], [1], ["{[1,2)}"], [1], [1], [Jsonb({"r": 1})]),
    )
    release(session, row, seqs=[2], settle_id=2)


def test_a_job_is_shown_once_in_its_state(one: Session) -> None:
    """Guards OneLivePlacePerJob as people see it, in each state."""
    everyday(one)
    found = one.execute(
        "select id, state, run_lease, attempt, worker, result, claimed_at is not null,"
        " finished_at is not null from awa.jobs order by id"
    ).fetchall()
    assert [
        (1, "completed", 1, 1, 4, {"r": 1}, True, True),
        (2, "available", 2, 1, None, None, False, False),
        (3, "running", 1, 1, 4, None, True, False),
        (4, "running", 1, 1, 4, None, True, False),
        (5, "available", 1, 1, None, None, False, False),
        (6, "available", 1, 1, None, None, False, False),
    ] == found


def test_an_attempt_is_shown_with_its_claim_and_its_end(one: Session) -> None:
    """Guards the attempts view: one row per claimed entry, none for those that wait."""
    everyday(one)
    found = one.execute(
        "select job_id, run_lease, attempt, queue, priority, worker, token, part, outcome,"
        " closed_at is not null, deadline > claimed_at from awa.attempts order by job_id"
    ).fetchall()
    shared = ("default", 2, 4, 1, 1)
    assert [
        (1, 1, 1, *shared, "completed", True, True),
        (2, 1, 1, *shared, "released", True, True),
        (3, 1, 1, *shared, None, False, True),
        (4, 1, 1, *shared, None, False, True),
    ] == found


def test_a_queue_counts_its_jobs(one: Session) -> None:
    """Guards the queues view: over lanes and slots, partly settled claims included."""
    everyday(one)
    one.execute("select setval('awa.ring_seq', 3)")
    enqueue_many(one, 3, priority=1)
    enqueue_many(one, 2, queue="other")
    claim(one, 1, token=2, worker=4)
    one.execute("select awa.ensure_lane('none')")
    found = one.execute(
        "select queue, available, running, completed, deferred, final, deadline_s, aging_s"
        " from awa.queues order by queue"
    ).fetchall()
    assert [
        ("default", 5, 3, 1, 0, 0, 300, 60),
        ("none", 0, 0, 0, 0, 0, 300, 60),
        ("other", 2, 0, 0, 0, 0, 300, 60),
    ] == found


def test_a_released_job_that_runs_and_completes_is_still_one(one: Session) -> None:
    """Guards the newest entry: three runs, one job, three attempts."""
    start_worker(one)
    enqueue(one)
    for token in (1, 2):
        release(one, claim(one, token=token).row, settle_id=token)
    complete(one, claim(one, token=3).row, settle_id=3)
    assert [(1, "completed", 3)] == one.execute(
        "select id, state, run_lease from awa.jobs"
    ).fetchall()
    assert ["released", "released", "completed"] == [
        o for (o,) in one.execute("select outcome from awa.attempts order by run_lease").fetchall()
    ]


@pytest.mark.by_hand
def test_jobs_outside_the_ring_are_shown_too(one: Session) -> None:
    """Guards the whole life: deferred and final jobs, in the same columns."""
    enqueue(one)
    columns = "lane, run_lease, attempt, max_attempts, kind, args, enqueued_at"
    values = "1, 1, 1, 25, 'k', '{}', now()"
    for job, state in ((101, "scheduled"), (102, "retryable")):
        one.execute(
            f"insert into awa.deferred (job_id, run_at, state, {columns})"
            f" values (%s, now() + interval '1 h', %s, {values})",
            [job, state],
        )
    for job, state in ((103, "failed"), (104, "cancelled")):
        one.execute(
            f"insert into awa.finals (job_id, state, reason, finished_at, {columns})"
            f" values (%s, %s, 'because', now(), {values})",
            [job, state],
        )
    found = one.execute(
        "select id, state, run_at is not null, finished_at is not null, reason"
        " from awa.jobs order by id"
    ).fetchall()
    assert [
        (1, "available", False, False, None),
        (101, "scheduled", True, False, None),
        (102, "retryable", True, False, None),
        (103, "failed", False, True, "because"),
        (104, "cancelled", False, True, "because"),
    ] == found
    counts = one.execute("select deferred, final from awa.queues").fetchall()
    assert [(2, 2)] == counts


@pytest.mark.bulk
def test_a_job_is_found_by_its_id_among_many(one: Session) -> None:
    """Guards answers in milliseconds: by id, no slot that holds rows is read from end to end."""
    start_worker(one)
    enqueue_many(one, 3000)
    claim(one, 500, token=1)
    plan = one.execute(
        "explain (analyze, costs off, timing off, summary off, format json)"
        " select * from awa.jobs where id = 77"
    ).fetchone()
    assert plan is not None
    assert [] == list(full_reads(plan[0][0]["Plan"]))


def full_reads(node: dict[str, object]) -> list[object]:
    """Return the relations that a plan reads from end to end, though they hold more than a page."""
    found = []
    if node["Node Type"] == "Seq Scan" and node.get("Rows Removed by Filter", 0) != 0:
        found.append(node["Relation Name"])
    below = node.get("Plans", [])
    assert isinstance(below, list)
    return found + [name for child in below for name in full_reads(child)]
