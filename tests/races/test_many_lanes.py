"""Ten thousand lanes: whoever works in one of them does not notice the others.

Evidence is what was read and locked, not time.
"""

from collections.abc import Callable

import pytest

from tests.fix_actions import cancel_pending, promote, rescue_worker, retry
from tests.fix_database import NewSession, Session
from tests.fix_sql import claim, complete, enqueue, enqueue_many, row, start_worker, value

Step = Callable[[], object]
LANES = 10_000
BATCH = 500
ROWS_MAX = 60
LOCKS_MAX = 60


def lane_rows_read(session: Session) -> int:
    """Return how many rows of lanes and queues were read so far, by everybody."""
    session.execute("select pg_stat_force_next_flush()")
    session.execute("select pg_stat_clear_snapshot()")
    (read,) = row(
        session,
        "select sum(seq_tup_read + idx_tup_fetch)::bigint from pg_stat_user_tables"
        " where schemaname = 'awa' and relname in ('lanes', 'queue_settings')",
    )
    return int(read)


def locks_held(session: Session) -> int:
    """Return how many locks this session's transaction holds."""
    return int(value(session, "select count(*) from pg_locks where pid = pg_backend_pid()"))


def jobs(session: Session, table: str) -> list[int]:
    """Return the jobs of a table; there are some."""
    found = session.execute(f"select job_id from awa.{table} order by 1").fetchall()
    assert found
    return [job for (job,) in found]


@pytest.mark.bulk
def test_ten_thousand_neighbours_cost_a_queue_nothing(
    session: NewSession, one: Session, other: Session
) -> None:
    """Guards Drains: every step of a job reads the rows of its own lane and locks its own lane."""
    for first in range(0, LANES, BATCH):
        one.execute(
            "select awa.ensure_lane('queue ' || n) from generate_series(%s::int, %s::int) n",
            [first, first + BATCH - 1],
        )
    assert LANES == value(one, "select count(*) from awa.lanes")
    one.execute(
        "select count(*) from awa.enqueue_many((select jsonb_agg(jsonb_build_object("
        "'kind', 'k', 'args', n, 'opts', jsonb_build_object('queue', 'queue ' || n)))"
        " from generate_series(0, 999) n))"
    )
    one.execute("analyze awa.lanes, awa.queue_settings")
    start_worker(one)
    mine = "queue 5000"
    worker = session()
    steps: tuple[Step, ...] = (
        lambda: enqueue(worker, queue=mine),
        lambda: enqueue_many(worker, 20, queue=mine),
        lambda: enqueue(worker, queue=mine, delay_s=60),
        lambda: claim(worker, 5, token=1, queues=[mine]),
        lambda: claim(worker, 5, token=2, queues=[mine, "queue 1", "queue 9999"]),
        lambda: complete(worker, claim(worker, 5, token=1, queues=[mine]).row, seqs=[1, 2]),
        lambda: retry(worker, claim(worker, 5, token=1, queues=[mine]).row, settle_id=2),
        lambda: promote(worker, *jobs(one, "deferred")),
        lambda: cancel_pending(worker, jobs(one, "ready")[-1]),
        lambda: rescue_worker(worker, 1, 0),
    )
    for number, step in enumerate(steps):
        for _ in range(2):  # the first reads plans and catalogues
            with worker.transaction(force_rollback=True):
                step()
                locks = locks_held(worker)
        assert locks < LOCKS_MAX, number
        worker.execute("select pg_stat_force_next_flush()")
        before = lane_rows_read(other)
        step()
        worker.execute("select pg_stat_force_next_flush()")
        assert lane_rows_read(other) - before < ROWS_MAX, number
