"""`check` can fail: damage is planted by hand for each property it names."""

import re
from typing import LiteralString

import pytest

from tests.fix_actions import cancel_pending, promote, snooze
from tests.fix_database import Session
from tests.fix_ring import pruned, turn
from tests.fix_sql import (
    broken,
    claim,
    complete,
    enqueue,
    enqueue_many,
    release,
    row,
    start_worker,
)

pytestmark = pytest.mark.by_hand


@pytest.fixture
def planted(one: Session) -> None:
    """Make a healthy lane: 1, 2 completed, 3 released (now 7), 4 running, 5 to 7 available.

    A test that asks for this plants damage, so the folder's closing look is left out.
    """
    start_worker(one)
    enqueue_many(one, 6)
    first = claim(one, 4, token=1).row
    complete(one, first, seqs=[1, 2], settle_id=1)
    release(one, first, seqs=[3], settle_id=2)


COPY_CLAIM: LiteralString = (
    "insert into awa.claims select 2, worker, 2, claimed_at, deadline, no + 1, next, holes_xid,"
    " young_xid, lane, slot, part, '{[4,5)}', holes, young from awa.claims"
)
CLOSE: LiteralString = (
    "insert into awa.closures select token, 9, closed_at, %s::awa.outcome, lane, slot, part,"
    " %s::int8multirange from awa.closures where settle_id = 1"
)
WITHDRAW: LiteralString = (
    "insert into awa.closures select null, 0, closed_at, 'withdrawn', lane, slot, null,"
    " %s::int8multirange from awa.closures where settle_id = 1"
)
# The released job is taken out of the ring, and put elsewhere as if it had never been there.
MISPLACE: LiteralString = (
    "with gone as (delete from awa.ready where seq = 7 returning *)"
    " insert into awa.%s (job_id, state, %s, lane, run_lease, attempt, max_attempts, kind, args,"
    " enqueued_at%s) select job_id, %s, now(), lane, 0, 1, 25, kind, args, enqueued_at%s from gone"
)
DAMAGE: list[tuple[str, LiteralString, list[str]]] = [
    ("two claims of a number", COPY_CLAIM, ["EntryClaimedOnce", "OneLivePlacePerJob"]),
    (
        "a cursor that goes back over claimed numbers",
        "update awa.claims set next = 3",
        ["EntryClaimedOnce"],
    ),
    (
        "a hole where a claimed number is",
        "update awa.claims set holes = '{[2,3)}'",
        ["EntryClaimedOnce"],
    ),
    (
        "a young hole where a claimed number is",
        "update awa.claims set young = '{[2,3)}'",
        ["EntryClaimedOnce"],
    ),
    (
        "a number closed twice",
        CLOSE % ("'completed'", "'{[2,3)}'"),
        ["ClosuresDisjoint", "OneLivePlacePerJob"],
    ),
    (
        "a closure of what was not claimed",
        CLOSE % ("'completed'", "'{[4,6)}'"),
        ["ClosureWithinClaim"],
    ),
    (
        "a closure of a claim that is not there",
        "update awa.closures set token = 5 where settle_id = 1",
        ["ClosureWithinClaim"],
    ),
    (
        "a closure in another slot than its claim",
        "update awa.closures set slot = 1 where settle_id = 1",
        ["ClosureWithinClaim", "PruneEmpty"],
    ),
    (
        "a lease of no claim",
        "insert into awa.leases (seq, token, lane, slot, part) values (4, 5, 1, 0, 1)",
        ["BodyKept"],
    ),
    ("an open entry without its row", "delete from awa.ready where seq = 4", ["BodyKept"]),
    (
        "an entry that the cursor passed over",
        "update awa.claims set next = 6",
        ["HoleSafety"],
    ),
    (
        "a cursor that went back",
        (
            "insert into awa.claims select 2, worker, 2, claimed_at, deadline, no - 1, 6,"
            " holes_xid, young_xid, lane, slot, part, '{}', holes, young from awa.claims"
        ),
        ["CursorGrows"],
    ),
    (
        "two calls that wrote the same state",
        (
            "insert into awa.claims select 2, worker, 2, claimed_at, deadline, no, next, holes_xid,"
            " young_xid, lane, slot, 2, '{}', holes, young from awa.claims"
        ),
        ["CursorGrows"],
    ),
    (
        "a job both in the ring and deferred",
        (
            "insert into awa.deferred (job_id, run_at, state, lane, run_lease, attempt,"
            " max_attempts, kind, args, enqueued_at)"
            " values (5, now(), 'scheduled', 1, 1, 1, 25, 'k', '{}', now())"
        ),
        ["OneLivePlacePerJob"],
    ),
    (
        "a job both completed and final",
        (
            "insert into awa.finals (job_id, state, reason, finished_at, lane, run_lease,"
            " attempt, max_attempts, kind, args, enqueued_at)"
            " values (1, 'failed', 'x', now(), 1, 1, 1, 25, 'k', '{}', now())"
        ),
        ["OneLivePlacePerJob"],
    ),
    (
        "a dead-lettered job that is still available",
        (
            "insert into awa.dlq (job_id, state, reason, finished_at, lane, run_lease,"
            " attempt, max_attempts, kind, args, enqueued_at)"
            " values (5, 'failed', 'x', now(), 1, 1, 1, 25, 'k', '{}', now())"
        ),
        ["OneLivePlacePerJob"],
    ),
    (
        "a released entry whose job came back twice",
        (
            "insert into awa.ready select job_id, 8, enqueued_at, lane, 3, slot, attempt,"
            " max_attempts, losses, kind, args, extra from awa.ready where seq = 7"
        ),
        ["OneLivePlacePerJob"],
    ),
    ("a released entry whose job is gone", "delete from awa.ready where seq = 7", ["NoJobLost"]),
    (
        "a run_lease that did not grow",
        "update awa.ready set run_lease = 1 where seq = 7",
        ["RunLeaseGrows"],
    ),
    (
        "a completed job that came back",
        "update awa.ready set job_id = 1, run_lease = 2 where seq = 5",
        ["FinalForGood", "OneLivePlacePerJob"],
    ),
    (
        "a result of a running attempt",
        """insert into awa.results values (4, 1, 0, '{}')""",
        ["OnlyOpenSettles"],
    ),
    (
        "an attempt beyond the last one",
        "update awa.ready set attempt = max_attempts + 1 where seq = 5",
        ["AttemptBound"],
    ),
    (
        "a wait for an attempt beyond the last one",
        (
            "with gone as (delete from awa.ready where seq = 5 returning *)"
            " insert into awa.deferred (job_id, run_at, state, lane, run_lease, attempt,"
            " max_attempts, kind, args, enqueued_at) select job_id, now(), 'retryable', lane,"
            " run_lease, max_attempts + 1, max_attempts, kind, args, enqueued_at from gone"
        ),
        ["AttemptBound"],
    ),
    (
        "a result of nothing",
        """insert into awa.results values (90, 1, 3, '{}')""",
        ["OnlyOpenSettles"],
    ),
    (
        "a floor behind a claim that it was saved from",
        "update awa.lanes set floor_no = 1, floor_next = 1",
        ["CursorGrows", "EntryClaimedOnce"],
    ),
    ("a withdrawal of what runs", WITHDRAW % "'{[4,5)}'", ["ClosureWithinClaim"]),
    (
        "a withdrawal that a claim would not look for",
        WITHDRAW % "'{[999,1001)}'",
        ["BodyKept"],
    ),
    (
        "an entry after the job's end",
        MISPLACE % ("finals", "finished_at", ", reason", "'failed'", ", 'x'"),
        ["FinalForGood"],
    ),
    (
        "an entry after a dead letter that is still there",
        MISPLACE % ("dlq", "finished_at", ", reason", "'failed'", ", 'x'"),
        ["DlqRoundTrip"],
    ),
    (
        "a wait with an older run_lease than an entry",
        MISPLACE % ("deferred", "run_at", "", "'scheduled'", ""),
        ["RunLeaseGrows"],
    ),
    (
        "an entry of a job that was lost too often",
        "update awa.ready set losses = 100 where seq = 5",
        ["LossBound"],
    ),
    (
        "a unique job without its key",
        (
            "update awa.ready set extra = jsonb_build_object('unique', jsonb_build_object("
            "'key', repeat('0', 32), 'until', 'finished')) where seq = 5"
        ),
        ["UniqueHeldOnce"],
    ),
    (
        "a job that returned, is not started, and has not its key again",
        (
            "update awa.ready set extra = jsonb_build_object('unique', jsonb_build_object("
            "'key', repeat('0', 32), 'until', 'started', 'lease', 2)) where seq = 7"
        ),
        ["UniqueHeldOnce"],
    ),
    (
        "two jobs of one instant of a schedule",
        (
            "update awa.ready set extra = jsonb_build_object('metadata', jsonb_build_object("
            "'cron_namespace', 'n', 'cron_name', 's', 'cron_fire_time', 't')) where seq in (5, 6)"
        ),
        ["FiredOnce"],
    ),
]


