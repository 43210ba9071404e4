import pytest
from psycopg.types.json import Jsonb

from tests.fix_database import Session
from tests.fix_sql import Blocked, Start, everything, refused, row, value

START = "select awa.worker_start(%s, %s)"


def test_a_worker_appears(one: Session) -> None:
    """Guards the row: its info, no beat yet, nothing reconciled."""
    info = {"name": "ünï", "host": "h", "pid": 7, "queues": ["a"], "version": "1"}
    assert "started" == value(one, START, [-(2**63), Jsonb(info)])
    found = row(one, "select worker, info, beat, reconciled from awa.workers")
    assert (-(2**63), info, 0, 0) == found


def test_a_repeat_answers_already_and_changes_nothing(one: Session) -> None:
    """Guards the lost reply: the first row stands, beat and all."""
    one.execute(START, [5, Jsonb({"n": 1})])
    one.execute("select awa.heartbeat(5, 3, 0, '{}')")
    assert "already" == value(one, START, [5, Jsonb({"n": 2})])
    assert ({"n": 1}, 3) == row(one, "select info, beat from awa.workers")


def test_a_racing_repeat_waits_and_answers_already(
    one: Session, other: Session, start: Start, blocked: Blocked
) -> None:
    """Guards the race: the key decides, and a rollback of the first lets the second start."""
    for rolls_back, answer in ((False, "already"), (True, "started")):
        number = 10 + rolls_back
        with one.transaction(force_rollback=rolls_back):
            one.execute(START, [number, Jsonb({})])
            second = start(other, START, [number, Jsonb({})])
            blocked(second.pid)
        assert [(answer,)] == second.rows()


@pytest.mark.parametrize("info", [None, Jsonb([1]), Jsonb("x"), Jsonb(None)])
def test_bad_info_is_refused(one: Session, info: object) -> None:
    """Guards AW001: nothing is written."""
    before = everything(one)
    with refused("AW001", "info"):
        one.execute("select awa.worker_start(1, %s::jsonb)", [info])
    with refused("AW001", "worker"):
        one.execute("select awa.worker_start(null, '{}')")
    assert before == everything(one)
