from tests.fix_database import Session
from tests.fix_sql import claim, complete, enqueue, everything, refused, start_worker, value

STOP = "select awa.worker_stop(%s)"


def test_a_worker_leaves_once(one: Session) -> None:
    """Guards the answers: stopped, and then gone; others stay."""
    start_worker(one, 1)
    start_worker(one, 2)
    assert ["stopped", "gone", "gone"] == [value(one, STOP, [n]) for n in (1, 1, 3)]
    assert [(2,)] == one.execute("select worker from awa.workers").fetchall()


def test_what_it_held_stays_open_and_settles(one: Session) -> None:
    """Guards OnlyOpenSettles: a receipt is good without a worker's row; a settle may come late."""
    start_worker(one)
    enqueue(one)
    found = claim(one, token=1).row
    one.execute(STOP, [1])
    assert ["running"] == [s for (s,) in one.execute("select state from awa.jobs").fetchall()]
    assert [(1, "settled", [1])] == complete(one, found)


def test_a_worker_without_a_number_is_refused(one: Session) -> None:
    """Guards AW001: nothing is deleted."""
    start_worker(one)
    before = everything(one)
    with refused("AW001", "worker"):
        one.execute("select awa.worker_stop(null)")
    assert before == everything(one)