def clauses(session: Session) -> list[tuple[str, str]]:
    """Return what `check` looks for: of each of its selects the property and how it is told."""
    (text,) = row(session, "select prosrc from pg_proc where oid = 'awa.check'::regproc")
    found = re.findall(r"^    select '(\w+)', format\('([^']*)'", text, re.MULTILINE)
    after_others = re.findall(r"^    union all\n(?: +--.*\n)* +select '", text, re.MULTILINE)
    assert len(found) == len(after_others) + 1
    return found


@pytest.mark.parametrize("broken_property", sorted({d[2][0] for d in DAMAGE}))
def test_check_finds(one: Session, planted: None, broken_property: str) -> None:
    """Guards the guard: a healthy lane is clean, and each kind of damage has its name."""
    for told, damage, properties in DAMAGE:
        if properties[0] == broken_property:
            assert [] == broken(one)
            with one.transaction(force_rollback=True):
                one.execute(damage)
                assert properties == sorted(set(broken(one))), told


def test_every_clause_of_check_finds_some_damage(one: Session, planted: None) -> None:
    """Guards the guard: a clause that nothing can make fire proves nothing."""
    told: list[tuple[str, str]] = []
    for _, damage, _ in DAMAGE:
        with one.transaction(force_rollback=True):
            one.execute(damage)
            told += one.execute('select * from awa."check"()').fetchall()
    silent = [clause for clause in clauses(one) if not any(_is_of(clause, each) for each in told)]
    assert [] == silent


