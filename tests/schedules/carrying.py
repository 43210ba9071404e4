"""Entries that an evacuation carries, and whoever has a claim on them."""

from dataclasses import replace
from typing import Final

from correctness.edits import Edit
from tests.fix_ring import EVACUATE, evacuate, pruned, turn
from tests.fix_sql import claim
from tests.schedules.schedule import Schedules
from tests.schedules.turning import withdraw
from tests.schedules.world import World

SCHEDULES: Final = Schedules()

PRUNING: Final = "internal/pruning.sql"
EVACUATING: Final = "internal/evacuating.sql"
CLOSING: Final = "internal/closing.sql"


@SCHEDULES.of(
    "EvacuateReadsFirst",
    "ClosuresDisjoint",
    Edit(
        file=EVACUATING,
        old="    v_locks := lock_evacuated(v_live, v_open);\n"
        "    v_live := array(select l from live_rows(p_slot, p_max + 1, p_max + 1) l);\n"
        "    v_open := array(select o from open_parts(p_slot, v_live) o);\n",
        new="    v_locks := lock_evacuated(v_live, v_open);\n",
    ),
)
def a_settle_after_the_look(world: World) -> None:
    """What was open when the evacuation looked has ended when it has its locks."""
    world.enqueue(2)
    row = world.claim(1).row
    turn(world.main)
    carrying = world.stop(world.session(), "seen", EVACUATE, [0, 100])
    world.complete(row, [1])
    carrying.end()
    world.complete(row, [1, 2])


@SCHEDULES.of(
    "EvacuateUnlockedClaims",
    "ClosuresDisjoint",
    Edit(
        file=EVACUATING,
        old="            where pg_try_advisory_xact_lock(lk_claim(), t.key)),\n",
        new="            ),\n",
    ),
)
def a_settle_in_flight(world: World) -> None:
    """A settle has not committed when the evacuation looks at what is open."""
    world.enqueue(2)
    row = world.claim(1).row
    turn(world.main)
    settling = world.session()
    with settling.transaction():
        world.complete(row, [1], session=settling)
        evacuate(world.main)
    world.complete(row, [1, 2])


@SCHEDULES.of(
    "EvacuateBesideClaims",
    "BodyKept",
    Edit(
        file=EVACUATING,
        old="            where pg_try_advisory_xact_lock(lk_lane(), l.lane))\n",
        new="            )\n",
    ),
)
def a_claim_in_flight(world: World) -> None:
    """A claim has not committed when the evacuation looks at what is pending."""
    world.enqueue()
    turn(world.main)
    claiming = world.session()
    with claiming.transaction():
        claim(claiming, token=1)
        evacuate(world.main)


@SCHEDULES.of(
    "CarryWithdrawn",
    "FinalForGood",
    Edit(
        file=PRUNING,
        old="union all select x.lane, x.seqs from closures_%1$s x) u\n            group by u.lane\n"
        "        )\n        select n.lane",
        new="union all select x.lane, x.seqs from closures_%1$s x where x.token is not null) u\n"
        "            group by u.lane\n        )\n        select n.lane",
    ),
)
def a_withdrawn_entry(world: World) -> None:
    """A job was cancelled before its slot is evacuated, and pruned."""
    job, _ = world.enqueue(2)
    withdraw(world, job)
    turn(world.main)
    evacuate(world.main)
    pruned(world.main)


@SCHEDULES.of(
    "NoSearch",
    "OnlyKnownEnd",
    Edit(
        file=CLOSING,
        old="    if exists (select from unnest(p_closings) c where c.answer = 'ended'"
        " or not isempty(c.stale)) then\n",
        new="    if false then\n",
    ),
)
def a_receipt_of_the_old_place(world: World) -> None:
    """A settle names the slot in which its claim was."""
    world.enqueue()
    row = world.claim(1).row
    turn(world.main)
    evacuate(world.main)
    world.complete(row)


@SCHEDULES.of(
    "KeyOfSlot",
    "ClosuresDisjoint",
    Edit(
        file=CLOSING,
        old="    v_mine int[] := lock_tokens(p_tokens);\n",
        new="    v_mine int[] := lock_tokens(array(\n"
        "        select u.t + u.s from unnest(p_tokens, p_slots) u (t, s)));\n",
    ),
)
def receipts_of_both_places(world: World) -> None:
    """One settle names the old slot of a claim, another the new one."""
    world.enqueue()
    row = world.claim(1).row
    turn(world.main)
    evacuate(world.main)
    first = world.session()
    with first.transaction():
        world.complete(row, session=first)
        world.complete(replace(row, slot=1), session=world.session())
