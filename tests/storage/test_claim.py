from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.fix_database import NewSession, Session
from tests.fix_sql import (
    CLAIM,
    Claimed,
    bodies,
    claim,
    complete,
    enqueue,
    enqueue_many,
    everything,
    lane_state,
    numbers,
    refused,
    release,
    start_worker,
    value,
)


@pytest.fixture(autouse=True)
def prepare(one: Session) -> None:
    """Start a worker."""
    start_worker(one)


def test_nothing_there_is_empty_and_writes_nothing(one: Session) -> None:
    """Guards the answer 'empty': no such queue, a queue without jobs, a queue all taken."""
    enqueue(one, queue="taken")
    claim(one, token=1, queues=["taken"])
    one.execute("select awa.ensure_lane('idle')")
    before = everything(one)
    found = claim(one, token=2, queues=["nowhere", "idle", "taken"])
    assert Claimed(rows=[], empty=["idle", "nowhere", "taken"], busy=[]) == found
    assert before == everything(one)


def test_a_claim_takes_in_order_up_to_its_limit(one: Session) -> None:
    """Guards FifoLinearizable and CursorGrows: one row, a range, and the cursor behind it."""
    enqueue_many(one, 5)
    first = claim(one, 3, token=1).row
    assert ("default", 0, 1, 1, [1, 2, 3]) == (
        first.queue,
        first.slot,
        first.part,
        first.lane,
        first.seqs,
    )
    assert (1, 4) == (lane_state(one).no, lane_state(one).next)
    assert [4, 5] == claim(one, 3, token=2).seqs
    assert (2, 6) == (lane_state(one).no, lane_state(one).next)
    assert ["default"] == claim(one, 3, token=3).empty
    rows = one.execute("select worker, call, token, seqs from awa.claims order by no").fetchall()
    assert [(1, 1, 1, [1, 2, 3]), (1, 2, 2, [4, 5])] == [(*r[:3], numbers(r[3])) for r in rows]


def test_each_queue_has_its_own_limit(one: Session) -> None:
    """Guards the limits: they belong to the queue in the same place."""
    for queue in ("a", "b", "c"):
        enqueue_many(one, 4, queue=queue)
    found = claim(one, token=1, queues=["c", "a"], limits=[1, 3])
    assert [("c", 1, [1]), ("a", 2, [1, 2, 3])] == [(r.queue, r.part, r.seqs) for r in found.rows]
    assert [("b", 4), ("a", 1), ("c", 3)] == [
        (queue, len(claim(one, 100, token=token, queues=[queue]).seqs))
        for token, queue in ((2, "b"), (3, "a"), (4, "c"))
    ]


def test_better_priorities_come_first_and_share_the_limit(one: Session) -> None:
    """Guards the order of lanes: 1 before 4, whatever was enqueued first."""
    for priority in (4, 2, 1, 3):
        enqueue_many(one, 2, priority=priority)
    found = claim(one, 5, token=1)
    lanes: dict[int, int] = dict(one.execute("select lane, priority from awa.lanes").fetchall())
    assert [(1, [1, 2]), (2, [1, 2]), (3, [1])] == [(lanes[r.lane], r.seqs) for r in found.rows]
    assert [1, 2, 3] == [r.part for r in found.rows]
    rest = claim(one, 5, token=2)
    assert [(3, [2]), (4, [1, 2])] == [(lanes[r.lane], r.seqs) for r in rest.rows]


