"""Statistics taken while the ring is empty, then many rows: the plans must not turn.

Evidence is what was read, not time: the counts of scans, and of blocks touched.
"""

import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import Row, claim, complete, numbers, release, row, start_worker, value

JOBS = 300_000
DOCUMENT = 30_000
BLOCKS_MAX = 300


def reads(session: Session) -> tuple[int, int]:
    """Return the blocks touched and the rows read end to end in the ring, by everybody so far."""
    session.execute("select pg_stat_force_next_flush()")
    session.execute("select pg_stat_clear_snapshot()")
    blocks, rows = row(
        session,
        "select (select sum(coalesce(heap_blks_read, 0) + coalesce(heap_blks_hit, 0)"
        " + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0))::bigint"
        " from pg_statio_user_tables where schemaname = 'awa'),"
        " (select sum(seq_tup_read)::bigint from pg_stat_user_tables"
        " where schemaname = 'awa' and relname ~ '^(ready|claims|closures)_')",
    )
    return blocks, rows


@pytest.mark.bulk
def test_statistics_taken_while_empty_turn_no_plan(
    session: NewSession, one: Session, other: Session
) -> None:
    """Guards Drains: claims, bodies, settles and releases read what they take, not the slot."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")
    one.execute("analyze")
    for _ in range(JOBS // DOCUMENT):
        one.execute(
            "select count(*) from awa.enqueue_many((select jsonb_agg(jsonb_build_object("
            "'kind', 'k', 'args', i)) from generate_series(1, %s) i))",
            [DOCUMENT],
        )
    claim(one, 500, token=1)  # sets the hint bits
    worker = session()
    for token in range(2, 6):
        steps = (
            lambda token=token: numbers(
                value(worker, "select seqs from awa.claim(1, 9, %s, '{default}', '{500}')", [token])
            ),
            lambda token=token: worker.execute("select * from awa.bodies(%s)", [token]).fetchall(),
            lambda token=token: complete(worker, row_of(token), seqs=first_half(token)),
            lambda token=token: release(worker, row_of(token), seqs=second_half(token)[:20]),
            lambda token=token: claim(worker, 500, token=token),
        )
        for step in steps:
            worker.execute("select pg_stat_force_next_flush()")
            before = reads(other)
            step()
            worker.execute("select pg_stat_force_next_flush()")
            after = reads(other)
            assert after[0] - before[0] < BLOCKS_MAX
            assert before[1] == after[1]


def first_half(token: int) -> list[int]:
    """Return the lower half of what this token's claim took."""
    return list(range(500 * token - 499, 500 * token - 249))


def second_half(token: int) -> list[int]:
    """Return the upper half of what this token's claim took."""
    return list(range(500 * token - 249, 500 * token + 1))


def row_of(token: int) -> Row:
    """Return the claims row of this token."""
    seqs = first_half(token) + second_half(token)
    return Row(queue="default", slot=0, token=token, part=1, lane=1, seqs=seqs, deadline=None)
