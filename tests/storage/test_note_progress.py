"""note_progress: what an attempt says of itself, kept for the next one, and for nobody else."""

import json
from typing import Any

import psycopg
import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import claim, enqueue

NOTE = """
    select n.answer from awa.attempts a, lateral awa.note_progress(
        1, array[a.token], array[a.part], array[a.seq], array[%s::int], array[%s::jsonb]) n
    where a.run_lease = %s
"""
ENDED = """
    select c.answer from awa.attempts a, lateral awa.{action}(
        1, %s, array[a.slot], array[a.token], array[a.part],
        array[int8multirange(int8range(a.seq, a.seq + 1))]{more}) c where a.outcome is null
"""


@pytest.fixture
def open_job(one: Session) -> Session:
    """Claim one job under token 7."""
    one.execute("select awa.worker_start(1, '{}')")
    enqueue(one)
    claim(one, token=7)
    return one


def noted(session: Session, note: int, progress: object, run: int = 1) -> str:
    """Note the progress of a run; return the answer."""
    row = session.execute(NOTE, [note, json.dumps(progress), run]).fetchone()
    assert row is not None
    return str(row[0])


def end(session: Session, action: str, more: str = "") -> None:
    """End the open attempt."""
    call = ENDED.format(action=action, more=more)
    assert session.execute(call.encode(), [99]).fetchone() == ("settled",)


def shown(session: Session) -> Any:
    """Return the progress that the view shows, which jobs_by_id has to show as well."""
    row = session.execute(
        "select j.extra -> 'progress', i.extra -> 'progress' from awa.jobs j,"
        " lateral awa.jobs_by_id(array[j.id]) i"
    ).fetchone()
    assert row is not None
    assert row[0] == row[1]
    return row[0]


def test_the_latest_note_stands_and_a_late_one_undoes_nothing(open_job: Session) -> None:
    """Guards ProgressGrows within an attempt: a call may be executed late, and again."""
    assert None is shown(open_job)
    assert "noted" == noted(open_job, 2, {"percent": 20})
    assert "noted" == noted(open_job, 3, {"percent": 30})
    assert "noted" == noted(open_job, 2, {"percent": 20})
    assert {"percent": 30} == shown(open_job)
    assert (1,) == open_job.execute("select count(*) from awa.leases").fetchone()


@pytest.mark.parametrize(
    ("action", "more"),
    [("release", ""), ("retry", ""), ("snooze", ", array[0.0]"), ("fail", "")],
)
def test_the_jobs_next_row_has_what_the_attempt_noted(
    open_job: Session, action: str, more: str
) -> None:
    """Guards ProgressKept: whatever ends the attempt, and what comes later is refused."""
    assert "noted" == noted(open_job, 1, {"metadata": {"last": 7}})
    end(open_job, action, more)
    assert {"metadata": {"last": 7}} == shown(open_job)
    assert "stale" == noted(open_job, 2, {"metadata": {"last": 8}})
    assert {"metadata": {"last": 7}} == shown(open_job)


def test_a_job_that_completed_tells_nothing_of_it(open_job: Session) -> None:
    """Guards the view: what somebody wrote down last is seldom what was said last."""
    assert "noted" == noted(open_job, 1, {"percent": 1})
    end(open_job, "retry")
    open_job.execute("select awa.promote(job_ids => array(select job_id from awa.deferred))")
    claim(open_job, token=8)
    assert {"percent": 1} == shown(open_job)
    end(open_job, "complete")
    assert None is shown(open_job)


def test_what_a_lost_attempt_noted_is_carried_on(open_job: Session) -> None:
    """Guards ProgressKept through a rescue, a second attempt without notes, and a promotion."""
    assert "noted" == noted(open_job, 1, {"percent": 1})
    open_job.execute("select awa.rescue_worker(1, 0)")
    assert {"percent": 1} == shown(open_job)
    open_job.execute("select awa.worker_start(2, '{}')")
    claim(open_job, worker=2, token=8)
    assert {"percent": 1} == shown(open_job)
    end(open_job, "retry")
    open_job.execute("select awa.promote(job_ids => array(select job_id from awa.deferred))")
    assert {"percent": 1} == shown(open_job)


def test_a_lease_moves_with_its_attempt(open_job: Session) -> None:
    """Guards ProgressKept through an evacuation: the claim has another slot and the same token."""
    assert "noted" == noted(open_job, 1, {"percent": 1})
    open_job.execute("select awa.rotate(max_age_s => 0)")
    assert open_job.execute("select answer from awa.evacuate(0::smallint)").fetchone() == ("moved",)
    assert {"percent": 1} == shown(open_job)
    assert "noted" == noted(open_job, 2, {"percent": 2})
    end(open_job, "retry")
    assert {"percent": 2} == shown(open_job)


def test_a_claim_that_is_being_settled_is_busy(open_job: Session, session: NewSession) -> None:
    """Guards OnlyOpenNotes: nobody looks between a settle and its commit."""
    with session() as other, other.transaction(force_rollback=True):
        end(other, "retry")
        assert "busy" == noted(open_job, 1, {})
    assert "noted" == noted(open_job, 1, {})


def test_the_input_is_checked(open_job: Session) -> None:
    """Guards the bounds: a large note is refused, and names its limit."""
    with pytest.raises(psycopg.errors.DatabaseError, match="32768"):
        noted(open_job, 1, "x" * 40_000)
    with pytest.raises(psycopg.errors.DatabaseError, match="each attempt once"):
        open_job.execute("select awa.note_progress(1, '{7,7}', '{1,1}', '{1,1}', '{1,2}', '{1,2}')")
    with pytest.raises(psycopg.errors.DatabaseError, match="of one length"):
        open_job.execute("select awa.note_progress(1, '{1}', '{}', '{}', '{}', '{}')")
