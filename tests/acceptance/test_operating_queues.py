"""Operators at every client: queues are paused, drained and set; dead letters looked after."""

from typing import Any

import pytest

import awa
from tests.acceptance.fix_operator import Do
from tests.acceptance.test_operating_jobs import failed, state_of, told
from tests.fix_database import Session
from tests.fix_sql import claim, complete, enqueue, enqueue_many, start_worker, value


def settings(do: Do, queue: str) -> awa.QueueStats:
    """Return a queue as operators see it."""
    (found,) = [one for one in do("queue_stats") if one.queue == queue]
    assert isinstance(found, awa.QueueStats)
    return found


def test_nothing_is_claimed_from_a_paused_queue(do: Do, one: Session) -> None:
    """Guards pausing: what runs goes on, the other queues too, and the answer says what is new."""
    start_worker(one)
    enqueue_many(one, 2)
    enqueue(one, queue="other")
    running = claim(one, 1, token=1).row
    assert do("pause_queue", "default", paused_by="ops")
    assert not do("pause_queue", "default", paused_by="somebody else")
    assert "ops" == settings(do, "default").paused_by
    assert [] == claim(one, token=2).rows
    assert [1] == claim(one, token=3, queues=["default", "other"]).seqs
    assert [(1, "settled", [1])] == complete(one, running)
    assert do("resume_queue", "default")
    assert not do("resume_queue", "default")
    assert settings(do, "default").paused_at is None
    assert [2] == claim(one, token=4).seqs


def test_overrides_are_set_shown_and_taken_back(do: Do, one: Session) -> None:
    """Guards overrides at every client: what is given is added, clear leaves only what is given."""
    enqueue(one)
    assert awa.QueueOverrides() == settings(do, "default").overrides
    said = do("override_queue", "default", max_workers=5, rate_limit=(2, 4), by="ops")
    assert awa.QueueOverrides(max_workers=5, rate=2.0, burst=4) == said
    said = do("override_queue", "default", deadline=1.5, weight=2)
    assert (
        awa.QueueOverrides(max_workers=5, weight=2, rate=2.0, burst=4, deadline_s=1.5)
        == said
        == settings(do, "default").overrides
    )
    said = do("override_queue", "default", aging=0, clear=True, by="ops")
    assert awa.QueueOverrides(aging_s=0.0) == said
    assert "ops" == settings(do, "default").overridden_by
    assert awa.QueueOverrides() == do("override_queue", "default", clear=True)


def test_a_queue_is_drained_of_what_waits(do: Do, one: Session) -> None:
    """Guards draining: available, scheduled and retryable ones go; the running and others stay."""
    start_worker(one)
    enqueue_many(one, 4)
    running = claim(one, 1, token=1).row
    enqueue_many(one, 2, delay_s=60)
    other = enqueue(one, queue="other")
    found = do("drain_queue", "default", reason="closed")
    assert (5, 5, 0) == (found.matched, found.done, found.busy)
    stats = settings(do, "default")
    assert (0, 1, 0, 5) == (stats.available, stats.running, stats.deferred, stats.final)
    assert "available" == state_of(do, other)
    assert {"closed"} == {job.reason for job in do("list_jobs", state="cancelled")}
    assert [(1, "settled", [1])] == complete(one, running)
    assert 0 == do("drain_queue", "default").matched
    assert [] == claim(one, token=9).rows


@pytest.mark.bulk
def test_a_long_queue_is_drained_in_batches(do: Do, one: Session) -> None:
    """Guards the bound of an act: more jobs than one call may take, over two lanes and slots."""
    enqueue_many(one, 700)
    one.execute("select setval('awa.ring_seq', 5)")
    enqueue_many(one, 600, priority=1)
    assert 1300 == do("drain_queue", "default").done
    assert 0 == settings(do, "default").available


def test_a_queue_is_set_and_made_on_demand(do: Do, one: Session) -> None:
    """Guards settings: each changes what is given and leaves the rest."""
    do("configure_queue", "mail", deadline=5, dead_letters=True)
    do("configure_queue", "mail", aging=0, enqueue_shards=4)
    found = settings(do, "mail")
    assert (5, 0, True, 4) == (
        found.deadline_s,
        found.aging_s,
        found.dead_letters,
        found.enqueue_shards,
    )
    assert 4 == value(one, "select count(*) from awa.lanes where queue = 'mail'")
    do("configure_queue", "mail", dead_letters="default")
    assert not settings(do, "mail").dead_letters


def test_the_default_for_dead_letters_holds_where_a_queue_says_nothing(
    do: Do, one: Session
) -> None:
    """Guards the policy by default: set once, for all queues without a policy of their own."""
    start_worker(one)
    do("configure_queue", "own", dead_letters=False)
    do("configure_defaults", dead_letters=True)
    failed(one)
    failed(one, queue="own")
    assert (True, False) == tuple(settings(do, q).dead_letters for q in ("default", "own"))
    assert {"default": 1} == do("dlq_depth")
    do("configure_defaults", dead_letters=False)
    failed(one)
    assert {"default": 1} == do("dlq_depth")


