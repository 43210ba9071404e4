"""Schedules in the database: who compares, who moves them on, and what becomes of their jobs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest

from awa._core.firing import plan
from awa._core.schedules import DueSchedule, FireAnswer, Fired, PutAnswer, timing_of
from awa._storage.executors import run_sync
from awa._storage.functions import Storage
from awa._storage.schedules import list_schedules
from awa.errors import InvalidInput, WrongTransaction
from tests.fix_database import Session
from tests.fix_sql import claim, complete, start_worker, value

STORAGE: Final = Storage("awa")
HOURLY: Final[dict[str, Any]] = {"cron": "0 * * * *", "kind": "report", "args": {"n": 1}}
SINCE: Final = datetime(2030, 1, 1, tzinfo=UTC)


def put(session: Session, name: str = "s", namespace: str = "n", **more: object) -> PutAnswer:
    """Put an hourly schedule, or what is said otherwise."""
    return run_sync(session, STORAGE.put_schedule(namespace, name, {**HOURLY, **more}))


def outage(session: Session, hours: float, name: str = "s") -> None:
    """Have a schedule be as if nobody had looked at it for so long."""
    session.execute(
        "update awa.cron_schedules set next_at = now() - make_interval(hours => 9999),"
        " upto = now() - make_interval(secs => %s) where name = %s",
        [hours * 3600, name],
    )
    # A replay is told: what it knows of the row is what actions said.
    session.execute("select awa.tell_schedule('env_older', 'n', %s)", [name])


def look(session: Session) -> dict[str, DueSchedule]:
    """Return what is due, by name."""
    return {due.name: due for due in run_sync(session, STORAGE.due_schedules()).due}


def fire(session: Session, due: DueSchedule, now: datetime | None = None) -> Fired:
    """Fire what a leader that looked so plans."""
    then = now or run_sync(session, STORAGE.due_schedules()).now
    wish = plan(timing_of(due), since=due.upto, now=then)
    return run_sync(
        session,
        STORAGE.fire(
            due.namespace,
            due.name,
            version=due.version,
            upto=wish.upto,
            due=wish.fires,
            next_at=wish.next_at,
        ),
    )


def jobs(session: Session) -> int:
    """Return how many jobs there are."""
    return int(value(session, "select count(*) from awa.jobs"))


def test_a_schedule_is_fired_once_with_its_instant(one: Session) -> None:
    """Guards FiredOnce in one place: a plan made before says nothing any more."""
    assert put(one, opts={"queue": "q", "metadata": {"a": 1}}) is PutAnswer.CREATED
    outage(one, 1.5)
    due = look(one)["s"]
    first, second = fire(one, due), fire(one, due)
    assert (FireAnswer.FIRED, FireAnswer.STALE) == (first.answer, second.answer)
    assert {} == look(one)
    (found,) = one.execute("select id, queue, kind, args, extra from awa.jobs").fetchall()
    shown = run_sync(one, list_schedules())[0]
    assert (shown.last_job, "q", "report", {"n": 1}) == found[:4]
    assert shown.upto == shown.last_due
    assert shown.last_due is not None
    assert {
        "a": 1,
        "cron_namespace": "n",
        "cron_name": "s",
        "cron_fire_time": shown.last_due.isoformat(),
    } == found[4]["metadata"]
    assert (1, 0) == (shown.fires, shown.overlapped)


def test_two_leaders_that_fire_at_the_same_moment_take_turns(
    one: Session,
    other: Session,
    start: Callable[..., Any],
    blocked: Callable[[int], None],
) -> None:
    """Guards FiredOnce: the row's lock comes before the comparison, and lasts until the commit."""
    put(one)
    outage(one, 1.5)
    due = look(one)["s"]
    one.execute("begin")
    assert fire(one, due).answer is FireAnswer.FIRED
    wish = plan(timing_of(due), since=due.upto, now=run_sync(other, STORAGE.due_schedules()).now)
    waiting = start(
        other,
        "select answer from awa.fire('n', 's', %s, %s, %s, null)",
        [due.version, wish.upto, list(wish.fires)],
    )
    blocked(waiting.pid)
    one.execute("commit")
    assert [("stale",)] == waiting.rows()
    assert 1 == jobs(one)


def test_a_fire_that_is_rolled_back_leaves_everything_for_the_next_leader(one: Session) -> None:
    """Guards NoFireLost: the row moves on and the job is stored together, or not at all."""
    put(one)
    outage(one, 1.5)
    due = look(one)["s"]
    with one.transaction(force_rollback=True):
        assert fire(one, due).answer is FireAnswer.FIRED
    assert 0 == jobs(one)
    assert fire(one, look(one)["s"]).answer is FireAnswer.FIRED


