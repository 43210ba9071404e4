"""Two who want one key: they take turns, one of them has it, and nobody else waits."""

import psycopg
import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    CLAIM,
    Blocked,
    Start,
    claim,
    claim_params,
    claimed,
    complete,
    enqueue,
    job_states,
    refused,
    start_worker,
    value,
)
from tests.unique_jobs import (
    KEY,
    PUT,
    dead_letter,
    dlq_retry,
    fail,
    keys,
    new,
    promote,
    put,
    put_many,
    put_of,
    put_params,
    unique,
)

OTHER_KEY = "f" * 32
DLQ_RETRY = "select answer from awa.dlq_retry(%s, %s)"


@pytest.fixture(autouse=True)
def worker(one: Session) -> None:
    """Start the worker that claims, and make the lanes: making one would be waited for as well."""
    start_worker(one)
    one.execute("select awa.ensure_lane(q) from unnest('{default,q0,q1}'::text[]) q")


def test_the_second_waits_for_the_first_and_finds_the_key_taken(
    one: Session, other: Session, start: Start, blocked: Blocked
) -> None:
    """Guards UniqueHeldOnce: nobody knows whether an open transaction will commit."""
    with one.transaction():
        job = new(one)
        second = start(other, PUT, put_params(**unique(on_conflict="return")))
        blocked(second.pid)
    assert (job, "available", True, "existing") == second.rows()[0]


def test_the_second_waits_for_the_first_and_has_the_key_when_that_rolls_back(
    one: Session, other: Session, start: Start, blocked: Blocked
) -> None:
    """Guards NoJobLost: a key of nobody refuses nobody."""
    with one.transaction(force_rollback=True):
        new(one)
        second = start(other, PUT, put_params(**unique()))
        blocked(second.pid)
    found = put_of(second.rows()[0])
    assert "inserted" == found.answer
    assert [(KEY, found.id)] == keys(one)


def test_other_keys_and_jobs_without_one_wait_for_nobody(one: Session, other: Session) -> None:
    """Guards producers: an open transaction holds up its own key only."""
    with one.transaction():
        new(one)
        new(other, key=OTHER_KEY)
        enqueue(other)


@pytest.mark.parametrize("commits", [True, False])
def test_two_who_take_over_the_key_of_a_completed_job(
    one: Session, other: Session, start: Start, blocked: Blocked, commits: bool
) -> None:
    """Guards UniqueHeldOnce: lazy release hands a key to one of them."""
    new(one)
    complete(one, claim(one).row)
    with one.transaction(force_rollback=not commits):
        first = new(one)
        second = start(other, PUT, put_params(**unique(on_conflict="return")))
        blocked(second.pid)
    found = put_of(second.rows()[0])
    assert ("existing" if commits else "inserted") == found.answer
    assert (found.id == first) == commits
    assert [(KEY, found.id)] == keys(one)


def test_taking_over_sees_a_completion_that_commits_meanwhile(
    one: Session, other: Session, start: Start, blocked: Blocked, session: NewSession
) -> None:
    """Guards lock first, then read: where the holder is, is looked up after the key is ours."""
    new(one)
    taken = claim(one).row
    holding = session()
    with holding.transaction():
        holding.execute("select from awa.unique_keys for update")
        second = start(other, PUT, put_params(**unique()))
        blocked(second.pid)
        complete(one, taken)
    assert "inserted" == put_of(second.rows()[0]).answer


def test_a_key_whose_row_goes_while_somebody_waits_for_it(
    one: Session, other: Session, start: Start, blocked: Blocked
) -> None:
    """Guards UniqueHeldOnce: the waiter looks again and writes a row of its own."""
    job = dead_letter(one)
    with one.transaction():
        one.execute("select * from awa.dlq_purge(800, %s)", [[job]])
        second = start(other, PUT, put_params(**unique()))
        blocked(second.pid)
    found = put_of(second.rows()[0])
    assert "inserted" == found.answer
    assert [(KEY, found.id)] == keys(one)


class TestReplacing:
    """`replace` against those who move the older job."""

    def test_a_claim_that_commits_first_has_the_job(
        self, one: Session, other: Session, start: Start, blocked: Blocked
    ) -> None:
        """Guards running jobs: the lane's lock comes before the look at what is pending."""
        job = new(one)
        with one.transaction():
            assert [1] == claim(one).seqs
            second = start(other, PUT, put_params(**unique(on_conflict="replace")))
            blocked(second.pid)
        found = put_of(second.rows()[0])
        assert (job, "running", "existing") == (found.id, found.state, found.answer)
        assert [(job, "running")] == job_states(one)

    def test_a_claim_that_rolls_back_leaves_the_job_to_be_replaced(
        self, one: Session, other: Session, start: Start, blocked: Blocked
    ) -> None:
        """Guards OneLivePlacePerJob: the older one ends, the new one is claimed."""
        job = new(one)
        with one.transaction(force_rollback=True):
            claim(one)
            second = start(other, PUT, put_params(**unique(on_conflict="replace")))
            blocked(second.pid)
        assert "replaced" == put_of(second.rows()[0]).answer
        assert [(job, "cancelled")] == job_states(one)[:1]
        # the withdrawn number is passed over: the claim takes the new one
        assert [2] == claim(one, token=2).seqs

    def test_a_claim_beside_it_finds_the_lane_busy(self, one: Session, other: Session) -> None:
        """Guards EntryClaimedOnce: until it is decided nobody claims in that lane."""
        new(one)
        with one.transaction():
            assert "replaced" == put(one, **unique(on_conflict="replace")).answer
            assert ["default"] == claimed(
                other.execute(CLAIM, claim_params(token=3)).fetchall(), 3
            ).busy
        assert [2] == claim(other, token=4).seqs

    def test_a_job_that_is_promoted_meanwhile_is_replaced_where_it_is_then(
        self, one: Session, other: Session, start: Start, blocked: Blocked
    ) -> None:
        """Guards OneLivePlacePerJob: it waits for the promotion and withdraws the new entry."""
        job = new(one, delay_s=60)
        with one.transaction():
            promote(one, job)
            second = start(other, PUT, put_params(**unique(on_conflict="replace")))
            blocked(second.pid)
        assert "replaced" == put_of(second.rows()[0]).answer
        assert [(job, "cancelled")] == job_states(one)[:1]
        assert 2 == len(job_states(one))
        assert [2] == claim(one).seqs


