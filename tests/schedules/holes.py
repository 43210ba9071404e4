"""Numbers that are drawn and cannot be seen: who may forget one, and when."""

from typing import Final

from correctness.edits import Edit
from tests.fix_database import Session
from tests.schedules.schedule import Schedules
from tests.schedules.world import World

SCHEDULES: Final = Schedules()

CLAIM: Final = "functions/claim.sql"
TAKING: Final = "internal/taking.sql"
APPENDING: Final = "internal/appending.sql"
LOOK_AGAIN: Final = "        exit when live_slots() <@ v_slots;\n        v_slots"
FREE_SLOT: Final = 5


@SCHEDULES.of(
    "ForgetUnpicked",
    "HoleSafety",
    Edit(
        file=TAKING,
        old="        v_forgotten := numbers_passed(s, v_top) * numbers_up_to(v_top) - v.seen;\n"
        "    else",
        new="        v_forgotten := numbers_passed(s, v_top) * numbers_up_to(v_top) - v.taken;\n"
        "    else",
    ),
)
def seen_without_room(world: World) -> None:
    """The second look sees two entries, and there is room for one."""
    early, late = world.producer(), world.producer()
    late.execute("commit")
    claim = world.claiming("test", token=1, limit=1)
    early.execute("commit")
    world.claimed(claim, 1)


@SCHEDULES.of(
    "NoSecondPick",
    "HoleSafety",
    Edit(
        file=TAKING,
        old="        v := pick(s.lane, s.next, v_top + 1, s.holes + s.young, lock_live_slots(),"
        " 2147483647, p_limit);\n        v_forgotten",
        new="        v_forgotten",
    ),
)
def committed_before_the_test(world: World) -> None:
    """A producer that the look did not see has committed when the claim finds nobody in flight."""
    early, late = world.producer(), world.producer()
    late.execute("commit")
    claim = world.claiming("test", token=1)
    early.execute("commit")
    world.claimed(claim, 1)


def with_xid(world: World) -> Session:
    """Return a session with an open transaction that has its xid."""
    session = world.session()
    session.execute("begin")
    session.execute("select pg_current_xact_id()")
    return session


def enqueue_in(world: World, session: Session) -> None:
    """Enqueue a job in a transaction that is open."""
    rows = session.execute("select id from awa.enqueue('k', '{}')").fetchall()
    world.truth.enqueued(frozenset(), rows[0][0])


@SCHEDULES.of(
    "XmaxForOwnXid",
    "HoleSafety",
    Edit(
        file=CLAIM,
        old="        v_xid := pg_current_xact_id();\n",
        new="        v_xid := pg_snapshot_xmax(pg_current_snapshot());\n"
        "        perform pg_current_xact_id();\n",
    ),
)
def xids_above_the_last_that_finished(world: World) -> None:
    """The producer's xid is older than the claim's, and not below the claim's snapshot's bound."""
    quick, stranger, slow = (with_xid(world) for _ in range(3))
    enqueue_in(world, slow)
    enqueue_in(world, quick)
    quick.execute("commit")
    world.claim(1)
    stranger.execute("commit")
    world.enqueue()
    world.claim(2)
    slow.execute("commit")


@SCHEDULES.of(
    "XidBeforePick",
    "HoleSafety",
    Edit(
        file=CLAIM,
        old="    perform require_worker(claim.worker);\n",
        new="    perform require_worker(claim.worker);\n    v_xid := pg_current_xact_id();\n",
    ),
)
def producers_that_come_after_the_claim_began(world: World) -> None:
    """What a claim passes over was drawn after the claim began, and before it looked."""
    claim = world.claiming("listed", token=1)
    slow = world.producer()
    world.enqueue()
    world.claimed(claim, 1)
    world.enqueue()
    world.claim(2)
    slow.execute("commit")