POLICIES: Final[list[tuple[dict[str, Any], int]]] = [
    ({}, 1),
    ({"missed_fire_policy": "catch_up"}, 5),
    ({"missed_fire_policy": "catch_up", "catch_up_max": 3}, 3),
    ({"missed_fire_policy": "catch_up", "max_lateness_s": 7300}, 2),
    ({"missed_fire_policy": "skip"}, 0),
    ({"missed_fire_policy": "skip", "max_lateness_s": 3600}, 1),
]
"""What is declared, and how many of five missed instants are fired."""


def test_after_an_outage_the_policy_says_how_often_a_schedule_fires(one: Session) -> None:
    """Guards PolicyKept on the whole way from the row to the jobs."""
    # Not near the full hour, so that no instant comes while the test runs.
    minute = (datetime.now(UTC) + timedelta(minutes=30)).minute
    for number, (policy, count) in enumerate(POLICIES):
        put(one, f"{number}", cron=f"{minute} * * * *", **policy)
        outage(one, 5, f"{number}")
        before = jobs(one)
        assert count == len(fire(one, look(one)[f"{number}"]).job_ids), policy
        assert count == jobs(one) - before
    assert {} == look(one)


def test_a_leader_whose_clock_is_fast_fires_nothing_early(one: Session) -> None:
    """Guards NeverEarly: the database's clock counts."""
    put(one)
    outage(one, 0.01)
    due = look(one)["s"]
    now = run_sync(one, STORAGE.due_schedules()).now
    assert fire(one, due, now + timedelta(hours=1)).answer is FireAnswer.EARLY
    assert 0 == jobs(one)


def test_nothing_is_fired_inside_a_larger_transaction(one: Session) -> None:
    """Guards producers: whoever replaces stops the claims of a lane until the transaction ends."""
    put(one)
    outage(one, 1.5)
    due = look(one)["s"]
    for act in (
        lambda: fire(one, due),
        lambda: run_sync(one, STORAGE.trigger_schedule("n", "s")),
    ):
        with one.transaction(force_rollback=True):
            one.execute("select awa.enqueue('k', '{}')")
            with pytest.raises(WrongTransaction), one.transaction():
                act()


def told(session: Session, by: Session) -> list[str]:
    """Return what was notified until now; notifications come when they come, but in their order."""
    by.execute("notify awa, 'end'")
    found: list[str] = []
    while "end" not in found:
        found += [one.payload for one in session.notifies(timeout=60, stop_after=1)]
    return found[:-1]


def test_the_leader_is_told_of_a_change(one: Session, other: Session) -> None:
    """Guards changes at run time: a leader sleeps until the next instant that it knows of."""
    other.execute("listen awa")
    put(one)
    put(one)
    assert [""] == told(other, one)
    run_sync(one, STORAGE.declare_schedules("n", [{"name": "t", **HOURLY}]))
    run_sync(one, STORAGE.declare_schedules("n", [{"name": "t", **HOURLY}]))
    assert [""] == told(other, one)
    run_sync(one, STORAGE.pause_schedule("n", "s"))
    run_sync(one, STORAGE.resume_schedule("n", "s"))
    assert [""] == told(other, one)


def test_a_plan_that_does_not_fit_the_row_is_refused(one: Session) -> None:
    """Guards upto: no caller moves a schedule back, or fires what was dealt with."""
    put(one)
    due = look(one)["s"]
    hour, moment = timedelta(hours=1), timedelta(microseconds=1)
    now = due.upto
    for upto, instants in (
        (now - hour, []),
        (now, []),
        (None, [now]),
        (now + moment, [now - hour]),
        (now + moment, [now + hour]),
    ):
        with pytest.raises(psycopg.Error) as refused:
            one.execute(
                "select awa.fire('n', 's', %s, %s, %s, null)",
                [due.version, upto, instants],
            )
        assert "AW001" == refused.value.sqlstate


