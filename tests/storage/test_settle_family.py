"""What retry, snooze, fail and cancel_running have in common: the answers, and one step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fix_actions import (
    CANCEL_RUNNING,
    FAIL,
    RETRY,
    SNOOZE,
    cancel_running,
    fail,
    job_at,
    promote,
    retry,
    snooze,
)
from tests.fix_database import Session
from tests.fix_sql import (
    Row,
    claim,
    complete,
    enqueue_many,
    everything,
    job_states,
    refused,
    release,
    start_worker,
)

Settle = Callable[..., Any]
SETTLES: dict[str, Settle] = {
    "retry": retry,
    "snooze": snooze,
    "fail": fail,
    "cancel_running": cancel_running,
}
BECOMES = {
    "retry": ("retryable", "deferred"),
    "snooze": ("scheduled", "deferred"),
    "fail": ("failed", "finals"),
    "cancel_running": ("cancelled", "finals"),
}
BAD_ITEMS: list[tuple[str, tuple[Any, ...]]] = [
    ("settle_id", (1, None, [0], [1], [1], ["{[1,2)}"])),
    ("tokens", (1, 1, None, None, None, None)),
    ("tokens", (1, 1, [0], [1], [1, 2], ["{[1,2)}"])),
    ("tokens", (1, 1, [0, 0], [1, 1], [1, 1], ["{[1,2)}", "{[2,3)}"])),
    ("slots", (1, 1, [16], [1], [1], ["{[1,2)}"])),
    ("slots", (1, 1, [0], [1], [None], ["{[1,2)}"])),
    ("seqs", (1, 1, [0], [1], [1], ["{(,2)}"])),
]
EMPTY: dict[str, tuple[Any, ...]] = {
    RETRY: ([], [], [], []),
    FAIL: ([], [], []),
    SNOOZE: ([1.0],),
    CANCEL_RUNNING: (None,),
}


@pytest.fixture(params=list(SETTLES))
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of each of them in turn."""
    return str(request.param)


@pytest.fixture
def settle(name: str) -> Settle:
    """Return the function of that name."""
    return SETTLES[name]


@pytest.fixture
def row(one: Session) -> Row:
    """Return a claim of the numbers 1 to 4; 5 is available."""
    start_worker(one)
    enqueue_many(one, 5, tags=["t"], metadata={"m": 1}, max_attempts=7)
    return claim(one, 4, token=1).row


def test_a_settled_number_is_closed_and_its_job_written_in_one_step(
    one: Session, row: Row, name: str, settle: Settle
) -> None:
    """Guards OneLivePlacePerJob and NoJobLost: one closure, one row for each job, nothing else."""
    state, table = BECOMES[name]
    before = everything(one)
    assert [(1, "settled", [2, 3])] == settle(one, row, seqs=[2, 3])
    assert {**before, "closures": before["closures"] + 1, table: before[table] + 2} == (
        everything(one)
    )
    states = [found for _, found in job_states(one)]
    assert ["running", state, state, "running", "available"] == states


def test_what_a_job_carries_goes_with_it(one: Session, row: Row, name: str, settle: Settle) -> None:
    """Guards the body: args, tags, metadata and bounds are those of the entry."""
    columns = "kind, args::text, extra::text, max_attempts, losses, enqueued_at::text"
    read = f"select {columns} from awa.jobs where id = 2"
    before = one.execute(read).fetchall()
    settle(one, row, seqs=[2])
    assert BECOMES[name][0] == job_at(one, 2).state
    assert before == one.execute(read).fetchall()


def test_a_repeat_answers_already_and_writes_nothing(
    one: Session, row: Row, settle: Settle
) -> None:
    """Guards OneLivePlacePerJob: a lost reply does not put a job in two places."""
    settle(one, row, seqs=[1, 2], settle_id=4)
    before = everything(one)
    assert [(1, "already", [1, 2])] == settle(one, row, seqs=[1, 2], settle_id=4)
    assert before == everything(one)
    assert [(1, "already", [1, 2]), (1, "settled", [3, 4])] == settle(one, row, settle_id=4)


