"""Jobs by id and by page: what the index paths find is what the view shows."""

from collections.abc import Callable
from itertools import product
from typing import Any

import psycopg
import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import claim, complete, enqueue, enqueue_many, refused, release, start_worker

STATES = ("available", "running", "completed", "scheduled", "retryable", "failed", "cancelled")


def settle(session: Session, how: str, token: int, limit: int, *rest: object) -> None:
    """Claim some jobs and end their attempts."""
    for row in claim(session, limit, token=token).rows:
        places = "".join(", %s" for _ in rest)
        session.execute(
            f"select awa.{how}(1, %s, array[%s::smallint], array[%s::bigint], array[%s::smallint],"
            f" array[%s::int8multirange]{places})",
            [token, row.slot, token, row.part, f"{{[{row.seqs[0]},{row.seqs[-1] + 1})}}", *rest],
        )


@pytest.fixture
def mixture(one: Session) -> Session:
    """Return a session of a database with jobs in every state, over three slots and three lanes."""
    start_worker(one)
    for slot in range(3):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        enqueue_many(one, 12)
        enqueue_many(one, 4, priority=3)
        enqueue_many(one, 5, queue="other")
        token = slot * 10
        for row in claim(one, 4, token=token + 1).rows:
            complete(one, row, settle_id=token + 1)
        settle(one, "retry", token + 2, 2)
        settle(one, "fail", token + 3, 2)
        settle(one, "snooze", token + 4, 1, [3600.0])
        settle(one, "cancel_running", token + 5, 1)
        release(one, claim(one, 2, token=token + 6).row, settle_id=token + 6)
        claim(one, 1, token=token + 7)
        claim(one, 1, token=token + 8, queues=["other"])
        enqueue(one, delay_s=60, queue="other")
        one.execute("select awa.enqueue('rare', '{}', '{\"delay_s\": 60}')")
        one.execute("select awa.enqueue('rare', '{}') from generate_series(1, 3)")
    one.execute("select awa.cancel_pending(99, array(select id from awa.jobs where id % 7 = 0))")
    return one


def page(session: Session, **given: Any) -> list[tuple[Any, ...]]:
    """Return a page, whole rows."""
    names = ", ".join(f"{name} => %s" for name in given)
    return session.execute(
        f"select * from awa.jobs_page({names}) order by id desc",
        list(given.values()),
    ).fetchall()


def test_a_page_holds_what_the_view_holds_whatever_the_filters(mixture: Session) -> None:
    """Guards the index paths: for every filter, the pages together are the view, newest first."""
    assert set(STATES) == {s for (s,) in mixture.execute("select state from awa.jobs").fetchall()}
    kinds = (None, "k", "rare")
    for state, queue, kind in product((None, *STATES), (None, "default", "other"), kinds):
        wanted = mixture.execute(
            "select * from awa.jobs where (%(s)s::text is null or state = %(s)s)"
            " and (%(q)s::text is null or queue = %(q)s)"
            " and (%(k)s::text is null or kind = %(k)s) order by id desc",
            {"s": state, "q": queue, "k": kind},
        ).fetchall()
        found: list[tuple[Any, ...]] = []
        before = None
        while rows := page(
            mixture, state=state, queue=queue, kind=kind, before_id=before, max_jobs=4
        ):
            found += rows
            before = rows[-1][0]
        assert wanted == found, (state, queue, kind)


def test_jobs_are_found_by_id_wherever_they_are(mixture: Session) -> None:
    """Guards `jobs_by_id`: the same rows as the view's, and nothing for ids that no job has."""
    wanted = mixture.execute("select * from awa.jobs order by id desc").fetchall()
    ids = [row[0] for row in wanted]
    found = mixture.execute("select * from awa.jobs_by_id(%s)", [[*ids, 10_000]]).fetchall()
    assert wanted == found


def test_the_attempts_of_jobs_are_those_of_the_view(mixture: Session) -> None:
    """Guards `attempts_of`: open and ended ones, of these jobs only."""
    ids = [1, 2, 3, 4, 5, 6, 20]
    wanted = mixture.execute(
        "select * from awa.attempts where job_id = any (%s) order by job_id desc, run_lease desc",
        [ids],
    ).fetchall()
    assert wanted
    assert wanted == mixture.execute("select * from awa.attempts_of(%s)", [ids]).fetchall()


def test_the_counts_of_queues_are_those_of_their_jobs(mixture: Session) -> None:
    """Guards the two sums: what was claimed less what was closed is what runs."""
    wanted = mixture.execute(
        "select queue, count(*) filter (where state = 'available'),"
        " count(*) filter (where state = 'running'), count(*) filter (where state = 'completed'),"
        " count(*) filter (where state in ('scheduled', 'retryable')),"
        " count(*) filter (where state in ('failed', 'cancelled')) from awa.jobs"
        " group by queue order by queue"
    ).fetchall()
    assert (
        wanted
        == mixture.execute(
            "select queue, available, running, completed, deferred, final from awa.queues"
            " order by queue"
        ).fetchall()
    )


