"""Mutants of what operators and retention do: cancellations, dead letters, retire."""

from typing import Final

from correctness.mutants.mutant import mutant

WITHDRAWING: Final = "internal/withdrawing.sql"
REVIVING: Final = "internal/reviving.sql"
DLQ_RETRY: Final = "functions/dlq_retry.sql"
RETIRE: Final = "functions/retire.sql"
DEFERRED: Final = "delete from deferred d where d.job_id = any (p_job_ids) returning *"

MUTANTS: Final = (
    mutant(
        "CancelLoses",
        "effect",
        "cancel_pending enqueue",
        (
            WITHDRAWING,
            "coalesce(p_reason, ''), g.kind, g.args, g.extra\n        from gone g\n",
            "coalesce(p_reason, ''), g.kind, g.args, g.extra\n        from gone g where false\n",
        ),
        "storage/test_cancel_pending.py::test_available_and_waiting_jobs_end_as_cancelled",
    ),
    mutant(
        "CancelledStillWaits",
        "effect",
        "cancel_pending enqueue",
        (WITHDRAWING, DEFERRED, "select * from deferred d where d.job_id = any (p_job_ids)"),
        "storage/test_cancel_pending.py::test_available_and_waiting_jobs_end_as_cancelled",
    ),
    mutant(
        "CancelledIsPending",
        "effect",
        "cancel_pending",
        (
            WITHDRAWING,
            "from mine m group by m.lane, m.seq / 1000\n",
            "from mine m where false group by m.lane, m.seq / 1000\n",
        ),
        "storage/test_cancel_pending.py::test_available_and_waiting_jobs_end_as_cancelled",
    ),
    mutant(
        "CancelsWhatRuns",
        "guard",
        "cancel_pending",
        (
            WITHDRAWING,
            "from job_places(p_job_ids) p where p.state = 'available';",
            "from job_places(p_job_ids) p where p.state in ('available', 'running');",
        ),
        "races/test_cancels.py::test_a_claim_first",
        "storage/test_cancel_pending.py::test_each_job_has_its_answer_in_the_order_asked",
    ),
    mutant(
        "CancelsBesideClaims",
        "lock",
        "cancel_pending",
        (
            WITHDRAWING,
            "order by u offset 0) s (l) where pg_try_advisory_xact_lock(lk_lane(), l));",
            "order by u offset 0) s (l));",
        ),
        "races/test_cancels.py::test_a_claim_first",
        "storage/test_cancel_pending.py::test_a_lane_that_is_being_claimed_from_is_busy",
        attack="B11",
    ),
    mutant(
        "CancelsInBusinessTransactions",
        "guard",
        "cancel_pending enqueue enqueue_many",
        ("internal/guards.sql", "    if not p_own then\n", "    if false then\n"),
        "storage/test_isolation.py::test_an_act_on_pending_entries_stands_alone",
        attack="B11",
    ),
    mutant(
        "RepeatsAct",
        "guard",
        "cancel_pending dlq_move dlq_retry dlq_purge",
        (
            "internal/placing.sql",
            "where a.settle_id = p_settle_id and a.job_id = j));",
            "where a.settle_id = p_settle_id and a.job_id = j and false));",
        ),
        "storage/test_cancel_pending.py::test_a_late_repeat_does_not_cancel_a_job_that_came_back",
    ),
    mutant(
        "DeadAndEnded",
        "effect",
        "dlq_move",
        (
            "functions/dlq_move.sql",
            "delete from finals f where f.job_id = any (v_done) returning *",
            "select * from finals f where f.job_id = any (v_done)",
        ),
        "storage/test_dlq_move.py::test_an_ended_job_becomes_a_dead_letter",
    ),
    mutant(
        "MoveWaits",
        "lock",
        "dlq_move",
        (
            "functions/dlq_move.sql",
            "f.job_id = any (v_fresh) for update skip locked);",
            "f.job_id = any (v_fresh));",
        ),
        "storage/test_dlq_move.py::test_a_row_that_somebody_has_is_busy",
    ),
    mutant(
        "PurgedKeepsItsKey",
        "effect",
        "dlq_purge",
        ("functions/dlq_purge.sql", "    perform drop_keys(v_done);\n", ""),
        "storage/test_dlq_purge.py::test_a_purged_dead_letter_is_gone_with_its_key",
    ),
    mutant(
        "PurgeLeavesIt",
        "effect",
        "dlq_purge",
        (
            "functions/dlq_purge.sql",
            "delete from dlq q where q.job_id = any (v_done) returning *",
            "select * from dlq q where q.job_id = any (v_done)",
        ),
        "storage/test_dlq_purge.py::test_a_purged_dead_letter_is_gone_with_its_key",
    ),
    mutant(
        "RevivedStaysDead",
        "effect",
        "dlq_retry",
        (
            REVIVING,
            (
                "delete from dlq q where q.job_id = any (p_job_ids)"
                " returning q.*, revived_lane(q, p_queue, p_priority) as to_lane"
            ),
            (
                "select q.*, revived_lane(q, p_queue, p_priority) as to_lane"
                " from dlq q where q.job_id = any (p_job_ids)"
            ),
        ),
        "storage/test_dlq_retry.py::test_a_dead_letter_runs_again_from_its_first_attempt",
    ),
    mutant(
        "RevivedUnderOldLease",
        "effect",
        "dlq_retry",
        (REVIVING, "g.job_id, g.run_lease + 1, 1,", "g.job_id, g.run_lease, 1,"),
        "storage/test_dlq_retry.py::test_a_late_settle_of_the_old_life_finds_nothing_of_its_own",
    ),
    mutant(
        "RevivedWithItsLosses",
        "effect",
        "dlq_retry",
        (
            REVIVING,
            "g.run_lease + 1, 1, g.max_attempts, 0, g.kind",
            "g.run_lease + 1, 1, g.max_attempts, g.losses, g.kind",
        ),
        "storage/test_dlq_retry.py::test_losses_begin_anew",
    ),
    mutant(
        "RevivedNotInFlight",
        "lock",
        "dlq_retry",
        (
            REVIVING,
            "        perform begin_append_all(array(",
            "        perform cardinality(array(",
        ),
        "races/test_dead_letters.py::test_a_revived_job_in_flight_holds_the_cursor_back",
    ),
    mutant(
        "RevivedWithoutItsKey",
        "guard",
        "dlq_retry",
        (
            DLQ_RETRY,
            "    v_mine := array(select m from unnest(v_mine) m where m <> all (v_held));\n",
            "",
        ),
        "storage/test_dlq_retry.py::test_a_key_that_another_job_has_keeps_a_dead_letter_out",
    ),
    mutant(
        "RevivedInTheJobsOrder",
        "order",
        "dlq_retry",
        (REVIVING, "q.extra ? 'unique' order by 2, 1\n", "q.extra ? 'unique' order by 1\n"),
        "races/test_dead_letters.py::test_a_retry_locks_the_keys_in_their_own_order",
        attack="B10",
    ),
    mutant(
        "RevivedTwice",
        "lock",
        "dlq_retry",
        (
            DLQ_RETRY,
            "q.job_id = any (v_fresh) for update skip locked);",
            "q.job_id = any (v_fresh));",
        ),
        "races/test_dead_letters.py::test_a_retry_against_a_retry",
    ),
    mutant(
        "RetiresAtOnce",
        "guard",
        "retire",
        (
            RETIRE,
            "f.finished_at < clock_timestamp() - make_interval(secs => retire.keep_s)",
            "f.finished_at < clock_timestamp()",
        ),
        "storage/test_retire.py::test_the_defaults_keep_days",
    ),
    mutant(
        "RetiredKeepsItsKey",
        "effect",
        "retire",
        (RETIRE, "    perform drop_keys(v_finals || v_dead);\n", ""),
        "storage/test_retire.py::test_a_key_goes_with_the_last_trace_of_its_job",
    ),
)