class TestDeadLetters:
    """A dead letter that returns against those who want its key."""

    @pytest.mark.parametrize("commits", [True, False])
    def test_it_waits_for_an_open_enqueue(
        self, one: Session, other: Session, start: Start, blocked: Blocked, commits: bool
    ) -> None:
        """Guards UniqueHeldOnce: which of the two runs is decided by the enqueue's end."""
        job = dead_letter(one)
        with one.transaction(force_rollback=not commits):
            new(one)
            second = start(other, DLQ_RETRY, [700, [job]])
            blocked(second.pid)
        assert [("duplicate" if commits else "settled",)] == second.rows()

    def test_an_enqueue_waits_for_it(
        self, one: Session, other: Session, start: Start, blocked: Blocked
    ) -> None:
        """Guards UniqueHeldOnce: the key is its again before it is anywhere."""
        job = dead_letter(one)
        with one.transaction():
            assert "settled" == dlq_retry(one, job)
            second = start(other, PUT, put_params(**unique(on_conflict="return")))
            blocked(second.pid)
        assert job == put_of(second.rows()[0]).id

    def test_an_older_snapshot_does_not_take_the_key_of_one_that_returned(
        self, one: Session, other: Session
    ) -> None:
        """Guards callers under REPEATABLE READ: they are told to try again."""
        job = dead_letter(one)
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with refused("40001"), other.transaction():
            assert 1 == value(other, "select count(*) from awa.unique_keys")
            assert "settled" == dlq_retry(one, job)
            new(other)
        assert [(job, "available")] == job_states(one)


def test_an_older_snapshot_holds_to_what_it_sees(one: Session, other: Session) -> None:
    """Guards callers under REPEATABLE READ: a holder that ended meanwhile still holds for them."""
    job = new(one)
    other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with other.transaction():
        assert 1 == value(other, "select count(*) from awa.unique_keys")
        complete(one, claim(one).row)
        assert job == put(other, **unique(on_conflict="return")).id


class TestForgetting:
    """Retiring and purging wait for no transaction of a user."""

    @pytest.mark.parametrize("commits", [True, False])
    def test_a_key_that_is_taken_over_just_now_is_left_alone(
        self, one: Session, other: Session, commits: bool
    ) -> None:
        """Guards the leader: a business transaction may last for hours."""
        new(one)
        fail(one, claim(one).row)
        with one.transaction(force_rollback=not commits):
            second = new(one)
            assert 1 == value(other, "select finals from awa.retire(keep_s => 0)")
        third = put(other, **unique(on_conflict="return"))
        assert (third.id == second) == commits
        assert [(KEY, third.id)] == keys(one)

    def test_a_dead_letter_is_purged_beside_it(self, one: Session, other: Session) -> None:
        """Guards operators: the same."""
        job = dead_letter(one)
        with one.transaction():
            second = new(one)
            assert "settled" == value(other, "select answer from awa.dlq_purge(800, %s)", [[job]])
        assert [(KEY, second)] == keys(one)


def test_documents_with_the_same_keys_in_another_order_take_turns(
    one: Session, other: Session, session: NewSession, start: Start, blocked: Blocked
) -> None:
    """Guards NoDeadlock: keys are taken in their own order, not in the document's."""
    mine = [unique(key=f"{n:032x}", on_conflict="return") for n in range(20)]
    put_many(one, *mine)
    asked = [{"kind": "k", "args": {}, "opts": opts} for opts in reversed(mine)]
    with one.transaction():
        one.execute("select from awa.unique_keys order by unique_key limit 1 for update")
        second = start(
            other,
            "select count(*) from awa.enqueue_many(%s) where duplicate",
            [psycopg.types.json.Jsonb(asked)],
        )
        blocked(second.pid)
        # who waits for the first key has none of those behind it, whoever wants them next
        free = session().execute("select from awa.unique_keys for update skip locked")
        assert 19 == free.rowcount
    assert [(20,)] == second.rows()


def test_replacing_in_several_lanes_takes_all_keys_before_any_lane(
    one: Session, other: Session, start: Start, blocked: Blocked
) -> None:
    """Guards NoDeadlock: who waits for a key holds no lane, so claims go on."""
    for n in range(2):
        new(one, key=f"{n:032x}", queue=f"q{n}")
    replacing = [unique(key=f"{n:032x}", queue=f"q{n}", on_conflict="replace") for n in range(2)]
    with one.transaction():
        # the second key is held up by somebody; the first one's lane stays free
        one.execute("select from awa.unique_keys where job_id = 2 for update")
        asked = [{"kind": "k", "args": {}, "opts": opts} for opts in replacing]
        second = start(
            other,
            "select answer from awa.enqueue_many(%s)",
            [psycopg.types.json.Jsonb(asked)],
        )
        blocked(second.pid)
        assert [1] == claim(one, queues=["q0"]).seqs
    assert [("existing",), ("replaced",)] == second.rows()