def test_what_ended_otherwise_is_stale(one: Session, row: Row, settle: Settle) -> None:
    """Guards OnlyOpenSettles: completed, released and otherwise settled attempts stay ended."""
    complete(one, row, seqs=[1], settle_id=4)
    release(one, row, seqs=[2], settle_id=4)
    settle(one, row, seqs=[3], settle_id=5)
    before = everything(one)
    assert [(1, "stale", [1, 2, 3])] == settle(one, row, seqs=[1, 2, 3], settle_id=4)
    assert before == everything(one)
    assert [(1, "settled", [4]), (1, "stale", [1, 2, 3])] == settle(one, row, settle_id=4)


def test_unknown_claims_have_ended(one: Session, row: Row, settle: Settle) -> None:
    """Guards OnlyOpenSettles: a wrong token or part, and numbers nobody claimed, end nothing."""
    before = everything(one)
    for wrong in (replace(row, token=99), replace(row, part=2)):
        assert [(1, "ended", row.seqs)] == settle(one, wrong)
    assert [(1, "stale", [5, 90])] == settle(one, row, seqs=[5, 90])
    assert [] == settle(one)
    assert before == everything(one)


def test_a_claim_that_somebody_settles_is_busy(
    one: Session, other: Session, row: Row, settle: Settle
) -> None:
    """Guards NoDeadlock: a batch never waits; what it did not get it is told, and asks again."""
    enqueue_many(one, 1)
    second = claim(one, token=2).row
    with other.transaction():
        complete(other, row, seqs=[1])
        assert [(1, "busy", row.seqs), (2, "settled", [5, 6])] == settle(
            one, row, second, settle_id=2
        )
    assert [(1, "settled", [2, 3, 4]), (1, "stale", [1])] == settle(one, row, settle_id=2)


def test_a_settle_that_rolls_back_leaves_the_attempts_open(
    one: Session, row: Row, settle: Settle
) -> None:
    """Guards NoJobLost: neither the closure nor the job's new row survives alone."""
    before = everything(one)
    with one.transaction(force_rollback=True):
        settle(one, row)
    assert before == everything(one)
    assert [(1, "settled", row.seqs)] == complete(one, row)


def test_a_settle_of_several_claims_keeps_each_in_its_lane(
    one: Session, row: Row, name: str, settle: Settle
) -> None:
    """Guards the batch: each job's lane is that of its entry, in whatever slot it lies."""
    one.execute("select setval('awa.ring_seq', 4)")
    enqueue_many(one, 2, queue="second", priority=1)
    second = claim(one, token=2, queues=["second"])
    assert [(1, "settled", [1, 2]), (2, "settled", [1, 2, 3, 4])] == settle(one, second.row, row)
    table = BECOMES[name][1]
    assert [("default", 4), ("second", 2)] == one.execute(
        f"select l.queue, count(*) from awa.{table} join awa.lanes l using (lane)"
        " group by 1 order by 1"
    ).fetchall()


def test_a_settled_attempt_settles_nothing_more(one: Session, row: Row, settle: Settle) -> None:
    """Guards OnlyOpenSettles: an old receipt says nothing about the job's next attempt."""
    snooze(one, row, seqs=[2], settle_id=1)
    promote(one, 2)
    again = claim(one, token=2).row
    assert [5, 6] == again.seqs
    assert [(1, "stale", [2])] == settle(one, row, seqs=[2], settle_id=2)
    assert [(1, "settled", [6])] == settle(one, again, seqs=[6], settle_id=3)


@pytest.mark.parametrize("statement", list(EMPTY))
def test_bad_items_are_refused_and_write_nothing(one: Session, row: Row, statement: Any) -> None:
    """Guards AW001: the field is named."""
    before = everything(one)
    for field, params in BAD_ITEMS:
        with refused("AW001", field):
            one.execute(statement, (*params, *EMPTY[statement]))
    assert before == everything(one)


def test_at_most_500_items_are_settled(one: Session, row: Row, settle: Settle) -> None:
    """Guards AW004: a call's work is bounded."""
    many = [replace(row, token=n) for n in range(1, 502)]
    before = everything(one)
    with refused("AW004", "500"):
        settle(one, *many)
    assert before == everything(one)
    found = settle(one, *many[:500])
    assert (1, "settled", row.seqs) == found[0]
    assert {"ended"} == {answer for _, answer, _ in found[1:]}