def test_waiting_lifts_a_lane_and_the_older_head_goes_first(one: Session) -> None:
    """Guards aging: priority 4 that waited three times aging_s is as good as priority 1."""
    for priority in (4, 1, 2):
        enqueue(one, priority=priority)
    one.execute(
        "update awa.ready r set enqueued_at = clock_timestamp() - interval '181 s'"
        " from awa.lanes l where l.lane = r.lane and l.priority = 4"
    )
    lanes: dict[int, int] = dict(one.execute("select lane, priority from awa.lanes").fetchall())
    one.execute("update awa.queue_settings set aging_s = 0")
    with one.transaction(force_rollback=True):
        assert [1, 2, 4] == [lanes[r.lane] for r in claim(one, token=1).rows]
    one.execute("update awa.queue_settings set aging_s = 100")
    with one.transaction(force_rollback=True):
        assert [1, 2, 4] == [lanes[r.lane] for r in claim(one, token=1).rows]
    one.execute("update awa.queue_settings set aging_s = 60")
    assert [4, 1, 2] == [lanes[r.lane] for r in claim(one, token=1).rows]


def test_a_lane_of_another_priority_that_is_locked_makes_an_empty_queue_busy(
    one: Session, other: Session
) -> None:
    """Guards NoLostWakeup: empty is said only when every lane of the queue was looked at."""
    enqueue(one, priority=1)
    one.execute("select awa.ensure_lane('default', 3)")
    with other.transaction():
        other.execute("select pg_advisory_xact_lock(awa.lk_lane(), 1)")
        assert ["default"] == claim(one, token=1).busy
        enqueue(one, priority=3)
        assert [2] == [r.lane for r in claim(one, token=1).rows]
    assert [1] == [r.lane for r in claim(one, token=2).rows]


def test_busy_stands_beside_what_was_got_when_a_lane_was_left_out(
    one: Session, other: Session
) -> None:
    """Guards NoLostWakeup (BusyUntoldBesideGot): who hears `got` alone goes to sleep."""
    jobs = [enqueue(one, priority=priority) for priority in (1, 3, 3, 3)]
    with other.transaction():
        other.execute("select pg_advisory_xact_lock(awa.lk_lane(), 1)")
        exactly = claim(one, 2, token=1)
        assert ([1, 2], []) == (exactly.seqs, exactly.busy), "a limit that is reached says it too"
        less = claim(one, 2, token=2)
        assert ([3], ["default"], []) == (less.seqs, less.busy, less.empty)
    last = claim(one, 2, token=3)
    assert ([1], [], []) == (last.seqs, last.busy, last.empty)
    assert 4 == len(jobs)


def test_the_repeat_of_a_claim_says_busy_beside_what_it_took(one: Session) -> None:
    """Guards NoLostWakeup: a repeat takes nothing new, and does not look whether there is any."""
    enqueue(one)
    assert [] == claim(one, token=1).busy
    enqueue(one)
    again = claim(one, token=1)
    assert ([1], ["default"]) == (again.seqs, again.busy)


def test_the_deadline_is_the_queues(one: Session) -> None:
    """Guards deadline_s: so many seconds after the claim; 0 is none."""
    for queue, deadline_s in (("default", 300), ("short", 1.5), ("none", 0)):
        enqueue(one, queue=queue)
        one.execute(
            "update awa.queue_settings set deadline_s = %s where queue = %s", [deadline_s, queue]
        )
    claim(one, token=1, queues=["default", "short", "none"])
    after = one.execute(
        "select l.queue, extract(epoch from c.deadline - c.claimed_at)::float"
        " from awa.claims c join awa.lanes l using (lane) order by c.part"
    ).fetchall()
    assert [("default", 300.0), ("short", 1.5), ("none", None)] == [
        (queue, None if seconds is None else round(seconds, 1)) for queue, seconds in after
    ]


def test_a_call_takes_from_several_slots_with_a_row_each(one: Session) -> None:
    """Guards the ring: the order is the numbers', whatever slot an entry landed in."""
    for slot in (3, 9, 3):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        enqueue_many(one, 2)
    found = claim(one, 5, token=1)
    assert [(3, 1, [1, 2, 5]), (9, 2, [3, 4])] == [(r.slot, r.part, r.seqs) for r in found.rows]
    assert [6] == claim(one, token=2).seqs
    assert (2, 7) == (lane_state(one).no, lane_state(one).next)
    assert ["default"] == claim(one, token=3).empty


