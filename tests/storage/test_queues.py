"""What operators set of a queue: pausing it, and its settings."""

from typing import Any

import pytest

from tests.fix_actions import configure, job_at, told
from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    claim,
    complete,
    enqueue,
    enqueue_many,
    everything,
    refused,
    release,
    row,
    start_worker,
    value,
)


def pause(session: Session, queue: str = "default", by: str | None = None) -> bool:
    """Pause a queue."""
    return bool(value(session, "select awa.pause_queue(%s, %s)", [queue, by]))


def resume(session: Session, queue: str = "default") -> bool:
    """Let a queue go on."""
    return bool(value(session, "select awa.resume_queue(%s)", [queue]))


def test_a_paused_queue_is_empty_to_claims(one: Session) -> None:
    """Guards pausing: no new claims of it, in none of its lanes; others go on; nothing is lost."""
    start_worker(one)
    for priority in (1, 4):
        enqueue_many(one, 2, priority=priority)
    enqueue(one, queue="second")
    assert pause(one)
    found = claim(one, token=1, queues=["default", "second"])
    assert (["default"], [1]) == (found.empty, found.seqs)
    assert resume(one)
    assert 4 == len(claim(one, token=2).seqs)


def test_what_runs_when_a_queue_is_paused_goes_on(one: Session) -> None:
    """Guards pausing: attempts are settled as ever, and what is given back waits."""
    start_worker(one)
    enqueue_many(one, 3)
    found = claim(one, token=1).row
    pause(one)
    assert [(1, "settled", [1])] == complete(one, found, seqs=[1], settle_id=1)
    assert [(1, "settled", [2])] == release(one, found, seqs=[2], settle_id=2)
    assert ["default"] == claim(one, token=2).empty
    assert ["completed", "available", "running"] == [job_at(one, n).state for n in (1, 2, 3)]
    assert claim(one, token=1).seqs == [3]  # a repeat is answered: it takes nothing new
    resume(one)
    assert [4] == claim(one, token=3).seqs


def test_jobs_are_still_taken_in(one: Session) -> None:
    """Guards producers: pausing is the workers' business."""
    start_worker(one)
    enqueue(one)
    pause(one)
    enqueue(one)
    resume(one)
    assert [1, 2] == claim(one, token=1).seqs


def test_a_pause_says_who_and_since_when(one: Session) -> None:
    """Guards the view: the first to pause stands; resuming clears it."""
    one.execute("select awa.ensure_lane('default')")
    assert pause(one, by="ops")
    assert not pause(one, by="somebody else")
    look = "select paused_by, paused_at <= clock_timestamp() from awa.queues"
    assert ("ops", True) == row(one, look)
    assert resume(one)
    assert not resume(one)
    assert (None, None) == row(one, look)


def test_sleepers_hear_that_a_queue_goes_on(session: NewSession, one: Session) -> None:
    """Guards NoLostWakeup: once, when it was paused; whoever listens, flag or not."""
    ear = session()
    one.execute("select awa.ensure_lane('default')")
    with told(ear, "select awa_name()") as heard:
        pause(one)
        resume(one)
        resume(one)
    assert ["default"] == heard
    pause(one)
    one.execute("set awa.notify = off")
    with told(ear, "select awa_name()") as heard:
        resume(one)
    assert [] == heard


def test_an_unknown_queue_is_refused(one: Session) -> None:
    """Guards AW001: pausing what is not there would be a silent mistake of spelling."""
    for act in (pause, resume):
        for queue in ("nowhere", ""):
            with refused("AW001", "queue"):
                act(one, queue)
    with refused("AW001", "queue"):
        one.execute("select awa.pause_queue(null)")


def test_settings_are_set_one_by_one(one: Session) -> None:
    """Guards configure_queue: what is not given stays; the queue and its lanes are made."""
    look = (
        "select deadline_s, aging_s, enqueue_shards, dead_letters from awa.queue_settings"
        " where queue = 'new'"
    )
    configure(one, "new")
    assert (300, 60, 1, None) == row(one, look)
    configure(one, "new", deadline_s=0, aging_s=0)
    configure(one, "new", dead_letters=True)
    assert (0, 0, 1, True) == row(one, look)
    configure(one, "new", enqueue_shards=4, dead_letters=None)
    assert (0, 0, 4, None) == row(one, look)
    assert 4 == value(one, "select count(*) from awa.lanes where queue = 'new'")


@pytest.mark.parametrize("settings", ["null", "[]", '{"dead_letters": null}', '{"deadline_s": 1}'])
def test_bad_defaults_are_refused(one: Session, settings: str) -> None:
    """Guards AW001: what is no default of an installation is not taken for one."""
    with refused("AW001", "settings"):
        one.execute("select awa.configure_defaults(%s::jsonb)", [settings])


BAD_SETTINGS: list[Any] = [
    None,
    [],
    "x",
    {"unknown": 1},
    {"deadline_s": -1},
    {"deadline_s": "soon"},
    {"deadline_s": "NaN"},
    {"deadline_s": 0.0001},
    {"aging_s": 0.0001},
    {"aging_s": 1e300},
    {"enqueue_shards": 0},
    {"enqueue_shards": 65},
    {"enqueue_shards": 1.5},
    {"dead_letters": "maybe"},
]


@pytest.mark.parametrize("settings", BAD_SETTINGS)
def test_bad_settings_are_refused_and_write_nothing(one: Session, settings: Any) -> None:
    """Guards AW001: every claim reads them, so a bad one would stop it; no queue is made."""
    before = everything(one)
    fields = {"deadline_s", "aging_s", "enqueue_shards"} & set(settings or ())
    field = fields.pop() if fields else "settings"
    with refused("AW001", field):
        if isinstance(settings, dict):
            configure(one, "new", **settings)
        else:
            one.execute(
                "select awa.configure_queue('new', to_jsonb(%s::text::jsonb))",
                [None if settings is None else '["x"]'],
            )
    assert before == everything(one)
