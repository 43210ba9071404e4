import psycopg
import pytest

from tests.fix_database import Session
from tests.fix_sql import claim, enqueue, start_worker, value

REFUSED = ("-1", "-1e-9", "'NaN'", "'Infinity'", "'-Infinity'", "1e300", "null")


@pytest.mark.parametrize("setting", ["deadline_s", "aging_s"])
def test_a_setting_that_no_claim_can_use_is_refused(one: Session, setting: str) -> None:
    """Guards Drains: a queue's settings are read by every claim, so a bad one would stop it."""
    start_worker(one)
    for priority in (1, 2):
        enqueue(one, priority=priority)
    for wrong in (*REFUSED, *(["1e-300"] if setting == "aging_s" else [])):
        with pytest.raises(psycopg.errors.IntegrityError):
            one.execute(f"update awa.queue_settings set {setting} = {wrong}")
    for token, right in enumerate(("0", "0.001", "86400", "3.1e9"), 1):
        one.execute(f"update awa.queue_settings set {setting} = {right}")
        with one.transaction(force_rollback=True):
            assert 2 == len(claim(one, token=token).seqs)


def test_settings_are_one_queues_own(one: Session) -> None:
    """Guards deadline_s: changed for one queue, at once, and for no other."""
    start_worker(one)
    for queue in ("a", "b"):
        enqueue(one, queue=queue)
    one.execute("update awa.queue_settings set deadline_s = 0 where queue = 'a'")
    found = claim(one, token=1, queues=["a", "b"])
    assert [True, False] == [r.deadline is None for r in found.rows]
    assert 300.0 == value(one, "select deadline_s from awa.queues where queue = 'b'")