def test_the_newest_state_wins_wherever_its_row_is(one: Session) -> None:
    """Guards EntryClaimedOnce: `no` says which state is the newest, not the slot or cursor."""
    one.execute("select awa.ensure_lane('default'), setval('awa.ring_seq', 7)")
    with one.transaction(force_rollback=True):
        enqueue(one)
    enqueue(one)
    one.execute("select setval('awa.ring_seq', 2)")
    enqueue(one)
    assert [2] == claim(one, 1, token=1).seqs
    assert [3] == claim(one, 1, token=2).seqs
    one.execute("select setval('awa.ring_seq', 7)")
    enqueue(one)
    assert [4] == claim(one, 1, token=3).seqs
    assert ["default"] == claim(one, token=4).empty


def forget_slot_0(session: Session) -> None:
    """Move the lane's newest state to its floor and empty the slot, as a prune does."""
    session.execute(
        "update awa.lanes l set floor_no = n.no, floor_next = n.next, floor_holes = n.holes,"
        " floor_young = n.young from awa.lane_now n where n.lane = l.lane"
    )
    session.execute("truncate awa.ready_0, awa.claims_0, awa.closures_0, awa.results_0")


@pytest.mark.by_hand
def test_a_lane_whose_slot_was_pruned_goes_on_at_its_floor(one: Session) -> None:
    """Guards CursorGrows: the floor is the state until a claims row is newer."""
    enqueue_many(one, 3)
    complete(one, claim(one, token=1).row)
    forget_slot_0(one)
    assert ["default"] == claim(one, token=2).empty
    enqueue_many(one, 3)
    complete(one, claim(one, 2, token=2).row)
    assert (2, 6) == (lane_state(one).no, lane_state(one).next)
    assert [6] == claim(one, token=3).seqs
    assert 3 == lane_state(one).no


@pytest.mark.by_hand
def test_the_floor_keeps_the_holes(one: Session, other: Session) -> None:
    """Guards HoleSafety: a prune carries what the lane still waits for."""
    one.execute("select awa.ensure_lane('default')")
    with other.transaction():
        enqueue(other)
        enqueue(one)
        complete(one, claim(one, token=1).row)
        one.execute(
            "update awa.lanes l set floor_no = n.no, floor_next = n.next, floor_holes = n.holes"
            " from awa.lane_now n where n.lane = l.lane"
        )
        one.execute("delete from awa.claims; delete from awa.closures; delete from awa.ready")
    enqueue(one)
    assert [1, 3] == claim(one, token=2).seqs


def test_names_may_be_of_any_script(one: Session) -> None:
    """Guards unicode: queues and kinds are compared and answered as they were given."""
    queue = "очередь-工作-🐦'\"\\ %s"
    one.execute("select awa.enqueue('küche', '{}', jsonb_build_object('queue', %s::text))", [queue])
    assert queue == claim(one, token=1, queues=[queue]).row.queue
    assert "küche" == value(one, "select kind from " + bodies("1"))


@pytest.mark.bulk
def test_a_thousand_is_taken_and_more_is_refused(one: Session) -> None:
    """Guards the bound of a claim: the sum of the limits, not of what is there."""
    enqueue_many(one, 1001)
    one.execute("select awa.ensure_lane('second')")
    with refused("AW004", "1000"):
        claim(one, 1001, token=1)
    with refused("AW004", "1000"):
        claim(one, token=1, queues=["default", "second"], limits=[1000, 1])
    assert 0 == everything(one)["claims"]
    assert list(range(1, 1001)) == claim(one, 1000, token=1).seqs


def test_an_unknown_worker_is_told_to_start(one: Session) -> None:
    """Guards AW003: nobody claims who has no row, before the start and after the stop."""
    enqueue(one)
    before = everything(one)
    with refused("AW003"):
        claim(one, worker=77)
    assert before == everything(one)
    one.execute("select awa.worker_stop(1)")
    with refused("AW003"):
        claim(one)


