"""Unique jobs: who holds a key in which state, and what becomes of the second job."""

from collections.abc import Callable
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from awa._core.entries import JobState
from awa._core.lifecycle import FINAL, LIVE
from tests.fix_database import Session
from tests.fix_sql import beat, claim, complete, everything, refused, release, start_worker, value
from tests.unique_jobs import (
    KEY,
    dead_letter,
    dlq_retry,
    fail,
    is_held,
    keys,
    new,
    promote,
    put,
    put_many,
    retry,
    snooze,
    unique,
)

LIVING = sorted(LIVE)
OTHER_KEY = "f" * 32
Path = Callable[[Session, int], object]


def move(session: Session, job: int) -> None:
    """Make an ended job a dead letter."""
    session.execute("select * from awa.dlq_move(1, %s)", [[job]])


def cancel(session: Session, job: int) -> None:
    """Cancel a job that nobody runs."""
    session.execute("select * from awa.cancel_pending(2, %s)", [[job]])


# How a job gets into each state, from its first entry on.
PATHS: dict[str, tuple[Path, ...]] = {
    "available": (),
    "running": (lambda one, _job: claim(one),),
    "released": (lambda one, _job: release(one, claim(one).row),),
    "retryable": (lambda one, _job: retry(one, claim(one).row, delay_s=60),),
    "snoozed": (lambda one, _job: snooze(one, claim(one).row),),
    "retried": (lambda one, _job: retry(one, claim(one).row, delay_s=60), promote),
    "lost": (lambda one, _job: claim(one, call=1), lambda one, _job: beat(one, 1, 1)),
    "completed": (lambda one, _job: complete(one, claim(one).row),),
    "failed": (lambda one, _job: fail(one, claim(one).row),),
    "dead": (lambda one, _job: fail(one, claim(one).row), move),
    "cancelled": (cancel,),
}
ENDS = {"completed", "failed", "dead", "cancelled"}


def bring(session: Session, job: int, path: str) -> None:
    """Bring a new job to where this path leads."""
    for step in PATHS[path]:
        step(session, job)


def state_of(session: Session, job: int) -> str:
    """Return the state that the jobs' view shows."""
    return str(value(session, "select state from awa.jobs where id = %s", [job]))


@pytest.fixture(autouse=True)
def worker(one: Session) -> None:
    """Start the worker that claims."""
    start_worker(one)


class TestConflicts:
    """What becomes of the second job with a key."""

    def test_it_is_refused_by_default_and_the_error_names_the_holder(self, one: Session) -> None:
        """Guards UniqueHeldOnce: nothing is written, and DETAIL is the holder's id."""
        job = new(one)
        before = everything(one)
        with refused("AW008", f"job {job} has this unique key") as _:
            put(one, **unique())
        assert before == everything(one)

    def test_it_may_be_answered_with_the_older_job(self, one: Session) -> None:
        """Guards `return`: the id and the state of the job that stands for it."""
        job = new(one, delay_s=60)
        found = put(one, **unique(on_conflict="return"))
        assert (job, "scheduled", True, "existing") == tuple(
            getattr(found, name) for name in ("id", "state", "duplicate", "answer")
        )

    def test_it_may_be_skipped(self, one: Session) -> None:
        """Guards `skip`: no id, and no job."""
        new(one)
        found = put(one, **unique(on_conflict="skip"))
        assert (None, None, True, "skipped") == tuple(
            getattr(found, name) for name in ("id", "state", "duplicate", "answer")
        )
        assert 1 == value(one, "select count(*) from awa.jobs")

    @pytest.mark.parametrize("state", ["available", "scheduled", "retryable", "retried"])
    def test_it_may_replace_a_job_that_nobody_runs(self, one: Session, state: str) -> None:
        """Guards `replace`: the older job ends as cancelled, the new one has the key."""
        if state == "scheduled":
            job = new(one, delay_s=60)
        else:
            job = new(one)
            bring(one, job, state)
        found = put(one, **unique(on_conflict="replace", priority=1))
        assert "replaced" == found.answer
        assert not found.duplicate
        assert found.id is not None
        assert [(KEY, found.id)] == keys(one)
        assert "cancelled" == state_of(one, job)
        assert "replaced" == value(one, "select reason from awa.finals")
        assert [1] == [len(r.seqs) for r in claim(one, token=9).rows]

    @pytest.mark.parametrize("state", ["running", "lost"])
    def test_it_cannot_replace_what_runs_and_can_when_it_is_given_back(
        self, one: Session, state: str
    ) -> None:
        """Guards running jobs: what has begun is answered, not taken away."""
        job = new(one)
        bring(one, job, state)
        found = put(one, **unique(on_conflict="replace"))
        expected = ("existing", True) if state == "running" else ("replaced", False)
        assert expected == (found.answer, found.duplicate)
        assert (found.id == job) == (state == "running")

    def test_replacing_is_refused_inside_a_larger_transaction(self, one: Session) -> None:
        """Guards claims of the lane: they would wait for the caller's transaction."""
        new(one)
        with refused("AW007", "larger transaction"), one.transaction():
            put(one)
            put(one, **unique(on_conflict="replace"))
        with refused("AW007", "larger transaction"), one.transaction():
            put(one)
            put_many(one, unique(on_conflict="replace"))

    def test_whatever_was_chosen_the_first_is_simply_inserted(self, one: Session) -> None:
        """Guards callers who cannot know whether they are the first."""
        for n, answer in enumerate(("raise", "return", "skip", "replace")):
            found = put(one, **unique(key=f"{n:032x}", on_conflict=answer))
            assert ("inserted", "available", False) == (found.answer, found.state, found.duplicate)

    def test_a_transaction_sees_its_own_keys_and_gives_them_back(self, one: Session) -> None:
        """Guards transactional enqueue: rolled back, to a savepoint as well, is never held."""
        with one.transaction():
            with one.transaction(force_rollback=True):
                new(one)
                assert is_held(one)
            job = new(one)
            assert is_held(one)
        assert [(KEY, job)] == keys(one)


