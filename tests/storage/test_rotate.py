import pytest

from tests.fix_database import Session
from tests.fix_ring import bytes_in, evacuate, prune, rotate, rows_in, turn
from tests.fix_sql import (
    claim,
    complete,
    enqueue,
    enqueue_many,
    refused,
    release,
    start_worker,
    value,
)


def test_a_slot_with_an_old_beginning_gives_way_to_the_next(one: Session) -> None:
    """Guards the turning ring: from then on entries go to the new slot, and all are claimed."""
    start_worker(one)
    enqueue(one)
    assert ("turned", 1) == rotate(one, max_age_s=0)
    enqueue(one)
    assert [{"ready": 1}, {"ready": 1}] == [rows_in(one, slot) for slot in (0, 1)]
    assert [1, 2] == claim(one).seqs


def test_a_young_and_small_slot_is_kept(one: Session) -> None:
    """Guards the ring's length: it turns by age or by size, not by every call."""
    enqueue(one)
    assert ("kept", 0) == rotate(one)


def test_an_empty_slot_is_kept_however_old_it_is(one: Session) -> None:
    """Guards a ring at rest: it does not turn while nobody enqueues."""
    assert ("kept", 0) == rotate(one, max_age_s=0, max_entries=1)
    enqueue(one)
    turn(one)
    assert ("kept", 1) == rotate(one, max_age_s=0, max_entries=1)


@pytest.mark.bulk
def test_a_large_slot_gives_way(one: Session) -> None:
    """Guards the bound on a slot: so many entries, and the next slot begins."""
    enqueue_many(one, 300)
    assert ("kept", 0) == rotate(one, max_entries=301)
    assert ("turned", 1) == rotate(one, max_entries=300)


@pytest.mark.bulk
def test_what_rolled_back_does_not_make_a_slot_large(one: Session) -> None:
    """Guards the bound on a slot: it counts entries, not bytes."""
    with one.transaction(force_rollback=True):
        enqueue_many(one, 300)
    enqueue(one)
    assert ("kept", 0) == rotate(one, max_entries=300)


def test_an_old_job_that_comes_again_does_not_make_its_slot_old(one: Session) -> None:
    """Guards against a ring that spins: a slot's age is that of its opening."""
    start_worker(one)
    enqueue(one)
    one.execute("update awa.ring_slots set opened_at = now() - interval '2 hours' where slot = 0")
    assert ("turned", 1) == rotate(one)
    release(one, claim(one).row)
    evacuate(one)
    assert {"ready": 1} == rows_in(one, 1)
    assert ("kept", 1) == rotate(one)


def test_a_slot_that_is_not_really_empty_is_passed_over(one: Session) -> None:
    """Guards the turning ring: what rolled back, or is in flight, is in the files."""
    enqueue(one)
    for slot in (1, 2):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        with one.transaction(force_rollback=slot == 1):
            enqueue(one)
    one.execute("select setval('awa.ring_seq', 0)")
    assert [{}, {"ready": 1}] == [rows_in(one, slot) for slot in (1, 2)]
    assert bytes_in(one, 1) > 0
    assert ("turned", 3) == rotate(one, max_age_s=0)


def test_the_ring_is_full_and_keeps_appending_until_something_is_pruned(one: Session) -> None:
    """Guards Reclaims: a full ring grows in its slot; the first slot that empties is the next."""
    start_worker(one)
    for slot in range(16):
        enqueue(one)
        assert slot == value(one, "select last_value from awa.ring_seq")
        rotate(one, max_age_s=0)
    assert ("full", 15) == rotate(one, max_age_s=0)
    enqueue(one)
    assert {"ready": 2} == rows_in(one, 15)
    complete(one, *claim(one, 1).rows)
    assert "pruned" == prune(one, 0).answer
    assert ("turned", 0) == rotate(one, max_age_s=0)


def test_two_that_maintain_the_ring_take_turns(one: Session, other: Session) -> None:
    """Guards the maintenance lock: whoever comes second is told busy, at once."""
    enqueue(one)
    with other.transaction():
        assert "turned" == rotate(other, max_age_s=0)[0]
        assert "busy" == rotate(one, max_age_s=0)[0]
        assert "busy" == prune(one, 0).answer
        assert ("busy", 0) == evacuate(one, 0)
    assert ("kept", 1) == rotate(one, max_age_s=0)


def test_a_turn_is_there_at_once_even_when_its_transaction_rolls_back(one: Session) -> None:
    """Guards the hint: nothing relies on where an entry lands, so nothing is undone."""
    start_worker(one)
    enqueue(one)
    with one.transaction(force_rollback=True):
        turn(one)
    enqueue(one)
    assert {"ready": 1} == rows_in(one, 1)
    assert [1, 2] == claim(one).seqs


@pytest.mark.parametrize("age_s", ["nan", "infinity", "-1"])
def test_an_age_is_a_number_of_seconds(one: Session, age_s: str) -> None:
    """Guards bad input: the caller learns which field, and nothing turned."""
    with refused("AW001", "max_age_s"):
        rotate(one, max_age_s=float(age_s))


def test_a_size_is_at_least_one(one: Session) -> None:
    """Guards bad input: a slot cannot be smaller than an entry."""
    with refused("AW001", "max_entries"):
        rotate(one, max_entries=0)


def test_it_refuses_an_old_snapshot(one: Session) -> None:
    """Guards READ COMMITTED: what an older snapshot shows of the ring is not what is there."""
    one.execute("begin isolation level repeatable read")
    with refused("AW002"):
        rotate(one)
    one.execute("rollback")