@contextmanager
def nothing_written(session: Session) -> Iterator[None]:
    """See that no table and no lane's sequence changes."""
    before = everything(session)
    last = session.execute("select last_value from awa.lane_1_seq").fetchall()
    yield
    assert before == everything(session)
    assert last == session.execute("select last_value from awa.lane_1_seq").fetchall()


BAD_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("queues", (1, 1, 1, [], [])),
    ("queues", (1, 1, 1, None, None)),
    ("queues", (1, 1, 1, ["default"], None)),
    ("queues", (1, 1, 1, None, [1])),
    ("queues", (1, 1, 1, ["default"], [1, 2])),
    ("queues", (1, 1, 1, ["default", "default"], [1, 2])),
    ("queues", (1, 1, 1, ["default", None], [1, 2])),
    ("queues", (1, 1, 1, ["default", "x"], [1, None])),
    ("queues", (1, 1, 1, ["default"], [0])),
    ("queues", (1, 1, 1, ["default"], [-1])),
    ("queues", (1, 1, 1, "[0:0]={default}", "[0:0]={5}")),
    ("queues", (1, 1, 1, "{{default}}", "{{5}}")),
    ("token", (1, 1, None, ["default"], [1])),
    ("call", (1, None, 1, ["default"], [1])),
    ("call", (1, 0, 1, ["default"], [1])),
    ("worker", (None, 1, 1, ["default"], [1])),
]


def test_bad_calls_are_refused_and_write_nothing(one: Session) -> None:
    """Guards AW001: the field is named."""
    enqueue(one)
    with nothing_written(one):
        for field, params in BAD_CALLS:
            with refused("AW001", field):
                one.execute(CLAIM, params)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_claim_is_refused_outside_read_committed(
    session: NewSession, one: Session, level: str
) -> None:
    """Guards EntryClaimedOnce: an old snapshot showed 20 of 20 entries that others had claimed."""
    enqueue(one)
    row = claim(one, token=1).row
    enqueue(one)
    before = everything(one)
    strict = session()
    strict.execute(f"set default_transaction_isolation = '{level}'")
    calls = (
        lambda: claim(strict, token=2),
        lambda: complete(strict, row),
        lambda: release(strict, row),
        lambda: strict.execute("select awa.worker_start(2, '{}')"),
        lambda: strict.execute("select awa.worker_stop(1)"),
        lambda: strict.execute("select awa.heartbeat(1, 1, 1, '{}')"),
    )
    for call in calls:
        with refused("AW002", level):
            call()
    with refused("AW002", level), one.transaction():
        one.execute(f"set transaction isolation level {level}")
        claim(one, token=2)
    assert before == everything(one)


def test_a_queue_that_a_limit_leaves_out_is_still_there_for_the_next(one: Session) -> None:
    """Guards Drains: a small limit is no reason to call the rest empty or busy."""
    for priority in (1, 2, 3):
        enqueue(one, priority=priority)
    assert [[1], [2], [3]] == [[r.lane for r in claim(one, 1, token=t).rows] for t in (1, 2, 3)]


def test_a_read_only_transaction_cannot_claim(one: Session) -> None:
    """Guards the answer's honesty: what cannot be written is not handed out."""
    enqueue(one)
    one.execute("set default_transaction_read_only = on")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        claim(one, token=1)
    one.execute("set default_transaction_read_only = off")
    assert [1] == claim(one, token=1).seqs


def test_a_sequence_behind_its_cursor_is_moved_there_and_reported(one: Session) -> None:
    """Guards a lane after a partial restore: no number is drawn that no claim looks for."""
    enqueue(one)
    enqueue(one)
    claim(one, token=1)
    one.execute("select setval('awa.lane_1_seq', 1)")
    told: list[str | None] = []
    one.add_notice_handler(lambda notice: told.append(notice.message_primary))
    assert ["default"] == claim(one, token=2).empty
    enqueue(one)
    assert [3] == claim(one, token=3).seqs
    assert 1 == len(told)
    assert "lane 1" in str(told[0])