@SCHEDULES.of(
    "XminNewerThanLook",
    "HoleSafety",
    Edit(
        file=TAKING,
        old="        v_slots := lock_live_slots();\n    end loop;\n    return v;\n",
        new="        v_slots := lock_live_slots();\n    end loop;\n"
        "    v.xmin := pg_snapshot_xmin(pg_current_snapshot());\n    return v;\n",
    ),
)
def committed_after_the_look(world: World) -> None:
    """A hole's producer commits after the look, and before anybody reads who still runs."""
    slow = world.producer()
    world.enqueue()
    world.claim(1)
    world.enqueue()
    claim = world.claiming("picked", token=2)
    following = world.producer()
    slow.execute("commit")
    world.claimed(claim, 2)
    following.execute("commit")


@SCHEDULES.of(
    "InflightAfterDraw",
    "HoleSafety",
    Edit(
        file=APPENDING,
        old="    perform pg_advisory_xact_lock_shared(lk_inflight(), p_lane);\n",
        new="",
    ),
    Edit(
        file="functions/enqueue.sql",
        old=" into v_slot, v_seq, v_job;\n",
        new=" into v_slot, v_seq, v_job;\n"
        "    perform pg_advisory_xact_lock_shared(lk_inflight(), v_lane.lane);\n",
    ),
)
def drawn_and_not_written(world: World) -> None:
    """A claim asks who is in flight while a producer has its number and nothing else."""
    slow = world.writer(0)
    world.enqueue()
    world.claim(1)
    world.written(slow)


@SCHEDULES.of(
    "XidNotForced",
    "HoleSafety",
    Edit(file=APPENDING, old="    perform pg_current_xact_id();\n", new=""),
)
def a_number_before_an_xid(world: World) -> None:
    """A sequence takes an xid only for each 32nd number: this one is not the first."""
    world.enqueue()
    world.claim(1)
    session = world.session()
    session.execute("begin")
    slow = world.writer(0, session)
    world.enqueue()
    world.claim(2)
    world.written(slow)
    world.enqueue()
    world.claim(3)
    session.execute("commit")


@SCHEDULES.of(
    "NoLookAgain",
    "HoleSafety",
    Edit(file=TAKING, old=LOOK_AGAIN, new="        exit;\n        v_slots"),
)
def a_slot_that_fills_after_the_list(world: World) -> None:
    """A hole's row appears in a slot that was listed as empty; its xid has ended by then."""
    slow = world.writer(FREE_SLOT)
    world.enqueue()
    world.claim(1)
    claim = world.claiming("listed", token=2)
    world.written(slow)
    other = world.producer()
    world.enqueue()
    world.claimed(claim, 2)
    other.execute("commit")


@SCHEDULES.of(
    "NoLookAgainFifo",
    "FifoLinearizable",
    Edit(file=TAKING, old=LOOK_AGAIN, new="        exit;\n        v_slots"),
)
def an_older_entry_in_a_slot_that_fills(world: World) -> None:
    """Two enqueues, one after the other; the first lands where the claim does not look yet."""
    other = world.producer()
    claim = world.claiming("listed", token=1)
    with world.hint(FREE_SLOT):
        world.enqueue()
    world.enqueue()
    world.claimed(claim, 1)
    other.execute("commit")


@SCHEDULES.of(
    "ListBeforeQuiet",
    "HoleSafety",
    Edit(
        file=TAKING,
        old="v_top + 1, s.holes + s.young, lock_live_slots(), 2147483647, p_limit);\n"
        "        v_forgotten",
        new="v_top + 1, s.holes + s.young, p_slots, 2147483647, p_limit);\n        v_forgotten",
    ),
)
def a_slot_that_fills_before_the_test(world: World) -> None:
    """The last one in flight writes to a slot that was listed as empty, and commits."""
    slow = world.writer(FREE_SLOT)
    world.enqueue()
    claim = world.claiming("test", token=1)
    world.written(slow)
    world.claimed(claim, 1)