def test_a_filter_that_nothing_matches_gives_an_empty_page(mixture: Session) -> None:
    """Guards the end of the walk: no state, queue or kind of that name is no error."""
    assert [] == page(mixture, kind="none")
    assert [] == page(mixture, queue="none")
    assert [] == page(mixture, state="available", queue="none")
    assert [] == page(mixture, before_id=1)
    assert [] == page(mixture, max_jobs=0)


def test_the_holder_of_a_unique_key_is_found(one: Session) -> None:
    """Guards cancelling by key: who holds it, and nobody when its time is over, or never came."""
    key = "00112233445566778899aabbccddeeff"
    job = enqueue(one, unique={"key": key, "until": "started"})
    looked = "select awa.key_holder(decode(%s, 'hex'))"
    assert [(job,)] == one.execute(looked, [key]).fetchall()
    assert [(None,)] == one.execute(looked, ["ff" * 16]).fetchall()
    start_worker(one)
    claim(one)
    assert [(None,)] == one.execute(looked, [key]).fetchall()


def test_the_status_of_the_storage_names_its_parts(mixture: Session) -> None:
    """Guards `storage_status`: slots that hold something, lanes with what waits, workers."""
    (found,) = mixture.execute("select awa.storage_status()").fetchall()[0]
    assert [0, 1, 2] == [slot["slot"] for slot in found["slots"] if slot["live"]]
    assert [2] == [slot["slot"] for slot in found["slots"] if slot["current"]]
    waiting = mixture.execute("select count(*) from awa.jobs where state = 'available'").fetchall()
    assert waiting == [(sum(lane["pending"] for lane in found["lanes"]),)]
    assert [(1, False, False)] == [(w["worker"], w["alive"], w["leads"]) for w in found["workers"]]


def test_acts_take_a_bounded_list_of_distinct_jobs(one: Session) -> None:
    """Guards locks: an act holds them until its end, so it is not asked for everything at once."""
    for act in ("cancel_pending", "dlq_move", "dlq_retry", "dlq_purge"):
        with refused("AW004"):
            one.execute(f"select awa.{act}(1, array(select generate_series(1, 501)))")
        with refused("AW001", "job_ids"):
            one.execute(f"select awa.{act}(1, '{{1,1}}')")


def blocks(session: Session, state: str | None, size: int = 10) -> int:
    """Return how many blocks a full page of this state touches."""
    looked = "select * from awa.jobs_page(state => %s, max_jobs => %s)"
    assert size == len(session.execute(looked, [state, size]).fetchall())
    plan = session.execute(
        "explain (analyze, buffers, timing off, format json) " + looked, [state, size]
    ).fetchone()
    assert plan is not None
    return int(plan[0][0]["Plan"]["Shared Hit Blocks"])


@pytest.mark.bulk
@pytest.mark.parametrize("state", [None, "available", "completed", "failed"])
def test_a_page_reads_little_of_a_long_queue(one: Session, state: str | None) -> None:
    """Guards answers in milliseconds: blocks touched, of 30,000 jobs, for a page of ten."""
    start_worker(one)
    for slot in range(3):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        enqueue_many(one, 10_000)
    for token in range(1, 16):
        complete(one, *claim(one, 1000, token=token).rows, settle_id=token)
    settle(one, "fail", 99, 20)
    assert blocks(one, state) < 4000


@pytest.mark.bulk
@pytest.mark.parametrize("how", ["run", "fail"])
def test_completed_jobs_are_found_below_those_that_run_or_failed(one: Session, how: str) -> None:
    """Guards pages while work goes on: claims tell what did not complete, for all their jobs."""
    start_worker(one)
    enqueue_many(one, 10_000)
    complete(one, *claim(one, 1000, token=1).rows, settle_id=1)
    idle = blocks(one, "completed")
    for token in range(2, 7):
        if how == "run":
            claim(one, 1000, token=token)
        else:
            settle(one, "fail", token, 1000)
    assert blocks(one, "completed") < idle + 4000


@pytest.mark.bulk
def test_jobs_to_be_tried_again_are_found_below_those_for_later(one: Session) -> None:
    """Guards pages of a state that few wait in: jobs of the other one are not passed."""
    start_worker(one)
    enqueue_many(one, 20)
    settle(one, "retry", 1, 20)
    alone = blocks(one, "retryable")
    enqueue_many(one, 5000, delay_s=3600)
    assert blocks(one, "retryable") < alone + 40


