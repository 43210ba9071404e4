import pytest
from psycopg.types.json import Jsonb

from tests.fix_database import Session
from tests.fix_ring import bytes_in, prune, pruned, rotate, rows_in, turn
from tests.fix_sql import (
    COMPLETE,
    Row,
    all_holes,
    claim,
    complete,
    enqueue,
    enqueue_many,
    job_states,
    refused,
    release,
    row,
    settle_params,
    start_worker,
    value,
)


@pytest.fixture
def finished(one: Session) -> Row:
    """Return the claim of five completed entries in slot 0; the current slot is 1."""
    start_worker(one)
    enqueue_many(one, 5)
    taken = claim(one, token=1).row
    complete(one, taken, settle_id=1)
    turn(one)
    return taken


def lane_now(session: Session) -> tuple[int, int, str]:
    """Return the lane's number of claims, cursor and holes, wherever they are kept."""
    found = row(session, "select no, next, (holes + young)::text from awa.lane_now")
    return found[0], found[1], found[2]


def test_a_finished_slot_is_emptied(one: Session, finished: Row) -> None:
    """Guards Reclaims: its five files are empty, and its completed jobs are forgotten."""
    one.execute(
        "insert into awa.results (seq, lane, slot, result) values (%s, 1, 0, '1')",
        [finished.seqs[0]],
    )
    before = lane_now(one)
    answer = prune(one)
    assert ("pruned", 0) == (answer.answer, answer.reappended)
    assert answer.freed_bytes > 0
    assert 0 == bytes_in(one)
    assert [] == job_states(one)
    assert before == lane_now(one)


def test_an_empty_slot_is_pruned_already(one: Session) -> None:
    """Guards repetition: a lost reply is just asked again."""
    answer = prune(one, 3)
    assert ("pruned", 0) == (answer.answer, answer.freed_bytes)


def test_the_lane_goes_on_from_its_floor(one: Session, finished: Row) -> None:
    """Guards EntryClaimedOnce and CursorGrows: the state outlives the slot it was in."""
    assert "pruned" == pruned(one)
    assert ["default"] == claim(one, token=2).empty
    enqueue_many(one, 2)
    assert [6, 7] == claim(one, token=3).seqs
    assert (2, 8, "{}") == lane_now(one)
    assert finished.lane == 1


def test_the_current_slot_is_not_pruned(one: Session) -> None:
    """Guards enqueue: new entries go there."""
    assert "current" == pruned(one, 0)


def test_a_pending_entry_keeps_its_slot(one: Session, finished: Row) -> None:
    """Guards PruneEmpty: what nobody claimed yet is needed."""
    one.execute("select setval('awa.ring_seq', 0)")
    enqueue(one)
    one.execute("select setval('awa.ring_seq', 1)")
    before = rows_in(one)
    assert "needed" == pruned(one)
    assert before == rows_in(one)
    complete(one, *claim(one, token=2).rows, settle_id=2)
    assert "pruned" == pruned(one)
    assert finished.slot == 0


def test_an_open_entry_keeps_its_slot(one: Session) -> None:
    """Guards PruneEmpty and BodyKept: what runs is needed, its neighbours' ends or not."""
    start_worker(one)
    enqueue_many(one, 5)
    taken = claim(one).row
    complete(one, taken, seqs=[1, 2, 4, 5], settle_id=1)
    turn(one)
    assert "needed" == pruned(one)
    complete(one, taken, seqs=[3], settle_id=2)
    assert "pruned" == pruned(one)


def test_a_late_entry_in_a_hole_keeps_its_slot(one: Session, other: Session) -> None:
    """Guards HoleSafety: below the cursor, yet awaited."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")
    with other.transaction():
        enqueue(other)
        enqueue(one)
        complete(one, claim(one, token=1).row)
        turn(one)
        assert [1] == all_holes(one)
    answer = prune(one)
    assert ("needed", 0) == (answer.answer, answer.reappended)
    assert [1] == claim(one, token=2).seqs


@pytest.mark.by_hand
def test_holes_outlive_the_slot_their_state_was_in(one: Session, other: Session) -> None:
    """Guards HoleSafety: what is in flight elsewhere is awaited from the floor."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")
    one.execute("select setval('awa.ring_seq', 1)")
    with other.transaction():
        enqueue(other)
        one.execute("select setval('awa.ring_seq', 0)")
        enqueue(one)
        complete(one, claim(one, token=1).row)
        turn(one)
        xid = value(one, "select holes_xid::text from awa.claims where no = 1")
        assert "pruned" == pruned(one)
        assert (1, 3, "{[1,2)}") == lane_now(one)
        assert xid == value(one, "select floor_holes_xid::text from awa.lanes")
        assert ["default"] == claim(one, token=2).empty
    assert [1] == claim(one, token=3).seqs
    assert (2, 3, "{}") == lane_now(one)