class TestUntilFinished:
    """The default: a key is held in every state that a job comes back from."""

    @pytest.mark.parametrize("path", PATHS)
    def test_the_key_is_held_until_the_job_has_ended(self, one: Session, path: str) -> None:
        """Guards UniqueHeldOnce: kept over retry, snooze, release and loss; free at each end."""
        bring(one, new(one), path)
        assert (path not in ENDS) == is_held(one)

    def test_a_scheduled_job_holds_it_before_and_after_its_time(self, one: Session) -> None:
        """Guards UniqueHeldOnce: promotion is no end."""
        job = new(one, delay_s=60)
        assert is_held(one)
        promote(one, job)
        assert is_held(one)

    def test_the_last_attempt_ends_it(self, one: Session) -> None:
        """Guards UniqueHeldOnce: exhausted is failed."""
        job = new(one, max_attempts=1)
        retry(one, claim(one).row)
        assert "failed" == state_of(one, job)
        assert not is_held(one)


class TestUntilTheWindowEnds:
    """A key for a time."""

    @pytest.mark.parametrize("path", sorted(ENDS))
    def test_the_key_is_held_after_the_end(self, one: Session, path: str) -> None:
        """Guards windows: it is the clock that frees the key, not the job."""
        bring(one, new(one, until="window", until_at=4_000_000_000), path)
        assert is_held(one)

    def test_the_key_is_free_when_the_window_is_over(self, one: Session) -> None:
        """Guards windows: even while the job waits; the next window is another one's."""
        new(one, until="window", until_at=1_000_000_000)
        assert not is_held(one)

    def test_the_window_is_the_period_that_the_database_counts(self, one: Session) -> None:
        """Guards the derivation in SQL: the bucket of now enters the key, its end the row."""
        with one.transaction():
            wanted = {"by": ["args", "queue"], "period_s": 3600, "until": "window"}
            found = put(one, args={"n": 1}, unique=wanted, queue="q")
            at = one.execute(
                "select unique_key, extract(epoch from until)::bigint,"
                " floor(extract(epoch from clock_timestamp()) / 3600)::bigint from awa.unique_keys"
            ).fetchall()[0]
            derived = value(
                one, "select awa.unique_key('k', %s, 'q', %s)", [Jsonb({"n": 1}), at[1] // 3600 - 1]
            )
        assert "inserted" == found.answer
        assert derived == at[0]
        assert at[1] % 3600 == 0
        assert at[1] // 3600 - 1 in {at[2], at[2] - 1}

    def test_a_period_alone_makes_jobs_of_two_periods_two(self, one: Session) -> None:
        """Guards periods without a window: the key is another one, and free at the end."""
        found = put(one, unique={"by": [], "period_s": 3600})
        assert found.id is not None
        complete(one, claim(one).row)
        again = put(one, unique={"by": ["period"], "period_s": 3600})
        assert "inserted" == again.answer

    def test_who_replaces_has_the_key_for_its_own_time(self, one: Session) -> None:
        """Guards UniqueHeldOnce: the older one's window is over with it."""
        new(one, until="window", until_at=4_000_000_000)
        found = put(one, **unique(on_conflict="replace"))
        assert "replaced" == found.answer
        complete(one, claim(one).row)
        assert not is_held(one)

    def test_what_has_ended_in_it_cannot_be_replaced(self, one: Session) -> None:
        """Guards windows: at most once means not again, whoever asks."""
        job = new(one, until="window", until_at=4_000_000_000)
        complete(one, claim(one).row)
        found = put(one, **unique(on_conflict="replace"))
        assert (job, "completed", "existing") == (found.id, found.state, found.answer)


class TestStates:
    """Masks of one's own."""

    def test_an_end_may_hold_the_key(self, one: Session) -> None:
        """Guards masks: who failed keeps the key, as a dead letter too; who completed does not."""
        job = new(one, states=[*LIVING, "failed"])
        fail(one, claim(one).row)
        assert is_held(one)
        move(one, job)
        assert is_held(one)
        new(one, states=[*LIVING, "failed"], key=OTHER_KEY)
        complete(one, claim(one, token=2).row)
        assert not is_held(one, OTHER_KEY)

    def test_a_dead_letter_counts_as_what_it_ended_as(self, one: Session) -> None:
        """Guards masks: cancelled, and moved by an operator, is still cancelled."""
        job = new(one, states=[*LIVING, "failed"])
        bring(one, job, "cancelled")
        successor = new(one)
        move(one, job)
        assert [(KEY, successor)] == keys(one)
        assert is_held(one)
        assert "duplicate" == dlq_retry(one, job)

    def test_the_closed_masks_are_those_that_python_takes(self, one: Session) -> None:
        """Guards one rule in two places: all living states, and any ends."""
        masks: list[list[str]] = [[], ["completed"], [str(state) for state in FINAL]]
        for n, ends in enumerate(masks):
            new(one, key=f"{n:032x}", states=[*LIVING, *ends])
        for state in sorted(LIVE):
            with refused("AW001", "unique"):
                new(one, states=[str(s) for s in JobState if s != state])

    def test_the_refusal_names_what_is_missing(self, one: Session) -> None:
        """Guards users: the message says what to add, and what would do instead."""
        with pytest.raises(Exception, match=r"add running, waiting_external.*until = started"):
            new(one, states=["scheduled", "available", "retryable"])


class TestDeadLetters:
    """A dead letter holds nothing, and asks for its key when it returns."""

    def test_it_has_its_key_again(self, one: Session) -> None:
        """Guards DlqRoundTrip: nobody took it."""
        job = dead_letter(one)
        assert "settled" == dlq_retry(one, job)
        assert is_held(one)

    def test_it_stays_when_another_job_has_the_key(self, one: Session) -> None:
        """Guards UniqueHeldOnce: the answer is `duplicate`, and nothing is written."""
        job = dead_letter(one)
        other = new(one)
        assert "duplicate" == dlq_retry(one, job)
        assert [(KEY, other)] == keys(one)
        complete(one, claim(one, token=901).row)
        assert "settled" == dlq_retry(one, job, 902)
        assert [(KEY, job)] == keys(one)

    def test_it_wants_the_key_it_had(self, one: Session) -> None:
        """Guards jobs by period and queue: the key is kept with the job, not derived again."""
        opts: dict[str, Any] = {"unique": {"by": ["queue"], "period_s": 1, "until": "finished"}}
        job = put(one, queue="q", **opts).id
        assert job is not None
        before = keys(one)
        fail(one, claim(one, queues=["q"]).row)
        move(one, job)
        assert "settled" == dlq_retry(one, job, queue="elsewhere")
        assert before == keys(one)


class TestForgotten:
    """A key goes with the last trace of its job."""

    def test_with_its_final_row(self, one: Session) -> None:
        """Guards Reclaims: failed and cancelled jobs take their keys along."""
        bring(one, new(one), "failed")
        cancel(one, new(one, key=OTHER_KEY))
        one.execute("select * from awa.retire(keep_s => 0)")
        assert [] == keys(one)

    def test_with_its_dead_letter(self, one: Session) -> None:
        """Guards Reclaims: purged by hand, or after its time."""
        purged = dead_letter(one)
        dead_letter(one, key=OTHER_KEY)
        one.execute("select * from awa.dlq_purge(800, %s)", [[purged]])
        assert [OTHER_KEY] == [key for key, _ in keys(one)]
        one.execute("select * from awa.retire(dlq_keep_s => 0)")
        assert [] == keys(one)

    def test_not_before_its_window_is_over(self, one: Session) -> None:
        """Guards windows: a key with a time outlives its job, and goes after it."""
        for n, until_at in enumerate((4_000_000_000, 1_000_000_000)):
            cancel(one, new(one, key=f"{n:032x}", until="window", until_at=until_at))
        one.execute("select * from awa.retire(keep_s => 0)")
        assert [f"{0:032x}"] == [key for key, _ in keys(one)]

    @pytest.mark.by_hand
    def test_what_was_left_over_is_swept(self, one: Session) -> None:
        """Guards Reclaims: a key that was locked when its job went is found, from anywhere on."""
        mine = new(one)
        one.execute(
            "insert into awa.unique_keys select '\\xffffffffffff' || int8send(n), -n, '{failed}'"
            " from generate_series(1, 20) n"
        )
        one.execute("select * from awa.retire()")
        assert [(KEY, mine)] == keys(one)
