"""Shards: which lane a job goes to, and that none is left behind when their number changes."""

from collections import Counter

import pytest
from psycopg.types.json import Jsonb

from awa._core.sharding import ordering_shard
from tests.fix_database import Session
from tests.fix_sql import claim, complete, enqueue, enqueue_many, refused, release, start_worker
from tests.unique_jobs import dlq_retry, fail, promote, retry

KEYS = [f"customer-{n}" for n in range(12)]


def configure(session: Session, shards: object, queue: str = "default") -> None:
    """Set a queue's number of shards."""
    session.execute(
        "select awa.configure_queue(%s, %s)", [queue, Jsonb({"enqueue_shards": shards})]
    )


def places(session: Session) -> dict[int, tuple[str, int]]:
    """Return queue and shard of each job that waits or runs, or is a dead letter."""
    found = session.execute(
        "select x.job_id, l.queue, l.shard from awa.lanes l join ("
        " select distinct on (job_id) job_id, lane from ("
        "  select job_id, lane, run_lease from awa.ready union all"
        "  select job_id, lane, run_lease from awa.deferred union all"
        "  select job_id, lane, run_lease from awa.dlq) e order by job_id, run_lease desc) x"
        " using (lane)"
    ).fetchall()
    return {job: (queue, shard) for job, queue, shard in found}


def shards(session: Session) -> dict[int, int]:
    """Return the shard of each job."""
    return {job: shard for job, (_, shard) in places(session).items()}


@pytest.fixture(autouse=True)
def worker(one: Session) -> None:
    """Start the worker that claims."""
    start_worker(one)


def test_one_key_is_one_shard_and_the_one_that_every_language_derives(one: Session) -> None:
    """Guards order by key: one job at a time and in documents, now and later."""
    configure(one, 4)
    expected: dict[int, int] = {}
    for key in KEYS:
        shard = ordering_shard(key, 4)
        expected[enqueue(one, ordering_key=key)] = shard
        expected[enqueue(one, ordering_key=key, delay_s=60)] = shard
        for job in enqueue_many(one, 2, ordering_key=key):
            expected[job] = shard
    assert set(range(4)) == set(expected.values())
    assert expected == shards(one)


def test_jobs_without_a_key_are_spread_over_all_shards(one: Session) -> None:
    """Guards producers behind a pooler: it is the job that decides, not the session."""
    configure(one, 4)
    for _ in range(20):
        enqueue(one)
    enqueue_many(one, 20)
    assert {0: 10, 1: 10, 2: 10, 3: 10} == Counter(shards(one).values())


def test_a_queue_has_one_shard_until_it_is_told_otherwise(one: Session) -> None:
    """Guards strict order: it is given up on purpose only."""
    enqueue(one, ordering_key="customer-1")
    enqueue_many(one, 3)
    assert {0} == set(shards(one).values())


def test_jobs_of_one_key_are_claimed_in_their_order(one: Session) -> None:
    """Guards FifoLinearizable: within a shard, and so within a key."""
    configure(one, 3)
    expected = {key: [enqueue(one, ordering_key=key) for _ in range(3)] for key in KEYS[:4]}
    order: list[int] = []
    while rows := claim(one, 2, token=len(order) + 1).rows:
        taken = [(r.lane, n) for r in rows for n in r.seqs]
        for lane, seq in taken:
            found = one.execute(
                "select job_id from awa.ready where lane = %s and seq = %s", [lane, seq]
            ).fetchall()
            order.append(found[0][0])
        complete(one, *rows, settle_id=len(order))
    assert 12 == len(order)
    for jobs in expected.values():
        assert jobs == sorted(jobs, key=order.index)


def test_more_shards_take_new_jobs_and_the_old_ones_drain(one: Session) -> None:
    """Guards Drains: what was stored before stays where it is."""
    before = enqueue_many(one, 6)
    configure(one, 3)
    after = enqueue_many(one, 6)
    assert {0} == {shards(one)[job] for job in before}
    assert {0, 1, 2} == {shards(one)[job] for job in after}
    assert 12 == len(claim(one, 20).seqs)


def test_fewer_shards_leave_nothing_behind(one: Session) -> None:
    """Guards Drains: lanes that get no new jobs are still claimed from, retries included."""
    configure(one, 4)
    jobs = enqueue_many(one, 8)
    configure(one, 1)
    enqueue_many(one, 4)
    rows = claim(one, 20).rows
    assert 12 == sum(len(r.seqs) for r in rows)
    for n, row in enumerate(rows, 1):
        retry(one, row, settle_id=n, delay_s=60)
    promote(one, *range(1, 13))
    assert {0, 1, 2, 3} == {shards(one)[job] for job in jobs}
    assert 12 == len(claim(one, 20, token=2).seqs)


def test_a_job_stays_in_its_shard(one: Session) -> None:
    """Guards order by key: release, schedule, retry and a dead letter's return keep the shard."""
    configure(one, 4)
    job = enqueue(one, ordering_key="customer-1", delay_s=60, max_attempts=2)
    shard = ordering_shard("customer-1", 4)
    promote(one, job)
    assert {job: shard} == shards(one)
    release(one, claim(one, token=1).row, settle_id=1)
    assert {job: shard} == shards(one)
    retry(one, claim(one, token=2).row, settle_id=2, delay_s=60)
    promote(one, job)
    assert {job: shard} == shards(one)
    fail(one, claim(one, token=3).row, settle_id=3)
    one.execute("select * from awa.dlq_move(4, %s)", [[job]])
    assert "settled" == dlq_retry(one, job, 5)
    assert {job: shard} == shards(one)
    assert 1 == len(claim(one, token=4).seqs)


def test_a_dead_letter_that_returns_to_another_queue_goes_by_its_key_there(one: Session) -> None:
    """Guards order by key: the key is kept with the job."""
    configure(one, 8, "elsewhere")
    job = enqueue(one, ordering_key="customer-1")
    fail(one, claim(one).row)
    one.execute("select * from awa.dlq_move(2, %s)", [[job]])
    assert "settled" == dlq_retry(one, job, 3, queue="elsewhere")
    assert {job: ("elsewhere", ordering_shard("customer-1", 8))} == places(one)


def test_the_lanes_of_all_shards_are_there_before_a_business_transaction_needs_them(
    one: Session, other: Session
) -> None:
    """Guards Enqueue never waits: making a lane is what others wait for."""
    configure(one, 8)
    one.execute("select awa.ensure_lane('default', 1)")
    with one.transaction():
        enqueue_many(one, 16, priority=1)
        enqueue_many(other, 16, priority=1)
    assert 32 == len(claim(one, 40).seqs)


@pytest.mark.parametrize("wrong", [0, -1, 65, 1.5, "4", None])
def test_a_number_of_shards_that_cannot_be_is_refused(one: Session, wrong: object) -> None:
    """Guards the bound: 1 to 64."""
    with refused("AW001", "enqueue_shards"):
        configure(one, wrong)


@pytest.mark.parametrize("wrong", ["", "k" * 201, 7, None, ["k"]])
def test_an_ordering_key_that_cannot_be_is_refused(one: Session, wrong: object) -> None:
    """Guards the bound: text of 1 to 200 characters."""
    with refused("AW001", "ordering_key"):
        enqueue(one, ordering_key=wrong)