def test_history_is_kept_as_long_as_asked(one: Session, finished: Row) -> None:
    """Guards the retention of completed jobs: counted from the last end of an attempt."""
    assert "needed" == pruned(one, keep_s=3600)
    assert 5 == len(job_states(one))
    assert [(1, "already", finished.seqs)] == complete(one, finished, settle_id=1)
    one.execute("update awa.closures set closed_at = closed_at - interval '2 hours'")
    assert "pruned" == pruned(one, keep_s=3600)


@pytest.mark.bulk
def test_a_young_end_is_found_wherever_it_is_written(one: Session) -> None:
    """Guards retention: the last page is only the quick look, not the judgement."""
    start_worker(one)
    enqueue_many(one, 600)
    taken = claim(one, 600, token=1).row
    for n in taken.seqs:
        complete(one, taken, seqs=[n], settle_id=n)
    turn(one)
    one.execute(
        "update awa.closures set closed_at = closed_at - interval '2 hours' where settle_id > 1"
    )
    one.execute("update awa.closures set closed_at = closed_at where settle_id > 1")
    assert "needed" == pruned(one, keep_s=3600)


def test_withdrawn_entries_are_no_history(one: Session) -> None:
    """Guards Reclaims: a cancelled job is a row of its own, so its entry may go at once."""
    start_worker(one)
    jobs = enqueue_many(one, 3)
    turn(one)
    assert "needed" == pruned(one)
    one.execute("select * from awa.cancel_pending(1, %s)", [jobs])
    assert "pruned" == pruned(one, keep_s=3600)
    assert ["cancelled"] * 3 == [state for _, state in job_states(one)]


def test_the_state_of_a_claim_of_withdrawn_numbers_outlives_its_slot(one: Session) -> None:
    """Guards CursorGrows: a claims row without numbers has a state all the same."""
    start_worker(one)
    one.execute("select * from awa.cancel_pending(1, %s)", [enqueue_many(one, 3)])
    assert ["default"] == claim(one).busy
    before = lane_now(one)
    assert (1, 4, "{}") == before
    turn(one)
    assert "pruned" == pruned(one)
    assert before == lane_now(one)
    enqueue(one)
    assert [4] == claim(one, token=2).seqs


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=str)
def test_the_newest_state_stands_whichever_slot_goes_first(
    one: Session, order: tuple[int, int]
) -> None:
    """Guards CursorGrows: the greatest `no` wins, not the slot that was pruned last."""
    start_worker(one)
    for token in (1, 2):
        enqueue_many(one, 2)
        complete(one, claim(one, token=token).row, settle_id=token)
        turn(one)
    for slot in order:
        assert "pruned" == pruned(one, slot)
        assert (2, 5, "{}") == lane_now(one)
    enqueue(one)
    assert [5] == claim(one, token=3).seqs


def test_the_floor_is_the_newest_of_the_states_in_the_slot(one: Session) -> None:
    """Guards CursorGrows (F1): several claims wrote there, and the last one's stands."""
    start_worker(one)
    enqueue_many(one, 3)
    for token in (1, 2, 3):
        complete(one, claim(one, 1, token=token).row, settle_id=token)
    turn(one)
    before = lane_now(one)
    assert "pruned" == pruned(one)
    assert (3, 4, "{}") == before == lane_now(one)


def test_a_late_claim_in_an_old_slot_has_the_newest_state(one: Session, other: Session) -> None:
    """Guards EntryClaimedOnce: the newest claim may lie in the oldest slot (F1)."""
    start_worker(one)
    one.execute("select awa.ensure_lane('default')")
    with other.transaction():
        enqueue(other)
        turn_with_an_entry(one)
        complete(one, claim(one, token=1).row, settle_id=1)
    complete(one, claim(one, token=2).row, settle_id=2)
    assert (2, 3, "{}") == lane_now(one)
    assert "pruned" == pruned(one, 0)
    assert (2, 3, "{}") == lane_now(one)
    assert ["default"] == claim(one, token=3).empty


