"""Mutants of what brings jobs in, and back: enqueue, enqueue_many, ensure_lane, promote."""

from typing import Final

from correctness.mutants.mutant import mutant

APPENDING: Final = "internal/appending.sql"
ENSURE_LANE: Final = "functions/ensure_lane.sql"
PROMOTE: Final = "functions/promote.sql"
UNIQUE: Final = "internal/unique.sql"

MUTANTS: Final = (
    mutant(
        "LaneMadeSilently",
        "effect",
        "ensure_lane",
        (
            ENSURE_LANE,
            "this lane.\n    if coalesce(",
            "this lane.\n    if false and coalesce(",
        ),
        "storage/test_ensure_lane.py::test_making_a_lane_always_notifies",
        attack="B3",
    ),
    mutant(
        "LanesMadeSideBySide",
        "lock",
        "ensure_lane",
        (ENSURE_LANE, "    perform pg_advisory_xact_lock(lk_declare(), 0);\n", ""),
        "storage/test_ensure_lane.py::test_racing_makers_agree",
        attack="B12",
    ),
    mutant(
        "DocumentBackwards",
        "order",
        "enqueue_many",
        (
            "internal/documents.sql",
            "where ord <> all (p_without) order by ord) d",
            "where ord <> all (p_without) order by ord desc) d",
        ),
        "storage/test_enqueue_many.py::test_the_answer_and_the_numbers_follow_the_document",
    ),
    mutant(
        "DocumentNotInFlight",
        "lock",
        "enqueue_many",
        (
            "functions/enqueue_many.sql",
            "    perform begin_append_all(v_document.lanes);\n",
            "",
        ),
        "storage/test_waking.py::test_in_flight_is_from_the_first_number_to_the_end",
    ),
    mutant(
        "AlikeNotInFlight",
        "lock",
        "enqueue_many",
        (
            "internal/documents.sql",
            "    perform begin_append(v_lane.lane, v_lane.queue_id, v_lane.queue);\n",
            "",
        ),
        "storage/test_waking.py::test_in_flight_is_from_the_first_number_to_the_end",
        "races/test_claims.py::test_a_sequence_is_not_moved_while_somebody_draws_from_it",
    ),
    mutant(
        "SleeperNotTold",
        "effect",
        "enqueue enqueue_many release promote",
        (APPENDING, "'off' and somebody_sleeps(p_queue_id) then", "'off' and false then"),
        "storage/test_waking.py::test_a_sleeper_is_notified_at_commit",
        attack="S4",
    ),
    mutant(
        "NotifiesAlways",
        "guard",
        "enqueue enqueue_many",
        (
            APPENDING,
            "if coalesce(current_setting('awa.notify', true), 'on') <> 'off' and somebody_sleeps",
            "if somebody_sleeps",
        ),
        "storage/test_enqueue.py::test_a_sleeper_refuses_prepare_unless_notify_is_off",
        attack="B19",
    ),
    mutant(
        "KeyOfTheLiving",
        "guard",
        "enqueue enqueue_many dlq_retry",
        (UNIQUE, "else p.state = any (k.states) end);", "else false end);"),
        "storage/test_unique.py",
    ),
    mutant(
        "KeyForEver",
        "guard",
        "enqueue enqueue_many dlq_retry",
        (UNIQUE, "else p.state = any (k.states) end);", "else true end);"),
        "storage/test_unique.py",
    ),
    mutant(
        "KeysInTheDocumentsOrder",
        "order",
        "enqueue_many",
        (
            UNIQUE,
            (
                "array(select distinct on ((w.uniq).key) w from unnest(p_wishes) w"
                " order by (w.uniq).key, w.ord);"
            ),
            (
                "array(select f.w from (select distinct on ((w.uniq).key) w from unnest(p_wishes) w"
                " order by (w.uniq).key, w.ord) f order by (f.w).ord);"
            ),
        ),
        "races/test_unique_keys.py::test_documents_with_the_same_keys_in_another_order_take_turns",
        attack="B10",
    ),
    mutant(
        "PromotedNotInFlight",
        "lock",
        "promote",
        (
            PROMOTE,
            (
                "        perform begin_append_all(array(select distinct d.lane from deferred d"
                " where d.job_id = any (v_ids)));\n"
            ),
            "",
        ),
        "races/test_promotes.py::test_a_promotion_in_flight_holds_the_cursor_back",
        attack="S4",
    ),
    mutant(
        "PromotedStays",
        "effect",
        "promote",
        (
            PROMOTE,
            "delete from deferred d where d.job_id = any (v_ids) returning *",
            "select * from deferred d where d.job_id = any (v_ids)",
        ),
        "storage/test_promote.py::test_a_job_for_later_is_scheduled_and_then_promoted",
    ),
    mutant(
        "PromotedOutOfOrder",
        "order",
        "promote",
        (PROMOTE, "order by u.lane, u.run_at, u.job_id)", "order by u.lane, u.job_id)"),
        "storage/test_promote.py::test_what_is_due_is_promoted_in_the_order_of_its_time",
    ),
    mutant(
        "PromotedUnderOldLease",
        "effect",
        "promote",
        (PROMOTE, "d.job_id, d.run_lease + 1, d.attempt,", "d.job_id, d.run_lease, d.attempt,"),
        "storage/test_promote.py::test_a_promoted_attempt_is_the_one_that_was_written_down",
        "races/test_promotes.py::test_a_job_deferred_before_the_arming_and_committed_after_it",
    ),
    mutant(
        "PromoteWaits",
        "lock",
        "promote",
        (
            PROMOTE,
            "order by d.run_at, d.job_id limit promote.max_jobs for update skip locked);",
            "order by d.run_at, d.job_id limit promote.max_jobs for update);",
        ),
        "races/test_promotes.py::test_two_leaders_share_the_work",
    ),
    mutant(
        "DeferredUnannounced",
        "lock",
        "enqueue enqueue_many retry snooze",
        (
            "internal/deferring.sql",
            "    perform pg_advisory_xact_lock_shared(lk_deferring(), 0);\n",
            "",
        ),
        "races/test_promotes.py::test_a_job_deferred_before_the_arming_and_committed_after_it",
    ),
    mutant(
        "DisposedUnannounced",
        "lock",
        "retry snooze heartbeat rescue_worker rescue_deadline",
        (
            "internal/disposing.sql",
            "    if p_outcome not in ('released', 'failed', 'cancelled') then\n",
            "    if false then\n",
        ),
        "storage/test_leading.py::test_whatever_defers_a_job_says_so_until_it_commits",
    ),
    mutant(
        "RevivedUnannounced",
        "lock",
        "dlq_retry",
        ("internal/reviving.sql", "        perform begin_defer();\n", "        null;\n"),
        "storage/test_leading.py::test_whatever_defers_a_job_says_so_until_it_commits",
    ),
    mutant(
        "DocumentUnannounced",
        "lock",
        "enqueue_many",
        ("functions/enqueue_many.sql", "        perform begin_defer();\n", "        null;\n"),
        "storage/test_leading.py::test_whatever_defers_a_job_says_so_until_it_commits",
    ),
)
