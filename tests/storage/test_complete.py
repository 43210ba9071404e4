from dataclasses import replace
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    COMPLETE,
    Row,
    answers,
    claim,
    complete,
    enqueue,
    enqueue_many,
    everything,
    job_states,
    refused,
    release,
    start_worker,
    value,
)


@pytest.fixture
def row(one: Session) -> Row:
    """Return a claim of the numbers 1 to 5; 6 is available."""
    start_worker(one)
    enqueue_many(one, 6)
    return claim(one, 5, token=1).row


def test_open_attempts_are_settled_with_one_closure(one: Session, row: Row) -> None:
    """Guards the plain path: a claim of five ends as one row, and nothing else is written."""
    before = everything(one)
    assert [(1, "settled", [1, 2, 3, 4, 5])] == complete(one, row)
    assert {**before, "closures": 1} == everything(one)
    assert ["completed"] * 5 + ["available"] == [state for _, state in job_states(one)]


def test_a_part_of_a_claim_is_settled_and_the_rest_stays_open(one: Session, row: Row) -> None:
    """Guards ClosuresDisjoint: a claim may end in pieces, each once."""
    assert [(1, "settled", [2, 4])] == complete(one, row, seqs=[2, 4], settle_id=1)
    assert [1, 3, 5] == claim(one, token=1).seqs
    assert [(1, "settled", [1, 3, 5]), (1, "stale", [2, 4])] == complete(one, row, settle_id=2)


def test_a_repeat_of_the_same_settle_answers_already(one: Session, row: Row) -> None:
    """Guards the lost settle reply: asked again with its id, nothing is written."""
    complete(one, row, seqs=[1, 2], settle_id=10)
    before = everything(one)
    assert [(1, "already", [1, 2])] == complete(one, row, seqs=[1, 2], settle_id=10)
    assert before == everything(one)
    assert [(1, "already", [1, 2]), (1, "settled", [3])] == complete(
        one, row, seqs=[1, 2, 3], settle_id=10
    )


def test_another_settle_id_is_stale(one: Session, row: Row) -> None:
    """Guards OnlyOpenSettles: what ended by another call is not ours, whoever asks."""
    complete(one, row, settle_id=10)
    before = everything(one)
    assert [(1, "stale", [1, 2, 3, 4, 5])] == complete(one, row, settle_id=11, worker=2)
    assert before == everything(one)


def test_what_was_released_is_stale_even_with_that_settle_id(one: Session, row: Row) -> None:
    """Guards OnlyOpenSettles: a settle id is known together with its outcome."""
    release(one, row, settle_id=10)
    assert [(1, "stale", [1, 2, 3, 4, 5])] == complete(one, row, settle_id=10)
    assert ["available"] * 6 == [state for _, state in job_states(one)]


def test_numbers_that_were_never_claimed_are_stale(one: Session, row: Row) -> None:
    """Guards ClosureWithinClaim: available and unknown numbers end nothing."""
    assert [(1, "settled", [5]), (1, "stale", [0, 6, 60])] == complete(one, row, seqs=[0, 5, 6, 60])


def test_an_empty_set_and_an_empty_call_are_answered_with_nothing(one: Session, row: Row) -> None:
    """Guards the edges: nothing asked, nothing answered, nothing written."""
    before = everything(one)
    assert [] == complete(one, row, seqs=[])
    assert [] == complete(one)
    assert before == everything(one)


def test_an_unknown_claim_has_ended(one: Session, row: Row) -> None:
    """Guards the answer 'ended': token and part must be those of a claim."""
    before = everything(one)
    for wrong in (replace(row, token=99), replace(row, part=2)):
        assert [(1, "ended", row.seqs)] == complete(one, wrong)
    assert before == everything(one)


def test_a_receipt_of_another_claim_of_the_same_numbers_closes_nothing(
    one: Session, row: Row
) -> None:
    """Guards OnlyOpenSettles: the token decides, because numbers come back after a failover."""
    release(one, row, settle_id=1)
    again = claim(one, token=2).row
    assert [6, 7, 8, 9, 10, 11] == again.seqs
    assert [(1, "ended", [6, 7])] == complete(one, replace(again, token=3), seqs=[6, 7])
    assert [(1, "stale", [1])] == complete(one, row, seqs=[1], settle_id=2)


def test_a_call_settles_several_claims_and_answers_by_item(one: Session, row: Row) -> None:
    """Guards the batch: each item is judged for itself, in whatever slot it lies."""
    one.execute("select setval('awa.ring_seq', 8)")
    enqueue_many(one, 2, queue="second", priority=1)
    enqueue_many(one, 1, queue="second", priority=4)
    second = claim(one, token=2, queues=["second"])
    assert [8, 8] == [r.slot for r in second.rows]
    unknown = replace(row, token=77)
    low, high = second.rows
    assert [
        (1, "settled", [1]),
        (2, "ended", [1, 2, 3, 4, 5]),
        (3, "settled", [1, 2]),
        (4, "settled", [1, 2, 3, 4, 5]),
    ] == complete(one, high, unknown, low, row)