def _is_of(clause: tuple[str, str], told: tuple[str, str]) -> bool:
    shape = re.escape(clause[1]).replace("%s", ".*")
    return clause[0] == told[0] and re.fullmatch(shape, told[1]) is not None


def test_a_withdrawal_is_no_damage(one: Session) -> None:
    """Guards check against false alarms: unclaimed and closed without a token is withdrawn."""
    start_worker(one)
    enqueue_many(one, 3)
    claim(one, 1, token=1)
    assert [("settled", "cancelled")] == cancel_pending(one, 2)
    assert [] == broken(one)


def test_a_pruned_attempt_is_no_damage(one: Session) -> None:
    """Guards check against false alarms: slots go in any order, so an early entry may be left."""
    start_worker(one)
    enqueue_many(one, 2)
    first = claim(one, token=1).row  # the second job runs on, and keeps the slot
    snooze(one, first, seqs=[1], settle_id=1)
    turn(one)
    promote(one, 1)
    complete(one, claim(one, token=2).row, settle_id=2)
    turn(one)
    assert "pruned" == pruned(one, 1)
    assert [] == broken(one)


def test_an_installation_without_jobs_is_clean(one: Session) -> None:
    """Guards the edge: no lanes, and lanes without entries."""
    assert [] == broken(one)
    one.execute("select awa.ensure_lane('q')")
    assert [] == broken(one)


def test_damage_is_described(one: Session, planted: None) -> None:
    """Guards the report: it says where."""
    enqueue(one, queue="second")
    one.execute("delete from awa.ready where seq = 4 and lane = 1")
    found = row(one, 'select * from awa."check"()')
    assert ("BodyKept", "lane 1 slot 0: 1 numbers of [1,5) have no row") == found
