"""Unique jobs until `started`: a key for what waits, free once the first attempt has started."""

import pytest

from tests.fix_database import Session
from tests.fix_sql import claim, release, start_worker
from tests.storage.test_unique import PATHS, bring, cancel, move, state_of
from tests.unique_jobs import dead_letter, dlq_retry, is_held, new, promote, snooze


@pytest.fixture(autouse=True)
def worker(one: Session) -> None:
    """Start the worker that claims."""
    start_worker(one)


@pytest.mark.parametrize("path", PATHS)
def test_the_key_is_free_from_the_first_claim_on(one: Session, path: str) -> None:
    """Guards UniqueHeldOnce: an attempt that is given back does not take the key again."""
    bring(one, new(one, until="started"), path)
    assert (path == "available") == is_held(one)


def test_a_scheduled_job_holds_it_until_it_is_claimed(one: Session) -> None:
    """Guards UniqueHeldOnce: promotion is no start."""
    job = new(one, delay_s=60, until="started")
    assert is_held(one)
    promote(one, job)
    assert is_held(one)
    claim(one)
    assert not is_held(one)


@pytest.mark.parametrize("delay_s", [0, 60])
@pytest.mark.parametrize("path", sorted({"failed", "cancelled"}))
def test_who_returns_holds_it_until_the_first_claim_of_that_life(
    one: Session, path: str, delay_s: int
) -> None:
    """Guards KeyKept: claimed before or not, a job that was given a new life waits again."""
    job = new(one, until="started")
    bring(one, job, path)
    move(one, job)
    assert "settled" == dlq_retry(one, job, delay_s=delay_s)
    assert is_held(one)
    if delay_s:
        promote(one, job)
        assert is_held(one)
    release(one, claim(one, token=2).row, settle_id=2)
    assert "available" == state_of(one, job)
    assert not is_held(one)


def test_who_returns_and_is_snoozed_or_returns_twice(one: Session) -> None:
    """Guards KeyKept: the new life's first attempt ends it, and the next life begins anew."""
    job = dead_letter(one, until="started")
    dlq_retry(one, job)
    snooze(one, claim(one, token=2).row)
    assert not is_held(one)
    cancel(one, job)
    move(one, job)
    dlq_retry(one, job, 902)
    assert is_held(one)


def test_who_returns_to_another_queue_holds_it_there(one: Session) -> None:
    """Guards KeyKept: a life may go on in another lane."""
    job = dead_letter(one, until="started")
    dlq_retry(one, job, queue="elsewhere")
    assert is_held(one)
    claim(one, token=2, queues=["elsewhere"])
    assert not is_held(one)
