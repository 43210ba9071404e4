"""settled_by, and completions that wait: what a handler's own transaction needs of the SQL."""

import threading

import pytest

from tests.facts import wait_until
from tests.fix_database import NewSession, Session
from tests.fix_sql import claim, enqueue, refused

COMPLETE = """
    select c.answer from awa.attempts a, lateral awa.complete(
        1, %s, array[a.slot], array[a.token], array[a.part],
        array[int8multirange(int8range(a.seq, a.seq + 1))], waits => true) c
"""
ASK = "select awa.settled_by(%s, token, part, seq) from awa.attempts"


@pytest.fixture
def open_job(one: Session) -> Session:
    """Claim one job under token 7."""
    one.execute("select awa.worker_start(1, '{}')")
    enqueue(one)
    claim(one, token=7)
    return one


def asked(session: Session, settle_id: int) -> str:
    """Return what is known of a settle id."""
    row = session.execute(ASK, [settle_id]).fetchone()
    assert row is not None
    return str(row[0])


def completed(session: Session, settle_id: int) -> str:
    """Complete the attempt, waiting; return the answer."""
    row = session.execute(COMPLETE, [settle_id]).fetchone()
    assert row is not None
    return str(row[0])


def test_a_completion_that_may_yet_commit_is_busy_and_never_open(
    open_job: Session, session: NewSession
) -> None:
    """Guards AnswersStand: "it is not there" is said only of what has ended."""
    with session() as other:
        with other.transaction(force_rollback=True):
            assert "settled" == completed(other, 5)
            assert "busy" == asked(open_job, 5)
        assert "open" == asked(open_job, 5)
        with other.transaction():
            assert "settled" == completed(other, 6)
            assert "busy" == asked(open_job, 6)
        assert "settled" == asked(open_job, 6)
        assert "stale" == asked(open_job, 5)
        assert "stale" == completed(other, 8)
    row = open_job.execute("select awa.settled_by(5, 1234, 1::smallint, 1)").fetchone()
    assert ("ended",) == row


def test_an_entry_that_was_carried_is_found(open_job: Session) -> None:
    """Guards the question across an evacuation: the claim has another slot, and the same token."""
    open_job.execute("select awa.rotate(max_age_s => 0)")
    assert open_job.execute("select answer from awa.evacuate(0::smallint)").fetchone() == ("moved",)
    assert "open" == asked(open_job, 5)
    assert "settled" == completed(open_job, 5)
    assert "settled" == asked(open_job, 5)


def test_a_completion_waits_for_whoever_settles_the_claim(
    open_job: Session, session: NewSession
) -> None:
    """Guards OnlyOpenSettles: it looks after the wait, and finds what was done meanwhile."""
    told: list[str] = []
    with session() as other, session() as looker:
        with other.transaction():
            assert "settled" == completed(other, 5)
            waiting = threading.Thread(target=lambda: told.append(completed(open_job, 6)))
            waiting.start()
            wait_until(
                lambda: (
                    looker.execute(
                        "select count(*) from pg_locks l join pg_database d on d.oid = l.database"
                        " where l.locktype = 'advisory' and not l.granted"
                        " and d.datname = current_database()"
                    ).fetchone()
                    == (1,)
                ),
                what="a wait for the claim's lock",
            )
        waiting.join()
    assert ["stale"] == told


def test_a_completion_that_waits_is_of_one_attempt(open_job: Session) -> None:
    """Guards against deadlocks: nobody waits for the lock of a claim while it holds another's."""
    with refused("AW001", "waits"):
        open_job.execute(
            "select awa.complete(1, 9, '{0,0}', '{7,8}', '{1,1}', '{\"{[1,2)}\",\"{[1,2)}\"}',"
            " waits => true)"
        )
