"""Mutants of the turning ring: rotate, prune, evacuate."""

from typing import Final

from correctness.mutants.mutant import mutant

PRUNE: Final = "functions/prune.sql"
PRUNING: Final = "internal/pruning.sql"
EVACUATING: Final = "internal/evacuating.sql"
RING: Final = "internal/ring.sql"

MUTANTS: Final = (
    mutant(
        "RotatesOntoEntries",
        "guard",
        "rotate",
        (
            "functions/rotate.sql",
            "s.slot <> v_current and slot_is_empty(s.slot) order by",
            "s.slot <> v_current order by",
        ),
        "storage/test_rotate.py::test_a_slot_that_is_not_really_empty_is_passed_over",
        attack="B8",
    ),
    mutant(
        "RotateSaysSo",
        "effect",
        "rotate",
        ("functions/rotate.sql", "    perform setval('ring_seq', v_target);\n", ""),
        "storage/test_rotate.py::test_a_slot_with_an_old_beginning_gives_way_to_the_next",
    ),
    mutant(
        "NobodyTakesTurns",
        "lock",
        "rotate prune evacuate",
        (
            RING,
            "    return pg_try_advisory_xact_lock(lk_maintenance(), 0);\n",
            "    return true;\n",
        ),
        "storage/test_rotate.py::test_two_that_maintain_the_ring_take_turns",
        "races/test_ring_evacuate.py::test_two_evacuations_take_turns",
    ),
    mutant(
        "PrunesTheCurrentSlot",
        "guard",
        "prune",
        (PRUNE, "        when prune.slot = current_slot() then 'current'\n", ""),
        "storage/test_prune.py::test_the_current_slot_is_not_pruned",
    ),
    mutant(
        "ForgetsHistory",
        "guard",
        "prune",
        (
            PRUNING,
            "    if ended_after(p_slot, clock_timestamp() -",
            "    if false and ended_after(p_slot, clock_timestamp() -",
        ),
        "storage/test_prune.py::test_history_is_kept_as_long_as_asked",
    ),
    mutant(
        "ProvesBesideProducers",
        "lock",
        "prune",
        (PRUNING, "    execute format('lock table ready_%s in share mode', p_slot);\n", ""),
        "races/test_ring_prune.py::test_no_row_appears_between_the_proof_and_the_truncation",
        attack="B7",
    ),
    mutant(
        "PruneInsists",
        "lock",
        "prune",
        (PRUNE, "set lock_timeout = '30ms'\n", "set lock_timeout = '1min'\n"),
        "races/test_ring_prune.py::test_a_producer_that_has_just_come_is_not_waited_for",
        attack="S2",
    ),
    mutant(
        "PruneAtOnceOrNever",
        "lock",
        "prune",
        (PRUNE, "set lock_timeout = '30ms'\n", "set lock_timeout = '1ms'\n"),
        "races/test_ring_load.py",
        attack="S1",
    ),
    mutant(
        "ReadersAreNotAsked",
        "guard",
        "prune",
        (PRUNING, "    if v_first = '{}' then\n", "    if true then\n"),
        "races/test_ring_prune.py::test_a_dump_delays_the_prune_and_keeps_what_it_saw",
        attack="B6",
    ),
    mutant(
        "FloorLost",
        "effect",
        "prune",
        (PRUNING, "    v_floors := move_floors(p_slot);\n", "    v_floors := '[]';\n"),
        "storage/test_prune.py::test_the_lane_goes_on_from_its_floor",
    ),
    mutant(
        "FloorOfWhoeverWasLast",
        "guard",
        "prune",
        (PRUNING, "where n.lane = l.lane and n.no > l.floor_no\n", "where n.lane = l.lane\n"),
        "storage/test_prune.py::test_the_newest_state_stands_whichever_slot_goes_first",
        attack="F1",
    ),
    mutant(
        "FloorOfTheOldest",
        "order",
        "prune",
        (PRUNING, "select k.lane, max(k.no) as no from", "select k.lane, min(k.no) as no from"),
        "storage/test_prune.py::test_the_floor_is_the_newest_of_the_states_in_the_slot",
        attack="F1",
    ),
    mutant(
        "KeysOutliveTheirJobs",
        "effect",
        "prune",
        (PRUNING, "    perform forget_keys(p_slot);\n", ""),
        "storage/test_prune_keys.py::test_keys_go_with_the_completed_job",
    ),
    mutant(
        "EmptiedUnnoted",
        "effect",
        "prune",
        (PRUNING, "    perform note_emptied(p_slot);\n", ""),
        "storage/test_evacuate.py::test_what_ended_in_another_slot_may_be_gone_before_its_history",
    ),
    mutant(
        "StragglersStay",
        "effect",
        "prune",
        (
            PRUNING,
            "from old o group by o.lane, o.seq / 1000\n",
            "from old o where false group by o.lane, o.seq / 1000\n",
        ),
        "storage/test_prune_stragglers.py::test_stragglers_are_enqueued_again_and_reported",
    ),
    mutant(
        "StragglersUnderTheCursor",
        "guard",
        "prune",
        (PRUNING, "coalesce(pg_sequence_last_value(s.seq), 0) >= s.next - 1);", "true);"),
        "storage/test_prune_stragglers.py::"
        "test_stragglers_wait_for_who_draws_from_a_sequence_that_is_behind",
        attack="F4",
    ),
    mutant(
        "CarriesABacklog",
        "guard",
        "evacuate",
        (EVACUATING, "    if count_numbers(v_live) > p_max then\n", "    if false then\n"),
        "storage/test_evacuate.py::test_a_backlog_is_too_large_to_carry",
        attack="S10",
    ),
    mutant(
        "CarriedWithAState",
        "effect",
        "evacuate",
        (
            EVACUATING,
            "c.deadline, null, c.next, null, null,",
            "c.deadline, c.no, c.next, null, null,",
        ),
        "storage/test_evacuate.py",
        attack="F1",
    ),
    mutant(
        "CarriedAndClaimedHere",
        "effect",
        "evacuate",
        (EVACUATING, "set seqs = c.seqs - o.seqs from", "set seqs = c.seqs from"),
        "storage/test_evacuate.py::test_a_claims_row_is_parted_between_what_is_closed_and_what_is_open",
    ),
    mutant(
        "CarriedWithoutItsClaim",
        "effect",
        "evacuate",
        (
            EVACUATING,
            (
                "        from unnest($1) o cross join lateral (select * from claims_%1$s k"
                " where k.token = o.token"
            ),
            (
                "        from unnest($1) o cross join lateral (select * from claims_%1$s k"
                " where false and k.token = o.token"
            ),
        ),
        "storage/test_evacuate.py::test_a_receipt_that_names_the_old_slot_is_looked_up",
    ),
    mutant(
        "LeasesStayBehind",
        "effect",
        "evacuate",
        (
            EVACUATING,
            "foreach t in array array['ready', 'leases'] loop",
            "foreach t in array array['ready'] loop",
        ),
        "storage/test_evacuate.py::test_leases_go_with_their_attempt",
    ),
    mutant(
        "VacuumsOfTheirOwn",
        "effect",
        "prune",
        (
            "tables.sql",
            " partition of %1$s for values in (%2$s) with (autovacuum_enabled = off)'",
            " partition of %1$s for values in (%2$s)'",
        ),
        "storage/test_prune.py::test_no_vacuum_comes_to_a_slot_by_itself",
        attack="B5",
    ),
)