def test_results_are_stored_for_what_is_settled(one: Session, row: Row) -> None:
    """Guards OnlyOpenSettles: a result belongs to a settled number of its item."""
    complete(one, row, seqs=[1], settle_id=1)
    found = one.execute(
        COMPLETE.replace("::int8multirange[])", "::int8multirange[], %s, %s, %s)"),
        (
            *(1, 2, [0], [1], [1], ["{[1,4)}"]),
            [1, 1, 1, 1, 2, 1],
            [1, 2, 3, 5, 3, None],
            [
                Jsonb(v)
                for v in ("stale", {"ok": [True]}, None, "not asked", "no item", "no number")
            ],
        ),
    ).fetchall()
    assert [(1, "settled", [2, 3]), (1, "stale", [1])] == answers(found)
    stored = one.execute("select lane, seq, result from awa.results order by seq").fetchall()
    assert [(1, 2, {"ok": [True]}), (1, 3, None)] == stored
    assert [None, {"ok": [True]}, None, None, None, None] == [
        r for (r,) in one.execute("select result from awa.jobs order by id").fetchall()
    ]


def test_five_hundred_items_go_and_more_are_refused(one: Session, row: Row) -> None:
    """Guards the bound of a settle: the lock table is shared by all."""
    unknown = [replace(row, token=n) for n in range(100, 600)]
    assert ["ended"] * 500 == [answer for _, answer, _ in complete(one, *unknown)]
    before = everything(one)
    with refused("AW004", "500"):
        complete(one, row, *unknown)
    assert before == everything(one)


OK: tuple[Any, ...] = (1, 1, [0], [1], [1], ["{[1,2)}"])
BAD_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("settle_id", (1, None, [0], [1], [1], ["{[1,2)}"])),
    ("tokens", (1, 1, None, None, None, None)),
    ("tokens", (1, 1, [0], [1], [1], [])),
    ("tokens", (1, 1, [0], [1], [1, 2], ["{[1,2)}"])),
    ("tokens", (1, 1, [0, 0], [1], [1], ["{[1,2)}"])),
    ("tokens", (1, 1, [0, 0], [1, 1], [1, 1], ["{[1,2)}", "{[2,3)}"])),
    ("slots", (1, 1, [16], [1], [1], ["{[1,2)}"])),
    ("slots", (1, 1, [-1], [1], [1], ["{[1,2)}"])),
    ("slots", (1, 1, [None], [1], [1], ["{[1,2)}"])),
    ("slots", (1, 1, [0], [None], [1], ["{[1,2)}"])),
    ("slots", (1, 1, [0], [1], [None], ["{[1,2)}"])),
    ("slots", (1, 1, [0], [1], [1], [None])),
    ("seqs", (1, 1, [0], [1], [1], ["{(,2)}"])),
    ("seqs", (1, 1, [0], [1], [1], ["{[1,2),[4,)}"])),
]
BAD_RESULTS: list[tuple[str, tuple[Any, ...]]] = [
    ("result_items", ([1], [1], [])),
    ("result_items", ([1], [], [Jsonb(1)])),
    ("result_items", ([], [1], [Jsonb(1)])),
    ("result_items", (None, [1], [Jsonb(1)])),
    ("result_seqs", ([1, 1], [2, 2], [Jsonb(1), Jsonb(2)])),
]


def test_bad_calls_are_refused_and_write_nothing(one: Session, row: Row) -> None:
    """Guards AW001: the field is named, for complete and release alike."""
    before = everything(one)
    release_ = COMPLETE.replace("complete", "release")
    with_results = COMPLETE.replace("[])", "[], %s, %s, %s::jsonb[])")
    for field, params in BAD_CALLS:
        for statement in (COMPLETE, release_):
            with refused("AW001", field):
                one.execute(statement, params)
    for field, results in BAD_RESULTS:
        with refused("AW001", field):
            one.execute(with_results, (*OK, *results))
    assert before == everything(one)


def test_a_handlers_transaction_settles_with_its_own_writes(
    session: NewSession, one: Session, row: Row
) -> None:
    """Guards completing in the caller's transaction: it stands or falls with it."""
    handler = session()
    with handler.transaction(force_rollback=True):
        assert [(1, "settled", [1])] == complete(handler, row, seqs=[1], settle_id=1)
        assert [(1, "already", [1])] == complete(handler, row, seqs=[1], settle_id=1)
        assert [(1, "stale", [1])] == complete(handler, row, seqs=[1], settle_id=2)
    assert [(1, "settled", [1])] == complete(one, row, seqs=[1], settle_id=1)
    assert 1 == value(one, "select count(*) from awa.closures")


def test_a_lane_without_claims_has_nothing_to_settle(one: Session) -> None:
    """Guards OnlyOpenSettles: an available entry cannot be ended by naming it."""
    start_worker(one)
    enqueue(one)
    made_up = Row(queue="default", slot=0, token=5, part=1, lane=1, seqs=[1], deadline=None)
    assert [(1, "ended", [1])] == complete(one, made_up)
    assert [1] == claim(one, token=5).seqs
