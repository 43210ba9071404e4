"""What operators say of a queue for now."""

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.fix_database import Session
from tests.fix_sql import claim, enqueue, start_worker, value


def override(session: Session, said: object, queue: str = "default") -> object:
    """Override, and return what is overridden then."""
    document = None if said is None else Jsonb(said)
    return value(session, "select awa.override_queue(%s, %s, 'kim')", [queue, document])


def test_an_override_is_kept_until_it_is_taken_back(one: Session) -> None:
    """Guards override_queue: what is given is set, null takes it back, the rest stays."""
    enqueue(one)
    assert {"weight": 3, "max_workers": 5} == override(one, {"max_workers": 5, "weight": 3})
    assert {"weight": 3, "rate": 0.5} == override(one, {"max_workers": None, "rate": 0.5})
    read = "select overrides from awa.overrides_of('{default,other}')"
    assert {"weight": 3, "rate": 0.5} == value(one, read)
    assert {} == override(one, None)
    assert [] == one.execute(read).fetchall()
    assert "kim" == value(one, "select overridden_by from awa.queues")


def test_claims_hold_to_an_overridden_deadline_and_aging(one: Session) -> None:
    """Guards deadline_s and aging_s: they hold from the next claim on, and the settings return."""
    start_worker(one)
    for _ in range(2):
        enqueue(one)
    override(one, {"deadline_s": 0, "aging_s": 0})
    assert claim(one, token=1, limits=[1]).rows[0].deadline is None
    assert (300.0, 60.0) == one.execute("select deadline_s, aging_s from awa.queues").fetchone()
    override(one, {"deadline_s": None})
    assert claim(one, token=2, limits=[1]).rows[0].deadline is not None
    found = one.execute("select deadline_now_s, aging_now_s from awa.queue_settings").fetchone()
    assert (300.0, 0.0) == found


@pytest.mark.parametrize(
    "said",
    [
        {"max_workers": 0},
        {"max_workers": 1.5},
        {"max_workers": "many"},
        {"weight": 1001},
        {"claim_batch_size": 1001},
        {"poll_interval_ms": 0},
        {"rate": 0},
        {"burst": 0},
        {"deadline_s": -1},
        {"deadline_s": 1e300},
        {"deadline_s": 1e-5},
        {"aging_s": 1e-5},
        {"colour": 1},
        [1],
    ],
)
def test_an_override_that_no_worker_could_hold_to_is_refused(one: Session, said: object) -> None:
    """Guards workers and claims: they read what is stored without looking twice."""
    enqueue(one)
    with pytest.raises(psycopg.DatabaseError) as refused:
        override(one, said)
    assert "AW001" == refused.value.sqlstate
    assert {} == value(one, "select overrides from awa.queue_settings")


def test_a_queue_that_does_not_exist_cannot_be_overridden(one: Session) -> None:
    """Guards typing errors: a queue is not made by an override."""
    with pytest.raises(psycopg.DatabaseError, match="there is no queue 'defualt'"):
        override(one, {"weight": 1}, "defualt")


def test_workers_are_told_unless_notify_is_off(one: Session, other: Session) -> None:
    """Guards pick-up at once: an empty payload on the channel of ended attempts."""
    enqueue(one)
    other.execute('listen "awa.ended"')
    override(one, {"weight": 2})
    one.execute("set awa.notify = off")
    override(one, {"weight": 3})
    told = [(note.channel, note.payload) for note in other.notifies(timeout=0.5)]
    assert [("awa.ended", "")] == told
