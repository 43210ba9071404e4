from dataclasses import replace

import pytest
from psycopg.types.json import Jsonb

from tests.fix_actions import promote, rescue_worker, snooze
from tests.fix_database import Session
from tests.fix_ring import evacuate, prune, pruned, rotate, rows_in, turn
from tests.fix_sql import (
    COMPLETE,
    Row,
    answers,
    beat,
    bodies,
    claim,
    complete,
    enqueue,
    enqueue_many,
    job_states,
    refused,
    release,
    settle_params,
    start_worker,
    value,
)


@pytest.fixture
def taken(one: Session) -> Row:
    """Return the claim of 1 to 5, of which 1 and 2 are completed; 6 to 8 are pending."""
    start_worker(one)
    enqueue_many(one, 8)
    claimed = claim(one, 5, token=1).row
    complete(one, claimed, seqs=[1, 2], settle_id=1)
    turn(one)
    return claimed


def carried(session: Session) -> None:
    """Carry slot 0's six live entries forward, and empty it."""
    assert ("moved", 6) == evacuate(session)
    assert "pruned" == pruned(session)


def test_live_entries_move_and_what_is_closed_stays(one: Session, taken: Row) -> None:
    """Guards OneLivePlacePerJob and BodyKept: each row is in one slot, with its claim."""
    before = job_states(one)
    assert ("moved", 6) == evacuate(one)
    assert {"ready": 6, "claims": 1} == rows_in(one, 1)
    assert {"ready": 2, "claims": 1, "closures": 1} == rows_in(one, 0)
    assert before == job_states(one)
    assert [taken.slot] == [0]


def test_a_claims_row_is_parted_between_what_is_closed_and_what_is_open(
    one: Session, taken: Row
) -> None:
    """Guards ClosureWithinClaim and CursorGrows: the lane's state stays where it was written."""
    evacuate(one)
    assert [
        (0, taken.token, taken.part, 1, "{[1,3)}"),
        (1, taken.token, taken.part, None, "{[3,6)}"),
    ] == one.execute(
        "select slot, token, part, no, seqs::text from awa.claims order by slot"
    ).fetchall()


def test_pending_entries_are_claimed_from_where_they_are_now(one: Session, taken: Row) -> None:
    """Guards FifoLinearizable: numbers stay, so the order does."""
    enqueue(one)
    carried(one)
    found = claim(one, token=2).row
    assert (1, [6, 7, 8, 9]) == (found.slot, found.seqs)
    assert taken.seqs == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("emptied", [False, True], ids=["kept", "emptied"])
def test_a_receipt_that_names_the_old_slot_is_looked_up(
    one: Session, taken: Row, *, emptied: bool
) -> None:
    """Guards OnlyOpenSettles: not stale (B9), or it would run again after its deadline."""
    evacuate(one)
    if emptied:
        assert "pruned" == pruned(one)
    assert [(1, "settled", [3, 4])] == complete(one, taken, seqs=[3, 4], settle_id=2)
    assert [(1, "already", [3, 4])] == complete(one, taken, seqs=[3, 4], settle_id=2)
    assert [(1, "stale", [3])] == complete(one, taken, seqs=[3], settle_id=3)
    assert [(1, "settled", [5])] == complete(one, replace(taken, slot=1), seqs=[5], settle_id=4)


def test_an_answer_tells_the_parts_of_a_claim_apart(one: Session, taken: Row) -> None:
    """Guards repetition: what was settled in the old slot is still known there."""
    evacuate(one)
    assert [
        (1, "already", [1, 2]),
        (1, "settled", [3, 4, 5]),
    ] == complete(one, taken, settle_id=1)


def test_what_was_closed_in_an_emptied_slot_is_stale(one: Session, taken: Row) -> None:
    """Guards OnlyKnownEnd: of the numbers that were not carried nobody knows any more."""
    carried(one)
    assert [
        (1, "settled", [3, 4, 5]),
        (1, "stale", [1, 2]),
    ] == complete(one, taken, settle_id=1)


