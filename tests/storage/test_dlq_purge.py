from tests.fix_actions import cancel_running, dead_letter, dlq_purge, dlq_retry
from tests.fix_database import Session
from tests.fix_sql import claim, enqueue, everything, refused, start_worker, value

KEY = "00112233445566778899aabbccddeeff"


def test_a_purged_dead_letter_is_gone_with_its_key(one: Session) -> None:
    """Guards dlq_purge: nothing is left but the act; the key is free."""
    job = dead_letter(one, unique={"key": KEY})
    kept = dead_letter(one)
    before = everything(one)
    assert [("settled", "purged")] == dlq_purge(one, job)
    assert {**before, "dlq": 1, "unique_keys": 0} == everything(one)
    enqueue(one, unique={"key": KEY})
    assert [("dlq_purge", "purged")] == one.execute("select act, state from awa.acts").fetchall()
    assert kept == value(one, "select id from awa.dead_letters")


def test_a_key_with_a_window_outlives_its_job(one: Session) -> None:
    """Guards until: the key is held for its time, whatever becomes of the job."""
    job = dead_letter(one, unique={"by": ["args"], "until": "window", "period_s": 3153600000})
    dlq_purge(one, job)
    assert 1 == value(one, "select count(*) from awa.unique_keys")
    with refused("AW008", str(job)):
        enqueue(one, unique={"by": ["args"], "until": "window", "period_s": 3153600000})


def test_each_job_has_its_answer_in_the_order_asked(one: Session) -> None:
    """Guards the answers: only dead letters are purged."""
    dead, again = dead_letter(one), dead_letter(one)
    start_worker(one)
    cancelled = enqueue(one)
    cancel_running(one, claim(one, token=1).row)
    dlq_purge(one, again, settle_id=3)
    asked = (cancelled, dead, 99, again)
    expected = [
        ("stale", "cancelled"),
        ("settled", "purged"),
        ("unknown", None),
        ("already", "purged"),
    ]
    assert expected == dlq_purge(one, *asked, settle_id=3)
    expected[1] = ("already", "purged")
    before = everything(one)
    assert expected == dlq_purge(one, *asked, settle_id=3)
    assert before == everything(one)
    assert [("unknown", None)] == dlq_purge(one, dead, settle_id=4)
    assert [("unknown", None)] == dlq_retry(one, dead, settle_id=5)


def test_a_row_that_somebody_has_is_busy(one: Session, other: Session) -> None:
    """Guards NoDeadlock: an act never waits for another."""
    first, second = dead_letter(one), dead_letter(one)
    with other.transaction(force_rollback=True):
        dlq_purge(other, first, settle_id=1)
        assert [("busy", "dead_lettered"), ("settled", "purged")] == dlq_purge(
            one, first, second, settle_id=2
        )
    assert [("settled", "purged")] == dlq_purge(one, first, settle_id=2)
