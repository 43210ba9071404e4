"""Mutants of claim; those that meet somebody at a gate are the schedules'."""

from typing import Final

from correctness.edits import Edit
from correctness.mutants.mutant import Mutant, mutant

CLAIM: Final = "functions/claim.sql"
CLAIMING: Final = "internal/claiming.sql"
PICKING: Final = "internal/picking.sql"
TAKING: Final = "internal/taking.sql"
PER_SLOT: Final = "internal/per_slot.sql"

MUTANTS: Final = (
    mutant(
        "CursorBack",
        "effect",
        "claim",
        (TAKING, "greatest(s.next, p_top + 1)", "p_top + 1"),
        "races/test_claims.py::test_the_example_of_four_producers",
    ),
    mutant(
        "HoleForgotten",
        "effect",
        "claim",
        (TAKING, "s.holes_xid, v_left - v_holes, s.young_xid,", "s.holes_xid, '{}', s.young_xid,"),
        "races/test_claims.py::"
        "test_a_producer_that_commits_after_the_cursor_passed_is_claimed_first",
    ),
    mutant(
        "NeverInFlight",
        "guard",
        "claim",
        (TAKING, "<@ v.seen and quiet(s.lane) then", "<@ v.seen then"),
        "races/test_claims.py::"
        "test_a_producer_that_commits_after_the_cursor_passed_is_claimed_first",
    ),
    mutant(
        "HolesAboveTheLimit",
        "guard",
        "claim",
        (
            TAKING,
            "passed_over(s, v.xmin, v.looked, v.seen);",
            "passed_over(s, v.xmin, '{(,)}', v.seen);",
        ),
        "races/test_claims.py::test_holes_above_the_limit_were_not_looked_at_and_stay",
        attack="F3",
    ),
    mutant(
        "HolesWithoutBound",
        "guard",
        "claim",
        (
            TAKING,
            "> holes_max() then\n        v_take := relieve(s, v_top, p_limit);",
            "> holes_max() and false then\n        v_take := relieve(s, v_top, p_limit);",
        ),
        "races/test_cap.py::test_a_producer_in_flight_stops_the_cursor_which_recovers",
        attack="S3",
    ),
    mutant(
        "StrangersHoldHoles",
        "effect",
        "claim",
        (
            TAKING,
            "coalesce(lane_xmin(s.lane), '18446744073709551615')",
            "pg_snapshot_xmin(pg_current_snapshot())",
        ),
        "races/test_cap.py::test_the_lanes_own_xmin_relieves_it_of_a_stranger",
        attack="S3",
    ),
    mutant(
        "HolesNeverProbed",
        "guard",
        "claim",
        (
            CLAIMING,
            "        or not isempty(p_state.holes) or not isempty(p_state.young)\n",
            "",
        ),
        "races/test_claims.py::test_a_late_entry_is_claimed_though_nothing_came_after_it",
        attack="B17",
    ),
    mutant(
        "XidOfTheTransaction",
        "guard",
        "claim",
        (CLAIM, "case when v_fresh then v_xid end", "v_xid"),
        "races/test_forgetting.py::test_a_claim_in_a_transaction_that_had_an_xid_notes_none",
        attack="A1",
    ),
    mutant(
        "LimitIgnored",
        "guard",
        "claim",
        (
            CLAIMING,
            "take_from_lane(v_state, p_slots, v_left);",
            "take_from_lane(v_state, p_slots, 1000);",
        ),
        "storage/test_claim.py::test_a_claim_takes_in_order_up_to_its_limit",
    ),
    mutant(
        "PausedIsClaimed",
        "guard",
        "claim",
        (PICKING, " and q.paused_at is null);", ");"),
        "storage/test_queues.py::test_a_paused_queue_is_empty_to_claims",
    ),
    mutant(
        "NoDeadline",
        "effect",
        "claim",
        (CLAIMING, "case when d.deadline_s > 0 then", "case when false then"),
        "storage/test_claim.py::test_the_deadline_is_the_queues",
    ),
    mutant(
        "NobodyAges",
        "effect",
        "claim",
        (CLAIMING, "case when (h.s).aging_s = 0 then 0", "case when true then 0"),
        "storage/test_claim.py::test_waiting_lifts_a_lane_and_the_older_head_goes_first",
    ),
    mutant(
        "WithdrawnIsTaken",
        "guard",
        "claim",
        (PICKING, "        if not isempty(v_withdrawn) then\n", "        if false then\n"),
        "storage/test_withdrawals.py::test_a_claim_takes_what_is_left_between_them",
    ),
    mutant(
        "GapsAreTaken",
        "guard",
        "claim",
        (PICKING, " and v.top - lower(v.taken) + 1 = v.n then\n", " then\n"),
        "races/test_claims.py::test_the_example_of_four_producers",
    ),
    mutant(
        "SlotsTakenAsOne",
        "guard",
        "claim",
        (PICKING, "cardinality(v.slots) = 1 and v.top", "v.top"),
        "storage/test_claim.py::test_a_call_takes_from_several_slots_with_a_row_each",
    ),
    mutant(
        "WithdrawnHoldsTheCursor",
        "effect",
        "claim",
        (PICKING, "    if v.n = 0 then\n        v.slots", "    if false then\n        v.slots"),
        "storage/test_withdrawals.py::test_a_claim_of_withdrawn_numbers_only_moves_the_cursor",
    ),
    mutant(
        "AnyWorker",
        "guard",
        "claim",
        (CLAIM, "    perform require_worker(claim.worker);\n", ""),
        "storage/test_claim.py::test_an_unknown_worker_is_told_to_start",
    ),
    mutant(
        "LockedIsEmpty",
        "effect",
        "claim",
        (CLAIM, "l.queue = a.queue and l.lane <> all (v_mine))", "l.queue = a.queue and false)"),
        "races/test_claims.py::"
        "test_a_claimer_of_two_queues_gets_the_free_one_and_busy_for_the_other",
        attack="B3",
    ),
    mutant(
        "LockedUntoldBesideGot",
        "effect",
        "claim",
        (CLAIM, "where q.n = 0 or q.n < q.most and q.busy;", "where q.n = 0;"),
        "storage/test_claim.py::test_busy_stands_beside_what_was_got_when_a_lane_was_left_out",
        attack="B3",
    ),
    mutant(
        "WithdrawnHideTheRest",
        "effect",
        "claim",
        (TAKING, "    v_take.more := v_take.more or v_more;\n", ""),
        "storage/test_withdrawals.py::"
        "test_a_look_that_withdrawn_numbers_filled_says_busy_beside_what_it_got",
    ),
    mutant(
        "SequenceNotMoved",
        "effect",
        "claim",
        (CLAIM, "    perform repair_sequences(v_states);", "    "),
        "storage/test_claim.py::test_a_sequence_behind_its_cursor_is_moved_there_and_reported",
        attack="B18",
    ),
    mutant(
        "SequenceMovedBesideProducers",
        "lock",
        "claim",
        (CLAIMING, " and pg_try_advisory_xact_lock(lk_inflight(), s.lane)\n", "\n"),
        "races/test_claims.py::test_a_sequence_is_not_moved_while_somebody_draws_from_it",
        attack="B18",
    ),
    mutant(
        "PlansByStatistics",
        "effect",
        "claim",
        (
            CLAIM,
            (
                "set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off"
                " set enable_hashjoin = off set jit = off set plan_cache_mode ="
                " force_generic_plan as $$"
            ),
            "as $$",
        ),
        "races/test_plans.py",
        attack="B4",
    ),
    Mutant(
        name="BodiesBeforeTheCommit",
        kind="guard",
        actions=("claim", "bodies"),
        edits=(
            Edit(
                file=PER_SLOT,
                old=(
                    "case when pg_column_compression(e.args) is null and"
                    " pg_column_compression(e.extra) is null\n                           and"
                    " pg_column_size(e.args) + pg_column_size(e.extra) <= p_bytes\n"
                ),
                new="case when true\n",
            ),
            Edit(file=PER_SLOT, old="bool_and(octet_length(b.text) <= p_bytes) and ", new=""),
        ),
        hunters=(
            (
                "races/test_bodies.py::"
                "test_a_client_stopped_while_it_receives_bodies_does_not_stop_the_lane"
            ),
        ),
        attack="B2",
    ),
    mutant(
        "BodiesOfTheCurrentSlot",
        "effect",
        "bodies claim evacuate",
        ("reads/bodies.sql", ":= lock_live_slots();", ":= array[current_slot()];"),
        "storage/test_bodies.py::test_bodies_of_several_rows_name_slot_part_and_lane",
        attack="S9",
    ),
    mutant(
        "SleepByTry",
        "lock",
        "sleep_on enqueue enqueue_many",
        (
            "sessions/waking.sql",
            "            perform pg_advisory_lock(lk_sleeping(), q.queue_id);\n",
            "            continue when not pg_try_advisory_lock(lk_sleeping(), q.queue_id);\n",
        ),
        "storage/test_waking.py::test_a_sleeper_waits_out_a_producers_momentary_test",
        attack="S4",
    ),
)
