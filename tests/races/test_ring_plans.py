"""What it costs to turn the ring: evidence is what was read, not time."""

import pytest

from tests.fix_database import NewSession, Session
from tests.fix_ring import evacuate, pruned, turn
from tests.fix_sql import claim, complete, row, start_worker

JOBS = 100_000
BLOCKS_MAX = 1500


def reads(session: Session) -> tuple[int, int]:
    """Return the blocks touched in the bodies, and their rows read end to end, by everybody."""
    session.execute("select pg_stat_force_next_flush()")
    session.execute("select pg_stat_clear_snapshot()")
    blocks, rows = row(
        session,
        "select (select sum(coalesce(heap_blks_read, 0) + coalesce(heap_blks_hit, 0)"
        " + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0))::bigint"
        " from pg_statio_user_tables where schemaname = 'awa' and relname ~ '^ready_'),"
        " (select sum(seq_tup_read)::bigint from pg_stat_user_tables"
        " where schemaname = 'awa' and relname ~ '^ready_')",
    )
    return blocks, rows


@pytest.mark.bulk
def test_a_proof_reads_what_is_not_closed_and_an_evacuation_what_it_moves(
    session: NewSession, one: Session, other: Session
) -> None:
    """Guards Drains: statistics were taken while all was empty, and then 100,000 jobs ended."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")
    one.execute("analyze")
    one.execute(
        "select count(*) from awa.enqueue_many((select jsonb_agg(jsonb_build_object("
        "'kind', 'k', 'args', i)) from generate_series(1, %s) i))",
        [JOBS],
    )
    for token in range(1, JOBS // 1000 + 1):
        taken = claim(one, 1000, token=token).row
        complete(one, taken, seqs=[n for n in taken.seqs if n % 2500], settle_id=token)
    turn(one)
    maintaining = session()
    for step, answer in (
        (lambda: pruned(maintaining), "needed"),
        (lambda: evacuate(maintaining), ("moved", JOBS // 2500)),
        (lambda: pruned(maintaining), "pruned"),
    ):
        before = reads(other)
        assert answer == step()
        maintaining.execute("select pg_stat_force_next_flush()")
        after = reads(other)
        assert after[0] - before[0] < BLOCKS_MAX
        assert before[1] == after[1]