def test_an_entry_may_be_carried_through_the_whole_ring(one: Session, taken: Row) -> None:
    """Guards OnlyOpenSettles: its token finds it, however often it moved."""
    evacuate(one)
    complete(one, taken, seqs=[3], settle_id=2)
    for slot in range(1, 16):
        assert ("turned", (slot + 1) % 16) == rotate(one, max_age_s=0)
        assert "moved" == evacuate(one, slot)[0]
        if slot == 14:
            assert "pruned" == pruned(one, 0)
    assert [(1, "settled", [4, 5]), (1, "stale", [1, 2]), (1, "already", [3])] == sorted(
        complete(one, taken, settle_id=2), key=lambda found: found[2][-1] % 4
    )
    assert [6, 7, 8] == claim(one, token=2).seqs


def test_results_go_where_the_entry_is(one: Session, taken: Row) -> None:
    """Guards results: they live and go with their entry."""
    carried(one)
    params = (*settle_params([taken], [[3]], 2, 1), [1], [3], [Jsonb("done")])
    statement = COMPLETE[:-1] + ", %s, %s, %s::jsonb[])"
    assert [(1, "settled", [3])] == answers(one.execute(statement, params).fetchall())
    assert [(1, 3)] == one.execute("select slot, seq from awa.results").fetchall()


def test_a_carried_attempt_is_released_and_runs_again(one: Session, taken: Row) -> None:
    """Guards NoJobLost: its body is read from where it is."""
    carried(one)
    assert [(1, "settled", [3, 4, 5])] == release(one, taken, seqs=[3, 4, 5], settle_id=2)
    assert [6, 7, 8, 9, 10, 11] == claim(one, token=2).seqs
    assert [3, 4, 5] == [
        r[0]
        for r in one.execute(
            "select (args->>'n')::int from awa.ready where seq > 8 order by seq"
        ).fetchall()
    ]


def test_a_carried_attempt_can_fail_for_good(one: Session, taken: Row) -> None:
    """Guards FinalForGood: the settle family goes the same way."""
    carried(one)
    found = one.execute(
        "select * from awa.fail(%s, %s, %s, %s, %s, %s::int8multirange[])",
        settle_params([taken], [[3, 4]], 2, 1),
    ).fetchall()
    assert [(1, "settled", [3, 4])] == answers(found)
    assert ["failed", "failed"] == [state for _, state in job_states(one)[:2]]


def test_bodies_and_a_repeated_claim_are_answered_from_both_places(
    one: Session, taken: Row
) -> None:
    """Guards S9: a body that moved between the claim and the read is found."""
    evacuate(one)
    for _ in range(2):
        assert [(1, 3), (1, 4), (1, 5)] == one.execute(
            "select slot, seq from " + bodies("1") + " order by seq"
        ).fetchall()
        again = claim(one, token=1)
        assert [(1, [3, 4, 5])] == [(r.slot, r.seqs) for r in again.rows]
        assert "pruned" == pruned(one)
    assert taken.token == 1


def test_a_beat_finds_what_was_carried(one: Session, taken: Row) -> None:
    """Guards Reclaims: a claim nobody knows of is released from wherever it is."""
    carried(one)
    assert ("alive", 3) == beat(one, 1, 1)
    assert [(1, "stale", taken.seqs)] == complete(one, taken, settle_id=2)


def test_a_lost_workers_carried_attempts_are_rescued(one: Session, taken: Row) -> None:
    """Guards Reclaims: rescue looks over all live slots."""
    carried(one)
    assert ("gone", 3, 0, 0) == rescue_worker(one, 1, 0)
    assert taken.slot == 0


def test_a_carried_pending_entry_is_cancelled_where_it_is(one: Session, taken: Row) -> None:
    """Guards FinalForGood: the withdrawal is written in the entry's slot."""
    job = value(one, "select job_id from awa.ready where seq = 7")
    carried(one)
    one.execute("select * from awa.cancel_pending(7, %s)", [[job]])
    assert [6, 8] == claim(one, token=2).seqs
    assert taken.slot == 0


@pytest.mark.by_hand
def test_leases_go_with_their_attempt(one: Session, taken: Row) -> None:
    """Guards S5: a parked attempt is open, and keeps what it waits for."""
    one.execute("insert into awa.leases (seq, token, lane, slot, part) values (3, 1, 1, 0, 1)")
    one.execute("insert into awa.leases (seq, token, lane, slot, part) values (1, 1, 1, 0, 1)")
    evacuate(one)
    assert [(0, 1), (1, 3)] == one.execute(
        "select slot, seq from awa.leases order by slot"
    ).fetchall()
    assert taken.slot == 0


