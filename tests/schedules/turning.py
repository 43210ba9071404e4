"""The turning ring beside claims and settles."""

from typing import Final

from correctness.edits import Edit
from tests.fix_actions import cancel_pending
from tests.fix_ring import PRUNE, turn
from tests.fix_ring import pruned as answer_of_prune
from tests.fix_sql import CLAIM, claim_params
from tests.schedules.schedule import Schedules
from tests.schedules.world import World

SCHEDULES: Final = Schedules()

CLAIM_SQL: Final = "functions/claim.sql"
PICKING: Final = "internal/picking.sql"
PRUNING: Final = "internal/pruning.sql"
KNOWN: Final = (
    "                union all select x.lane, x.seqs from closures_%1$s x) u\n"
    "            group by u.lane\n        )\n        select n.lane"
)


def withdraw(world: World, *jobs: int) -> None:
    """Cancel jobs that nobody runs."""
    for job in jobs:
        world.truth.withdraws(job)
    answers = cancel_pending(world.main, *jobs, settle_id=500)
    assert {answer for answer, _ in answers} == {"settled"}


def finished(world: World) -> None:
    """Let a job end in slot 0, and turn the ring."""
    world.enqueue()
    world.complete(world.claim(1).row)
    turn(world.main)


def prune(world: World, slot: int = 0) -> str:
    """Prune a slot, and note what it took with it."""
    jobs = world.truth.visible()
    answer = answer_of_prune(world.main, slot)
    if answer == "pruned":
        world.truth.pruned(jobs)
    return answer


@SCHEDULES.of(
    "FloorFirst",
    "EntryClaimedOnce",
    Edit(
        file=CLAIM_SQL,
        old="    v_xid xid8;\n",
        new="    v_xid xid8;\n    v_floors lanes[];\n",
    ),
    Edit(
        file=CLAIM_SQL,
        old="    v_slots := live_slots();",
        new="    v_floors := array(select l from lanes l where l.lane = any (v_mine));\n"
        "    v_slots := live_slots();",
    ),
    Edit(
        file=CLAIM_SQL,
        old="    v_states := states_of(v_mine, v_slots);\n",
        new="    v_states := array(\n"
        "        select case when exists (select from unnest(v_slots) k, newest_claim(k, s.lane))\n"
        "               then s else row (s.lane, s.queue, s.priority, s.seq, s.deadline_s,\n"
        "                    s.aging_s, f.floor_no, f.floor_next, f.floor_holes,\n"
        "                    f.floor_holes_xid, f.floor_young, f.floor_young_xid)::lane_state end\n"
        "        from lane_states(v_mine, v_slots) s join unnest(v_floors) f using (lane));\n",
    ),
)
def a_prune_before_the_lock_of_a_claim(world: World) -> None:
    """A claim waits for a prune that moves the lane's state from the slot into the floor."""
    finished(world)
    world.enqueue()
    pruner = world.session()
    with pruner.transaction():
        assert answer_of_prune(pruner) == "pruned"
        waiting = world.beside(CLAIM, claim_params(token=2))
        assert waiting.is_running()
    world.answered(waiting.rows(), 2)


@SCHEDULES.of(
    "FloorBeforeLock",
    "CursorGrows",
    Edit(
        file=PRUNING,
        old="begin\n    execute format('lock table %s in access exclusive mode', v_tables);\n"
        "    v_floors := move_floors(p_slot);\n",
        new="begin\n    v_floors := move_floors(p_slot);    -- before the lock\n"
        "    execute format('lock table %s in access exclusive mode', v_tables);\n",
    ),
)
def a_state_written_beside_a_prune(world: World) -> None:
    """A claim that sees withdrawn entries only writes the lane's state to the slot being pruned."""
    jobs = world.enqueue(3)
    withdraw(world, *jobs)
    turn(world.main)
    pruning = world.stop(world.session(), "proven", PRUNE, [0, 0])
    world.claim(1)
    world.truth.look()
    assert pruning.end()[0][0] in {"pruned", "busy"}
    world.truth.look()


@SCHEDULES.of(
    "NewestSlotFirst",
    "EntryClaimedOnce",
    Edit(
        file=PICKING,
        old="        where c.no > l.floor_no order by c.no desc limit 1) s on true\n",
        new="        where c.no > l.floor_no"
        " order by k = current_slot() desc, c.no desc limit 1) s on true\n",
    ),
)
def the_newest_claim_in_an_old_slot(world: World) -> None:
    """A late entry is claimed in the slot before, after a claim in the current one.

    The last claim asks for two queues: its rows have other parts, so no index fails them.
    """
    world.enqueue(queue="beside")
    late = world.producer()
    turn(world.main)
    world.enqueue()
    world.claim(1)
    late.execute("commit")
    world.claim(2)
    world.enqueue()
    world.claim(3, queues=["beside", "default"])