def test_dead_letters_are_listed_counted_and_deleted(do: Do, one: Session) -> None:
    """Guards looking after them: filters, pages, depth; a deleted one is gone for good."""
    start_worker(one)
    do("configure_queue", "mail", dead_letters=True)
    ids = [failed(one, queue="mail", tags=[tag]) for tag in ("a", "b", "a")]
    dead = do("list_dlq", queue="mail")
    assert ids[::-1] == [letter.id for letter in dead]
    assert [("terminal", "boom")] * 3 == [(one.reason, one.errors[0]["error"]) for one in dead]
    assert [ids[2], ids[0]] == [letter.id for letter in do("list_dlq", tag="a")]
    assert [ids[0]] == [letter.id for letter in do("list_dlq", before_id=ids[1], kind="k")]
    assert {"mail": 3} == do("dlq_depth")
    assert do("get_job", ids[0]) is None
    assert ("settled", "purged") == told(do("dlq_purge", ids[0]))
    assert 1 == do("dlq_purge_many", tag="a").done
    assert {"mail": 1} == do("dlq_depth")
    assert do("get_dlq_job", ids[0]) is None
    assert ("unknown", None) == told(do("dlq_retry", ids[0]))


def test_dead_letters_get_a_new_life_where_they_are_wanted(do: Do, one: Session) -> None:
    """Guards DlqRoundTrip: the same id, all attempts again; elsewhere or later on demand."""
    start_worker(one)
    first, second, third = (failed(one) for _ in range(3))
    assert ("settled", "dead_lettered") == told(do("dlq_move", first, reason="look"))
    assert 2 == do("dlq_move_many", queue="default").done
    assert ("stale", "dead_lettered") == told(do("dlq_move", first))
    assert ("settled", "available") == told(do("dlq_retry", first, to_queue="slow", priority=4))
    moved = do("get_job", first)
    assert ("slow", 4, 1, 2) == (moved.queue, moved.priority, moved.attempt, moved.run_lease)
    assert ("settled", "scheduled") == told(do("dlq_retry", second, delay=60))
    assert do("get_job", second).run_at is not None
    assert 1 == do("dlq_retry_many", everything=True).done
    assert "available" == state_of(do, third)
    assert ("stale", "available") == told(do("dlq_retry", third))


def test_the_storage_tells_its_status(do: Do, one: Session) -> None:
    """Guards `storage_status` for every client: it is JSON all through."""
    enqueue(one)
    found = do("storage_status")
    assert [0] == [slot["slot"] for slot in found["slots"] if slot["live"]]
    assert [("default", 1)] == [(lane["queue"], lane["pending"]) for lane in found["lanes"]]


@pytest.mark.parametrize(
    ("method", "given", "field"),
    [
        ("pause_queue", {"queue": ""}, "queue"),
        ("pause_queue", {"queue": "none"}, "queue"),
        ("override_queue", {"queue": "none", "weight": 1}, "queue"),
        ("override_queue", {"queue": "default"}, "overrides"),
        ("override_queue", {"queue": "default", "max_workers": 0}, "max_workers"),
        ("override_queue", {"queue": "default", "rate_limit": (1, 0)}, "rate_limit burst"),
        ("override_queue", {"queue": "default", "aging": 1e-6}, "aging"),
        ("override_queue", {"queue": "default", "weight": 1, "by": "x" * 201}, "by"),
        ("pause_queue", {"queue": "default", "paused_by": "x" * 201}, "paused_by"),
        ("resume_queue", {"queue": "none"}, "queue"),
        ("drain_queue", {"queue": "none"}, "queue"),
        ("drain_queue", {"queue": 7}, "queue"),
        ("configure_queue", {"queue": "default"}, "settings"),
        ("configure_queue", {"queue": "default", "deadline": -1}, "deadline"),
        ("configure_queue", {"queue": "default", "aging": 0.0001}, "aging"),
        ("configure_queue", {"queue": "default", "dead_letters": "yes"}, "dead_letters"),
        ("configure_queue", {"queue": "default", "enqueue_shards": 65}, "enqueue_shards"),
        ("configure_defaults", {"dead_letters": "default"}, "dead_letters"),
        ("dlq_retry", {"job_id": 1, "priority": 5}, "priority"),
        ("dlq_retry", {"job_id": 1, "to_queue": ""}, "to_queue"),
        ("dlq_retry", {"job_id": 1, "delay": -1}, "delay"),
        ("dlq_retry_many", {}, "everything"),
        ("dlq_move_many", {}, "everything"),
        ("dlq_purge_many", {}, "everything"),
        ("dlq_purge_many", {"tag": "a\0"}, "tag"),
        ("list_dlq", {"limit": 0}, "limit"),
        ("list_dlq", {"kind": ""}, "kind"),
        ("configure_queue", {"queue": "q", "deadline": 1e-9}, "deadline"),
        ("override_queue", {"queue": "q", "deadline": 1e-9}, "deadline"),
    ],
)
def test_bad_input_names_its_field(
    do: Do, one: Session, method: str, given: dict[str, Any], field: str
) -> None:
    """Guards callers: what is wrong is said, and nothing is done."""
    with pytest.raises(awa.InvalidInput) as refused:
        do(method, **given)
    assert field == refused.value.field