def turn_with_an_entry(session: Session) -> None:
    """Turn the ring, and enqueue into the new slot."""
    turn(session)
    enqueue(session)


def test_a_settle_of_a_pruned_claim_is_told_that_it_ended(one: Session, finished: Row) -> None:
    """Guards OnlyKnownEnd: nobody knows any more how."""
    assert "pruned" == pruned(one)
    assert [(1, "ended", finished.seqs)] == complete(one, finished, settle_id=1)


def test_a_released_entry_goes_on_in_the_current_slot(one: Session) -> None:
    """Guards OneLivePlacePerJob: the old entry is closed, so its slot may go."""
    start_worker(one)
    job = enqueue(one)
    taken = claim(one).row
    turn(one)
    release(one, taken)
    assert "pruned" == pruned(one)
    assert [(job, "available")] == job_states(one)


def test_lanes_are_looked_at_one_by_one(one: Session) -> None:
    """Guards PruneEmpty: one lane's end says nothing of its neighbours'."""
    start_worker(one)
    for queue in ("a", "b", "c"):
        enqueue_many(one, 2, queue=queue)
    turn(one)
    for token, queue in enumerate(("a", "c", "b"), 1):
        assert "needed" == pruned(one)
        complete(one, claim(one, token=token, queues=[queue]).row, settle_id=token)
    assert "pruned" == pruned(one)
    assert [(1, 3)] * 3 == one.execute("select no, next from awa.lane_now").fetchall()


@pytest.mark.parametrize("slot", [-1, 16, None])
def test_a_slot_is_one_of_sixteen(one: Session, slot: int | None) -> None:
    """Guards bad input: the caller learns which field."""
    with refused("AW001", "slot"):
        one.execute("select awa.prune(%s::smallint)", [slot])


@pytest.mark.parametrize("keep_s", ["nan", "infinity", "-1", None])
def test_retention_is_a_number_of_seconds(one: Session, keep_s: str | None) -> None:
    """Guards bad input: NaN would keep everything, or nothing."""
    with refused("AW001", "keep_s"):
        one.execute("select awa.prune(0::smallint, %s::double precision)", [keep_s])


def test_it_refuses_an_old_snapshot(one: Session) -> None:
    """Guards READ COMMITTED: an older snapshot does not show what is to be truncated."""
    one.execute("begin isolation level serializable")
    with refused("AW002"):
        prune(one)
    one.execute("rollback")


def test_it_leaves_the_sessions_lock_timeout_alone(one: Session, finished: Row) -> None:
    """Guards pooled connections: 30 ms are its own."""
    one.execute("set lock_timeout = '7s'")
    assert "pruned" == pruned(one)
    assert "7s" == value(one, "show lock_timeout")
    assert finished.slot == 0


def test_a_result_is_gone_with_its_slot_and_the_next_one_is_kept(one: Session) -> None:
    """Guards results: they live and go with their entry."""
    start_worker(one)
    for token in (1, 2):
        enqueue(one)
        taken = claim(one, token=token).row
        params = (*settle_params([taken], None, token, 1), [1], taken.seqs, [Jsonb(token)])
        one.execute(COMPLETE[:-1] + ", %s, %s, %s::jsonb[])", params)
        rotate(one, max_age_s=0)
    assert "pruned" == pruned(one, 0)
    assert [(2,)] == one.execute("select result from awa.results").fetchall()


def test_no_vacuum_comes_to_a_slot_by_itself(one: Session) -> None:
    """Guards Reclaims (B5): a prune waits 30 ms, and an autovacuum does not give way that soon."""
    vacuumed = (
        "select c.relname from awa.ring_slots s"
        " join pg_class c on c.oid in (s.ready, s.claims, s.closures, s.results, s.leases)"
        " left join pg_class t on t.oid = c.reltoastrelid"
        " where not coalesce('autovacuum_enabled=off' = any (c.reloptions), false)"
        " or t.oid is not null"
        " and not coalesce('autovacuum_enabled=off' = any (t.reloptions), false)"
    )
    assert [] == one.execute(vacuumed).fetchall()