def test_a_page_that_jobs_to_come_fill_reads_none_of_the_ring(one: Session) -> None:
    """Guards the first page of a queue that plans ahead: it needs no job of the ring."""
    enqueue_many(one, 200)
    of_the_ring = blocks(one, "available", 100)
    for _ in range(100):
        enqueue(one, delay_s=3600)
    assert {"scheduled"} == {row[4] for row in page(one, max_jobs=100)}
    assert blocks(one, None, 100) < of_the_ring / 2


def test_a_job_that_completed_after_a_retry_is_found_in_the_same_slot(one: Session) -> None:
    """Guards passing by claims: of a job with several entries, the one that completed counts."""
    start_worker(one)
    enqueue_many(one, 5)
    settle(one, "retry", 1, 5)
    one.execute("update awa.deferred set run_at = now() - interval '1 hour'")
    one.execute("select awa.promote(100)")
    for token in (2, 3):
        complete(one, claim(one, 2, token=token).row, settle_id=token)
    wanted = one.execute("select * from awa.jobs where state = 'completed' order by id desc")
    rows = wanted.fetchall()
    assert 4 == len(rows)
    assert rows == page(one, state="completed")
    assert rows[:1] == page(one, state="completed", max_jobs=1)


def newest(session: Session) -> tuple[int, int]:
    """Return the newest job of the queue, by the view and by its page."""
    viewed = session.execute("select max(id) from awa.jobs where queue = 'default'").fetchall()
    return viewed[0][0], page(session, queue="default", max_jobs=1)[0][0]


@pytest.mark.bulk
def test_many_jobs_that_return_hide_no_newer_ones(one: Session) -> None:
    """Guards where a walk begins: numbers of jobs that were tried or waited say little of ids."""
    start_worker(one)
    one.execute(
        "select awa.enqueue_many(jsonb_agg(jsonb_build_object('kind', 'k', 'args', i,"
        " 'opts', '{\"delay_s\": 60}'::jsonb))) from generate_series(1, 700) i"
    )
    enqueue_many(one, 7000)
    one.execute("update awa.deferred set run_at = now() - interval '1 hour'")
    one.execute("select awa.promote(1000)")
    assert newest(one) == (7700, 7700)
    release(one, *claim(one, 700, token=1).rows, settle_id=1)
    assert newest(one) == (7700, 7700)


def hold_numbers(session: Session, holder: Session) -> None:
    """Let nobody draw a number of the lane until the holder's transaction ends."""
    (lane_seq,) = session.execute("select seq::regclass::text from awa.lanes").fetchall()[0]
    holder.execute("begin")
    holder.execute(f"alter sequence {lane_seq} cache 1")


@pytest.mark.bulk
@pytest.mark.parametrize(
    "stored",
    [
        "awa.enqueue('k', '1')",
        "awa.enqueue('k', '1', '{\"ordering_key\": \"a\"}')",
        """awa.enqueue_many('[{"kind": "k", "args": 1}]')""",
        """awa.enqueue_many('[{"kind": "k", "args": 1, "opts": {"ordering_key": "a"}}]')""",
    ],
)
def test_a_producer_that_stood_still_hides_no_newer_jobs(
    one: Session,
    session: NewSession,
    start: Callable[..., Any],
    blocked: Callable[[int], None],
    stored: str,
) -> None:
    """Guards the mark of entries whose id was drawn long before their number.

    It waits between the two, while others draw ids.
    """
    enqueue_many(one, 1)
    holder, other = session(), session()
    hold_numbers(one, holder)
    producer = start(one, f"select * from {stored}")
    blocked(producer.pid)
    other.execute("select nextval('awa.job_id_seq') from generate_series(1, 7000)")
    holder.execute("rollback")
    producer.rows()
    # What these others stored has lower numbers than the entry.
    other.execute("update awa.ready_0 set job_id = 7002 where seq = 1")
    assert newest(one) == (7002, 7002)


@pytest.mark.parametrize(
    "stored",
    ["awa.enqueue('k', '1')", """awa.enqueue_many('[{"kind": "k", "args": 1}]')"""],
)
def test_an_id_is_drawn_before_its_number(one: Session, other: Session, stored: str) -> None:
    """Guards the order that pages rely on: who cannot draw a number has an id already."""
    enqueue(one)
    hold_numbers(one, other)
    one.execute("set lock_timeout = '10ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        one.execute(f"select * from {stored}")
    other.execute("rollback")
    assert [(2,)] == one.execute("select last_value from awa.job_id_seq").fetchall()


@pytest.mark.bulk
def test_jobs_cancelled_one_by_one_do_not_burden_the_page_beside_them(one: Session) -> None:
    """Guards pages of what waits: withdrawals around its numbers are read once, not for each."""
    enqueue_many(one, 10_000)
    plain = blocks(one, "available", 100)
    for job in range(9001, 9401):
        one.execute("select awa.cancel_pending(%s, array[%s::bigint])", [job, job])
    assert blocks(one, "available", 100) < 3 * plain