@SCHEDULES.of(
    "SlotsByLedger",
    "HoleSafety",
    Edit(
        file="internal/ring.sql",
        old="s.slot = v_current or pg_relation_size(s.ready, 'main') > 0 order by",
        new="s.slot = v_current or s.slot < v_current order by",
    ),
)
def an_entry_in_a_slot_that_no_ledger_names(world: World) -> None:
    """A producer writes where the ring has not been."""
    with world.hint(5):
        world.enqueue()
    world.enqueue()
    world.claim(1)


@SCHEDULES.of(
    "ProofByCursor",
    "BodyKept",
    Edit(
        file=PRUNING,
        old="            v.reappended := reappend(p_slot, v_lost);\n",
        new="            v.finished := cardinality(v_lost) = cardinality(v_lanes);\n"
        "            return v;\n",
    ),
    by_hand=True,
)
def a_row_that_a_bug_passed_over(world: World) -> None:
    """A row is below the cursor, in no hole, and no claim took it: the slot's own rows say so."""
    world.enqueue(2)
    row = world.claim(1).row
    world.main.execute("update awa.claims set seqs = '{[2,3)}'")
    world.complete(row, [2])
    turn(world.main)
    world.truth.forget(1)
    prune(world)


@SCHEDULES.of(
    "StateAfterClaims",
    "OneLivePlacePerJob",
    Edit(
        file=PRUNING,
        old="    v_states lane_state[] := array(select s from"
        " lane_states(p_lanes, lock_live_slots()) s);\nbegin\n",
        new="    v_claims claims[] := array(select c from claims c where c.slot = p_slot);\n"
        "    v_states lane_state[];\nbegin    -- the claims were read first\n"
        "    v_states := array(select s from lane_states(p_lanes, lock_live_slots()) s);\n",
    ),
    Edit(
        file=PRUNING,
        old="union all select c.lane, c.seqs, false from claims_%1$s c) u",
        new="union all select c.lane, c.seqs, false from unnest($2) c) u",
    ),
    Edit(
        file=PRUNING,
        old="        $q$, p_slot)\n    using v_states;\n",
        new="        $q$, p_slot)\n    using v_states, v_claims;\n",
    ),
    # the lane's lock would keep the claim out when prune looks for the second time
    Edit(
        file=PRUNING,
        old="unnest(p_lanes) l where pg_try_advisory_xact_lock(lk_lane(), l));\n    v_states",
        new="unnest(p_lanes) l);\n    v_states",
    ),
)
def claims_beside_the_looks_of_a_prune(world: World) -> None:
    """Entries are claimed between the two looks that tell which of them nobody would claim.

    The SQL has two protections here: what this order lets through is looked for again under the
    lane's lock. The mutant has neither.
    """
    world.enqueue(2)
    turn(world.main)
    pruning = world.stop(world.session(), "strays,strays", PRUNE, [0, 0])
    world.claim(1, 1)
    following = pruning.on_or_end()
    if following is not None:
        world.claim(2, 1)
        following.end()


@SCHEDULES.of(
    "PruneOpen",
    "BodyKept",
    Edit(
        file=PRUNING,
        old=KNOWN,
        new=KNOWN.replace(
            ") u\n", "\n                union all select c.lane, c.seqs from claims_%1$s c) u\n"
        ),
    ),
)
def a_prune_while_an_attempt_runs(world: World) -> None:
    """What is claimed has not ended."""
    world.enqueue()
    world.claim(1)
    turn(world.main)
    prune(world)


@SCHEDULES.of(
    "PrunePending",
    "PruneEmpty",
    Edit(
        file=PRUNING,
        old="    v_lanes := array(select l.lane from live_rows(p_slot, 1, 100000) l);\n",
        new="    v_lanes := array(select o.lane from open_parts(p_slot,"
        " array(select l from live_rows(p_slot, 1, 100000) l)) o);\n",
    ),
)
def a_prune_before_the_claim(world: World) -> None:
    """What nobody has claimed yet has not ended."""
    world.enqueue()
    turn(world.main)
    prune(world)
