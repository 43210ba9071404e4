"""Mutants of what ends attempts: complete, release, retry, snooze, fail, cancel_running."""

from typing import Final

from correctness.mutants.mutant import mutant

CLOSING: Final = "internal/closing.sql"
PER_SLOT: Final = "internal/per_slot.sql"
DISPOSING: Final = "internal/disposing.sql"
SETTLES: Final = "complete release retry snooze fail cancel_running"

MUTANTS: Final = (
    mutant(
        "SettleByNumber",
        "guard",
        SETTLES,
        (
            PER_SLOT,
            "from claims_{k} k where k.token = u.token and k.part = u.part) c on true",
            (
                "from claims_{k} k where k.part = u.part order by k.token = u.token desc limit 1)"
                " c on true"
            ),
        ),
        "storage/test_complete.py::"
        "test_a_receipt_of_another_claim_of_the_same_numbers_closes_nothing",
        "storage/test_complete.py::test_an_unknown_claim_has_ended",
        attack="A4",
    ),
    mutant(
        "ClosedTwice",
        "guard",
        SETTLES,
        (PER_SLOT, "a.seqs * (a.claimed - a.closed) as settled", "a.seqs * a.claimed as settled"),
        "storage/test_complete.py::test_another_settle_id_is_stale",
    ),
    mutant(
        "ClosedOutsideTheClaim",
        "guard",
        SETTLES,
        (PER_SLOT, "a.seqs * (a.claimed - a.closed) as settled", "a.seqs - a.closed as settled"),
        "storage/test_complete.py::test_numbers_that_were_never_claimed_are_stale",
    ),
    mutant(
        "AnyEndIsARepeat",
        "guard",
        SETTLES,
        (
            PER_SLOT,
            "k.settle_id = p_settle_id and k.outcome = p_outcome",
            "k.settle_id = p_settle_id",
        ),
        "storage/test_complete.py::test_what_was_released_is_stale_even_with_that_settle_id",
    ),
    mutant(
        "BatchesWait",
        "lock",
        SETTLES,
        (
            CLOSING,
            "    where pg_try_advisory_xact_lock(lk_claim(), hashint8(t.token))\n",
            "    where pg_advisory_xact_lock(lk_claim(), hashint8(t.token)) is not null\n",
        ),
        "races/test_settles.py::test_two_transactions_that_settle_crosswise_do_not_deadlock",
        attack="S6",
    ),
    mutant(
        "PartOfAClaimIsLost",
        "effect",
        SETTLES,
        (CLOSING, "                v_left := c.stale;\n", "                v_left := '{}';\n"),
        "storage/test_evacuate.py::test_an_answer_tells_the_parts_of_a_claim_apart",
        "storage/test_evacuate.py::test_an_entry_may_be_carried_through_the_whole_ring",
        attack="B9",
    ),
    mutant(
        "ResultsOfWhatIsStale",
        "guard",
        "complete",
        (
            "functions/complete.sql",
            "where c.settled @> r.seq and r.result is not null",
            "where r.result is not null",
        ),
        "storage/test_complete.py::test_results_are_stored_for_what_is_settled",
    ),
    mutant(
        "ReleaseCostsAnAttempt",
        "effect",
        "release",
        (
            DISPOSING,
            "return row ('again', null, p_attempt, p_losses, 0)::fate;",
            "return row ('again', null, p_attempt + 1, p_losses, 0)::fate;",
        ),
        "storage/test_release.py::test_a_release_gives_the_attempt_back_under_the_next_run_lease",
    ),
    mutant(
        "LeaseStands",
        "effect",
        "release heartbeat rescue_worker",
        (
            DISPOSING,
            "a.number, a.job_id, a.run_lease + 1, a.attempt,",
            "a.number, a.job_id, a.run_lease, a.attempt,",
        ),
        "storage/test_release.py::"
        "test_a_released_attempt_is_available_again_at_the_end_of_its_lane",
    ),
    mutant(
        "ReleaseLoses",
        "effect",
        "release heartbeat rescue_worker",
        (DISPOSING, "where a.becomes = 'again'\n", "where false\n"),
        "races/test_settles.py::test_a_settle_does_not_stop_its_lane",
    ),
    mutant(
        "RetryForever",
        "guard",
        "retry rescue_deadline",
        (DISPOSING, "        if p_attempt >= p_max_attempts then\n", "        if false then\n"),
        "storage/test_retry.py::test_the_last_attempt_ends_the_job",
    ),
    mutant(
        "FreeRetry",
        "effect",
        "retry rescue_deadline",
        (DISPOSING, "p_attempt + 1, p_losses, coalesce(", "p_attempt, p_losses, coalesce("),
        "storage/test_retry.py::test_the_next_attempt_waits_for_the_time_it_was_given",
    ),
    mutant(
        "RetryLoses",
        "effect",
        "retry snooze heartbeat rescue_worker rescue_deadline",
        (DISPOSING, "where a.run_at is not null\n", "where false\n"),
        "storage/test_retry.py::test_the_next_attempt_waits_for_the_time_it_was_given",
    ),
    mutant(
        "DelayIgnored",
        "effect",
        "retry",
        (DISPOSING, "coalesce(p_delay_s, backoff_s(p_attempt))", "backoff_s(p_attempt)"),
        "storage/test_retry.py::test_the_next_attempt_waits_for_the_time_it_was_given",
    ),
    mutant(
        "SnoozeCosts",
        "effect",
        "snooze",
        (
            DISPOSING,
            "('scheduled', null, p_attempt, p_losses, p_delay_s)",
            "('scheduled', null, p_attempt + 1, p_losses, p_delay_s)",
        ),
        "storage/test_snooze.py::test_a_snoozed_attempt_does_not_count",
    ),
    mutant(
        "FailureRetries",
        "effect",
        "fail",
        (
            DISPOSING,
            "return row ('failed', 'terminal', p_attempt, p_losses, 0)::fate;",
            "return row ('retryable', null, p_attempt, p_losses, 0)::fate;",
        ),
        "storage/test_fail.py::test_a_failed_job_ends_whatever_attempts_it_had_left",
    ),
    mutant(
        "FailedIsNeverDead",
        "effect",
        "fail retry rescue_worker rescue_deadline",
        (DISPOSING, "t.becomes = 'failed' and b.to_dlq as dead", "false as dead"),
        "storage/test_fail.py::test_each_queue_says_what_becomes_of_its_failed_jobs",
    ),
    mutant(
        "CancelledIsDead",
        "effect",
        "cancel_running",
        (
            DISPOSING,
            "t.becomes = 'failed' and b.to_dlq as dead",
            "t.becomes in ('failed', 'cancelled') and b.to_dlq as dead",
        ),
        "storage/test_cancel_running.py::test_a_cancelled_job_is_never_a_dead_letter",
    ),
    mutant(
        "DeadAndFinal",
        "effect",
        "fail",
        (
            DISPOSING,
            "where a.becomes in ('failed', 'cancelled') and not a.dead\n",
            "where a.becomes in ('failed', 'cancelled')\n",
        ),
        "storage/test_fail.py::test_each_queue_says_what_becomes_of_its_failed_jobs",
    ),
    mutant(
        "TimerNotTold",
        "effect",
        "retry snooze rescue_deadline",
        (DISPOSING, "    perform tell_timer(v_all.next_run_at);\n", ""),
        "storage/test_retry.py::test_an_earlier_job_than_the_timer_is_told",
    ),
    mutant(
        "HoldersNotTold",
        "effect",
        "cancel_running",
        (
            "functions/cancel_running.sql",
            "        perform tell_holders(v_closings);\n",
            "        null;\n",
        ),
        "storage/test_cancel_running.py::test_an_operators_cancellation_is_told_to_the_workers",
    ),
)
