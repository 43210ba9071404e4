"""A user's unique jobs, jobs for later, and jobs in order, over each kind of client."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

import awa
from awa import bridge
from tests.acceptance.fix_operator import Do
from tests.fix_database import Session
from tests.fix_sql import job_states, value


@dataclass
class SendEmail:
    """Arguments that make a job unique."""

    to: str
    subject: str = "Welcome"


def test_the_second_job_is_refused_unless_told_otherwise(do: Do, one: Session) -> None:
    """Guards the four answers to a conflict, as users see them."""
    first = do("insert", SendEmail("a"), unique=True)
    assert ("inserted", False) == (first.answer, first.duplicate)
    with pytest.raises(awa.UniqueConflict, match="on_conflict") as caught:
        do("insert", SendEmail("a"), unique=True)
    assert first.id == caught.value.job_id
    found = do("insert", SendEmail("a"), unique=True, on_conflict="return")
    assert (first.id, "available", "existing", True) == (
        *(found.id, found.state, found.answer, found.duplicate),
    )
    found = do("insert", SendEmail("a"), unique=True, on_conflict="skip")
    assert (0, None, "skipped", True) == (*(found.id, found.state, found.answer, found.duplicate),)
    found = do("insert", SendEmail("a"), unique=True, on_conflict="replace", priority=1)
    assert ("available", "replaced", False) == (found.state, found.answer, found.duplicate)
    assert [(first.id, "cancelled"), (found.id, "available")] == job_states(one)
    assert not do("insert", SendEmail("b"), unique=True).duplicate
    assert not do("insert", SendEmail("a")).duplicate


def test_each_job_of_a_batch_has_a_key_of_its_own(do: Do, one: Session) -> None:
    """Guards batches: one choice for all, a key for each."""
    emails = [SendEmail(to) for to in ("a", "b", "a")]
    with pytest.raises(awa.UniqueConflict):
        do("insert_many", emails, unique=True)
    found = do("insert_many", emails, unique=awa.UniqueOpts(), on_conflict="return")
    assert ["inserted", "inserted", "existing"] == [handle.answer for handle in found]
    assert found[0].id == found[2].id
    more = [*emails, SendEmail("c")]
    skipped = do("enqueue_many_copy", more, unique=True, on_conflict="skip")
    assert awa.CopyAnswer(inserted=1, skipped=3) == skipped
    assert 3 == len(job_states(one))


def test_very_many_jobs_are_answered_by_how_many_had_each_answer(do: Do) -> None:
    """Guards the bulk path: what a duplicate became is told, and what was written is their sum."""
    emails = [SendEmail(to) for to in ("a", "b", "a")]
    first = do("enqueue_many_copy", emails, unique=True, on_conflict="return")
    assert awa.CopyAnswer(inserted=2, existing=1) == first
    again = do("enqueue_many_copy", emails, unique=True, on_conflict="replace", priority=1)
    assert awa.CopyAnswer(replaced=2, existing=1) == again
    assert (2, 2) == (again.stored, int(again))
    assert awa.CopyAnswer(inserted=3) == do("enqueue_many_copy", emails)
    assert awa.CopyAnswer() == do("enqueue_many_copy", [])


def test_a_window_is_a_choice_like_the_others(do: Do, one: Session) -> None:
    """Guards periods: the database counts them, and the key says so."""
    hourly = awa.UniqueOpts(period=timedelta(hours=1), until="window")
    first = do("insert", SendEmail("a"), unique=hourly)
    do("cancel", first.id)
    found = do("insert", SendEmail("a"), unique=hourly, on_conflict="return")
    # the hour may have turned in between
    turned = value(one, "select min(until) < clock_timestamp() from awa.unique_keys")
    assert turned or (first.id, "cancelled") == (found.id, found.state)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"unique": "args"}, "unique"),
        ({"unique": {"until": "window"}}, "unique.period"),
        ({"unique": {"states": ["available", "retryable"]}}, "unique.states"),
        ({"on_conflict": "skip"}, "on_conflict"),
        ({"unique": True, "on_conflict": "ignore"}, "on_conflict"),
        ({"run_at": datetime(2030, 1, 1)}, "run_at"),  # noqa: DTZ001  # the mistake itself
        ({"delay": -1}, "delay"),
        ({"delay": 1, "run_at": datetime(2030, 1, 1, tzinfo=UTC)}, "run_at"),
        ({"ordering_key": ""}, "ordering_key"),
    ],
)
def test_a_wrong_choice_names_its_field_and_writes_nothing(
    do: Do, one: Session, options: dict[str, Any], field: str
) -> None:
    """Guards every way in: the error comes before anything is sent."""
    for method, args in (("insert", SendEmail("a")), ("insert_many", [SendEmail("a")])):
        with pytest.raises(awa.InvalidInput) as refused:
            do(method, args, **options)
        assert field == refused.value.field
    assert [] == job_states(one)


def test_a_job_for_later_is_scheduled(do: Do, one: Session) -> None:
    """Guards run_at and delay: what lies in the past is now."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert "scheduled" == do("insert", SendEmail("a"), run_at=soon).state
    assert "scheduled" == do("insert", SendEmail("a"), delay=timedelta(minutes=1)).state
    past = datetime(2020, 1, 1, tzinfo=UTC)
    assert "available" == do("insert", SendEmail("a"), run_at=past).state
    assert "available" == do("insert", SendEmail("a"), delay=0).state
    shown = value(one, "select run_at from awa.deferred where job_id = 1")
    assert soon == shown


def test_a_fanout_and_its_keys_say_where_a_job_goes(do: Do, one: Session) -> None:
    """Guards the routes: what they answer is what an insert takes."""
    orders = awa.QueueFanout("orders", 4)
    job = do("insert", SendEmail("a"), **orders.route_by_key("customer-7"))
    assert orders.queue_for_key("customer-7") == do("get_job", job.id).queue
    assert "customer-7" == value(one, "select extra ->> 'ordering_key' from awa.ready")


async def test_a_key_is_part_of_the_callers_transaction(database: str, one: Session) -> None:
    """Guards transactional enqueue: rolled back, the key is nobody's."""
    async with awa.AsyncClient(database) as client:

        async def and_give_up() -> None:
            async with client.transaction() as work:
                await work.insert(SendEmail("a"), unique=True)
                assert (await work.insert(SendEmail("a"), unique=True, on_conflict="return")).id
                raise LookupError

        async def replace_in_a_larger_one() -> None:
            async with client.transaction() as work:
                await work.execute("create temp table mine (n int)")
                await work.insert(SendEmail("a"), unique=True, on_conflict="replace")

        with pytest.raises(LookupError):
            await and_give_up()
        async with client.transaction() as work:
            assert not (await work.insert(SendEmail("a"), unique=True)).duplicate
        with pytest.raises(awa.WrongTransaction):
            await replace_in_a_larger_one()
    assert 1 == len(job_states(one))


def test_the_bridge_takes_the_same_choices(database: str, one: Session) -> None:
    """Guards dedupe from ORM code: in the caller's transaction, by the caller's connection."""
    with psycopg.connect(database) as conn:
        first = bridge.insert_job_sync(conn, SendEmail("a"), unique=True, delay=60)
        found = bridge.insert_job_sync(conn, SendEmail("a"), unique=True, on_conflict="return")
        assert (first.id, True) == (found.id, found.duplicate)
        with pytest.raises(awa.UniqueConflict), conn.transaction():
            bridge.insert_job_sync(conn, SendEmail("a"), unique=True)
    assert [(first.id, "scheduled")] == job_states(one)