def test_a_paused_schedule_rests_and_goes_on_from_when_it_is_resumed(one: Session) -> None:
    """Guards PausedSleeps and SleptStays."""
    put(one)
    outage(one, 1.5)
    due = look(one)["s"]
    assert run_sync(one, STORAGE.pause_schedule("n", "s", by="me"))
    assert not run_sync(one, STORAGE.pause_schedule("n", "s", by="you"))
    assert "me" == run_sync(one, list_schedules())[0].paused_by
    assert fire(one, due).answer is FireAnswer.STALE
    assert {} == look(one)
    assert run_sync(one, STORAGE.resume_schedule("n", "s"))
    assert not run_sync(one, STORAGE.resume_schedule("n", "s"))
    assert () == fire(one, look(one)["s"]).job_ids
    assert 0 == jobs(one)
    with pytest.raises(InvalidInput, match="no schedule"):
        run_sync(one, STORAGE.pause_schedule("n", "other"))


def test_a_schedule_with_another_rule_begins_anew_and_one_with_other_arguments_does_not(
    one: Session,
) -> None:
    """Guards OfItsRule: an instant of the new rule that has passed is no business of it."""
    put(one)
    outage(one, 1.5)
    was = look(one)["s"]
    assert put(one, args={"n": 2}) is PutAnswer.CHANGED
    assert put(one, args={"n": 2}) is PutAnswer.KEPT
    due = look(one)["s"]
    assert (True, True) == (due.upto == was.upto, due.version > was.version)
    assert fire(one, was).answer is FireAnswer.STALE
    assert put(one, cron="*/5 * * * *", args={"n": 2}) is PutAnswer.CHANGED
    assert fire(one, due).answer is FireAnswer.STALE
    assert () == fire(one, look(one)["s"]).job_ids


def test_a_namespace_removes_what_it_declared_and_nothing_else(one: Session) -> None:
    """Guards deployments: each declares for itself, and neither knows of the other."""
    declared = [{"name": name, **HOURLY} for name in ("a", "b")]
    for namespace in ("x", "y"):
        run_sync(one, STORAGE.declare_schedules(namespace, declared, remove=True))
    put(one, "by_hand", "x")
    run_sync(one, STORAGE.pause_schedule("x", "a"))
    answers = run_sync(one, STORAGE.declare_schedules("x", declared[:1], remove=True))
    assert [("a", "kept"), ("b", "removed")] == [(a.name, a.answer) for a in answers]
    run_sync(one, STORAGE.declare_schedules("y", [], remove=False))
    shown = {(s.namespace, s.name): s for s in run_sync(one, list_schedules())}
    assert {("x", "a"), ("x", "by_hand"), ("y", "a"), ("y", "b")} == set(shown)
    assert shown["x", "a"].paused_at is not None


def test_a_schedule_that_was_deleted_and_made_again_is_another_one(one: Session) -> None:
    """Guards versions: a leader that looked at the old one fires nothing of the new."""
    put(one)
    outage(one, 1.5)
    due = look(one)["s"]
    assert run_sync(one, STORAGE.delete_schedule("n", "s"))
    assert not run_sync(one, STORAGE.delete_schedule("n", "s"))
    assert fire(one, due).answer is FireAnswer.STALE
    put(one)
    assert fire(one, due).answer is FireAnswer.STALE


def test_a_plan_is_of_the_policy_it_was_made_for(one: Session) -> None:
    """Guards versions where the instants would fit, and what is past, which the row knows."""
    put(one, missed_fire_policy="catch_up")
    outage(one, 3.5)
    due = look(one)["s"]
    put(one, missed_fire_policy="coalesce")
    assert (FireAnswer.STALE, 0) == (fire(one, due).answer, jobs(one))
    due = look(one)["s"]
    assert (FireAnswer.FIRED, 1) == (fire(one, due).answer, jobs(one))
    version = value(one, "select version from awa.cron_schedules")
    with pytest.raises(InvalidInput, match="dealt with before"):
        fire(one, replace(due, version=version))
    assert 1 == jobs(one)


def test_a_trigger_stores_a_job_now_and_moves_nothing(one: Session) -> None:
    """Guards trigger: also of a paused schedule, told apart from fires by its metadata."""
    put(one)
    run_sync(one, STORAGE.pause_schedule("n", "s"))
    before = run_sync(one, list_schedules())[0]
    done = run_sync(one, STORAGE.trigger_schedule("n", "s", by="me"))
    assert ("inserted", "available") == (done.answer, done.state)
    metadata = value(one, "select extra -> 'metadata' from awa.jobs where id = %s", [done.job_id])
    assert {
        "cron_namespace": "n",
        "cron_name": "s",
        "triggered_manually": True,
        "triggered_by": "me",
    } == metadata
    after = run_sync(one, list_schedules())[0]
    assert (before.upto, done.job_id) == (after.upto, after.last_job)
    with pytest.raises(InvalidInput, match="no schedule"):
        run_sync(one, STORAGE.trigger_schedule("n", "other"))