def test_large_arguments_are_carried(one: Session) -> None:
    """Guards BodyKept: what is stored out of line moves too."""
    start_worker(one)
    one.execute(
        "select * from awa.enqueue('k', (select jsonb_build_object("
        "'big', string_agg(md5(i::text), '')) from generate_series(1, 5000) i))"
    )
    before = value(one, "select md5(args::text) from awa.ready")
    turn(one)
    assert ("moved", 1) == evacuate(one)
    assert "pruned" == pruned(one)
    assert before == value(one, "select md5(args::text) from awa.ready")


def test_nothing_live_is_nothing_to_move(one: Session) -> None:
    """Guards repetition: a lost reply is just asked again."""
    start_worker(one)
    enqueue(one)
    complete(one, claim(one).row)
    turn(one)
    assert ("moved", 0) == evacuate(one)
    assert {"ready": 1, "claims": 1, "closures": 1} == rows_in(one)


def test_a_backlog_is_too_large_to_carry(one: Session) -> None:
    """Guards S10: the work of one call is bounded, and then nothing is done."""
    enqueue_many(one, 6)
    turn(one)
    before = rows_in(one)
    assert ("large", 0) == evacuate(one, max_entries=5)
    assert before == rows_in(one)
    assert ("moved", 6) == evacuate(one, max_entries=6)


def test_the_bound_counts_live_entries_only(one: Session, taken: Row) -> None:
    """Guards S10: history does not make a slot large."""
    complete(one, taken, settle_id=2)
    assert ("moved", 3) == evacuate(one, max_entries=3)


def test_the_current_slot_is_not_evacuated(one: Session) -> None:
    """Guards against moving entries to where they are."""
    enqueue(one)
    assert ("current", 0) == evacuate(one)


def test_lanes_of_several_queues_are_carried_together(one: Session) -> None:
    """Guards Reclaims: one slow queue does not hold the others' slot."""
    start_worker(one)
    for queue in ("a", "b", "c"):
        enqueue_many(one, 3, queue=queue)
    claim(one, 2, token=1, queues=["a", "b"])
    turn(one)
    assert ("moved", 9) == evacuate(one)
    assert "pruned" == pruned(one)
    found = claim(one, 9, token=2, queues=["a", "b", "c"])
    assert [("a", [3]), ("b", [3]), ("c", [1, 2, 3])] == [(r.queue, r.seqs) for r in found.rows]


@pytest.mark.bulk
def test_more_claims_than_a_call_locks_are_carried_by_the_next(one: Session) -> None:
    """Guards the lock table: at most 500 claims a call, as in a settle."""
    start_worker(one)
    enqueue_many(one, 510)
    one.execute(
        "select count(*) from generate_series(1, 510) i, awa.claim(1, i, i, '{default}', '{1}')"
    )
    for token in range(1, 511):
        claim(one, 1, token=token)
    turn(one)
    answer, moved = evacuate(one)
    assert ("busy", 500) == (answer, moved)
    assert ("moved", 10) == evacuate(one)
    assert prune(one).answer == "pruned"


@pytest.mark.parametrize("count", [0, -1, 100_001, None])
def test_the_bound_is_a_number_of_entries(one: Session, count: int | None) -> None:
    """Guards bad input: the caller learns which field."""
    with refused("AW001", "max_entries"):
        one.execute("select awa.evacuate(0::smallint, %s)", [count])


def test_it_refuses_an_old_snapshot(one: Session) -> None:
    """Guards READ COMMITTED: an older snapshot shows what was settled since as open."""
    one.execute("begin isolation level repeatable read")
    with refused("AW002"):
        evacuate(one)
    one.execute("rollback")


def test_what_ended_in_another_slot_may_be_gone_before_its_history(one: Session) -> None:
    """Guards NoJobLost against false alarm: a carried attempt leaves no state behind to go by."""
    start_worker(one)
    (job,) = enqueue_many(one, 1)
    snooze(one, claim(one, token=1).row, settle_id=1)
    enqueue(one)
    turn(one)
    promote(one, job)
    again = claim(one, 2, token=2).rows
    turn(one)
    assert ("moved", 1) == evacuate(one, slot=1)
    complete(one, *[r for r in again if r.slot == 1], settle_id=2)
    turn(one)
    assert "pruned" == pruned(one, slot=2)
    assert [] == one.execute('select * from awa."check"()').fetchall()