def overlapping(session: Session, overlap: str) -> DueSchedule:
    """Put a schedule with a job that runs, and return what is due of it."""
    put(session, overlap=overlap)
    start_worker(session)
    run_sync(session, STORAGE.trigger_schedule("n", "s"))
    assert [1] == claim(session, token=1).seqs
    outage(session, 1.5)
    return look(session)["s"]


def test_a_schedule_that_skips_waits_until_its_job_is_finished(one: Session) -> None:
    """Guards OneAtATime: nothing is stored while the older job runs, and then it is again."""
    due = overlapping(one, "skip")
    assert (None,) == fire(one, due).job_ids
    assert "skipped" == run_sync(one, STORAGE.trigger_schedule("n", "s")).answer
    assert [(1, 0)] == one.execute("select overlapped, fires from awa.schedules").fetchall()
    complete(one, claim(one, token=1).row)
    assert "inserted" == run_sync(one, STORAGE.trigger_schedule("n", "s")).answer
    assert 2 == jobs(one)


def test_a_schedule_that_replaces_cancels_its_older_job(one: Session) -> None:
    """Guards OneAtATime: of a job that runs, its attempt ends; of one that waits, its entry."""
    due = overlapping(one, "replace")
    assert [None] != list(fire(one, due).job_ids)
    assert "replaced" == run_sync(one, STORAGE.trigger_schedule("n", "s")).answer
    states = one.execute("select state, reason from awa.jobs order by id").fetchall()
    assert [("cancelled", "replaced"), ("cancelled", "replaced"), ("available", None)] == states


def test_a_job_that_is_settled_just_now_is_not_waited_for(one: Session, other: Session) -> None:
    """Guards the leader: whoever replaces tries again, and nothing was done meanwhile."""
    due = overlapping(one, "replace")
    other.execute("begin")
    complete(other, claim(other, token=1).row)
    assert fire(one, due).answer is FireAnswer.BUSY
    other.execute("commit")
    assert fire(one, due).answer is FireAnswer.FIRED
    assert ["completed", "available"] == [
        state for (state,) in one.execute("select state from awa.jobs order by id").fetchall()
    ]


def test_what_is_caught_up_on_obeys_the_overlap(one: Session) -> None:
    """Guards OneAtATime within one fire: of five instants one job comes."""
    for overlap in ("skip", "replace"):
        put(one, overlap, cron="7 * * * *", overlap=overlap, missed_fire_policy="catch_up")
        outage(one, 5, overlap)
        stored = fire(one, look(one)[overlap]).job_ids
        assert 5 == len(stored)
        assert 1 == sum(job is not None for job in stored)
    assert 2 == jobs(one)


NONSENSE: Final[list[tuple[str, dict[str, object]]]] = [
    ("cron", {"cron": None}),
    ("cron", {"every_s": 5}),
    ("every_s", {"cron": ..., "every_s": 0}),
    ("kind", {"kind": ""}),
    ("args", {"args": None}),
    ("opts", {"opts": {"unique": {"by": []}}}),
    ("priority", {"opts": {"priority": 9}}),
    ("overlap", {"overlap": "maybe"}),
    ("missed_fire_policy", {"missed_fire_policy": "never"}),
    ("catch_up_max", {"catch_up_max": 0}),
    ("jitter_s", {"jitter_s": -1}),
    ("max_lateness_s", {"max_lateness_s": "long"}),
    ("color", {"color": "red"}),
]


def test_a_declaration_that_says_nonsense_is_refused(one: Session) -> None:
    """Guards later fires: what is stored can be enqueued."""
    for field, wrong in NONSENSE:
        said = {key: text for key, text in {**HOURLY, **wrong}.items() if text is not ...}
        with pytest.raises(InvalidInput) as refused:
            run_sync(one, STORAGE.put_schedule("n", "s", said))
        assert field == refused.value.field
    for namespace, name in (("", "s"), ("n", "n" * 201)):
        with pytest.raises(InvalidInput, match="1 to 200"):
            run_sync(one, STORAGE.put_schedule(namespace, name, HOURLY))
    twice = [{"name": "s", **HOURLY}] * 2
    with pytest.raises(InvalidInput, match="declared once"):
        run_sync(one, STORAGE.declare_schedules("n", twice))
    assert () == run_sync(one, list_schedules())
