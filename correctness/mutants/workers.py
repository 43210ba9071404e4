"""Mutants of workers' lives: start, heartbeat, stop, and the rescues of what they leave."""

from typing import Final

from correctness.mutants.mutant import mutant

HEARTBEAT: Final = "functions/heartbeat.sql"
RESCUE_WORKER: Final = "functions/rescue_worker.sql"
RESCUE_DEADLINE: Final = "functions/rescue_deadline.sql"
DISPOSING: Final = "internal/disposing.sql"

MUTANTS: Final = (
    mutant(
        "StartAgainFromNought",
        "effect",
        "worker_start",
        (
            "functions/worker_start.sql",
            "worker_start.info) on conflict do nothing;",
            "worker_start.info) on conflict on constraint workers_pkey do update set beat = 0;",
        ),
        "storage/test_worker_start.py::test_a_repeat_answers_already_and_changes_nothing",
    ),
    mutant(
        "StopKeepsTheRow",
        "effect",
        "worker_stop",
        (
            "functions/worker_stop.sql",
            "where w.worker = worker_stop.worker;",
            "where w.worker = worker_stop.worker and false;",
        ),
        "storage/test_worker_stop.py::test_a_worker_leaves_once",
    ),
    mutant(
        "BeatGoesBack",
        "guard",
        "heartbeat",
        (HEARTBEAT, "greatest(w.beat, heartbeat.beat)", "heartbeat.beat"),
        "storage/test_heartbeat.py::test_a_beat_is_kept_and_only_grows",
    ),
    mutant(
        "GoneIsAlive",
        "guard",
        "heartbeat",
        (
            HEARTBEAT,
            "    if not found then\n        return query",
            "    if false then\n        return query",
        ),
        "storage/test_heartbeat.py::test_a_removed_worker_is_told_it_is_gone",
    ),
    mutant(
        "ReconcilesLaterCalls",
        "guard",
        "heartbeat",
        (HEARTBEAT, "c.call > $2 and c.call <= $3 and not", "c.call > $2 and not"),
        "storage/test_heartbeat.py::test_calls_after_the_list_was_built_are_untouched",
        attack="F5",
    ),
    mutant(
        "ReconcilesNamedCalls",
        "guard",
        "heartbeat",
        (HEARTBEAT, "c.call <= $3 and not $4 @> c.call'", "c.call <= $3'"),
        "storage/test_heartbeat.py::test_named_calls_are_left_alone",
    ),
    mutant(
        "ReconcilesOthersCalls",
        "guard",
        "heartbeat",
        (HEARTBEAT, "'c.worker = $1 and c.call > $2 and c.call", "'c.call > $2 and c.call"),
        "storage/test_heartbeat.py::test_another_workers_claims_are_its_own",
    ),
    mutant(
        "ReconcilesOnce",
        "effect",
        "heartbeat",
        (HEARTBEAT, "case when heartbeat.beat % 12 = 0 then 0", "case when false then 0"),
        "storage/test_heartbeat.py::"
        "test_a_call_executed_after_it_was_given_up_is_found_by_the_twelfth_beat",
        attack="B1",
    ),
    mutant(
        "LostForEver",
        "guard",
        "heartbeat rescue_worker",
        (DISPOSING, "        if p_losses >= losses_max() then\n", "        if false then\n"),
        "storage/test_heartbeat.py::test_a_job_lost_too_often_ends",
    ),
    mutant(
        "LossForgotten",
        "effect",
        "heartbeat rescue_worker",
        (
            DISPOSING,
            "return row ('again', null, p_attempt, 1, 0)::fate;",
            "return row ('again', null, p_attempt, 0, 0)::fate;",
        ),
        "storage/test_heartbeat.py::test_a_forgotten_call_is_released_as_a_loss",
    ),
    mutant(
        "RescuesTheLiving",
        "guard",
        "rescue_worker",
        (RESCUE_WORKER, " and w.beat = rescue_worker.beat\n", "\n"),
        "storage/test_rescue_worker.py::test_a_worker_whose_counter_moved_lives",
        attack="B13",
    ),
    mutant(
        "RescuesOnce",
        "guard",
        "rescue_worker",
        (
            RESCUE_WORKER,
            (
                "    if not v_gone and exists (select from workers w"
                " where w.worker = rescue_worker.worker) then\n"
            ),
            "    if not v_gone then\n",
        ),
        "storage/test_rescue_worker.py::test_a_worker_without_a_row_is_rescued_whoever_asks",
        attack="S7",
    ),
    mutant(
        "RescuesOthers",
        "guard",
        "rescue_worker",
        (RESCUE_WORKER, "'c.worker = $1 and c.call > $2'", "'c.call > $2'"),
        "storage/test_rescue_worker.py",
        "races/test_rescues.py",
    ),
    mutant(
        "RescuedIsNotTold",
        "effect",
        "rescue_worker",
        (RESCUE_WORKER, "        perform tell_workers(array[rescue_worker.worker]);\n", ""),
        "storage/test_rescue_worker.py::test_the_rescued_worker_is_told_once",
    ),
    mutant(
        "DeadlineBeforeItsTime",
        "guard",
        "rescue_deadline",
        (RESCUE_DEADLINE, "'c.deadline > $5 and c.deadline <= $6'", "'c.deadline > $5'"),
        "storage/test_rescue_deadline.py::test_the_worker_has_its_grace_to_settle_itself",
    ),
    mutant(
        "ExpiredAsReleased",
        "effect",
        "rescue_deadline",
        (RESCUE_DEADLINE, "close_rows(v_rows, 'expired', 0)", "close_rows(v_rows, 'released', 0)"),
        "storage/test_rescue_deadline.py::test_the_workers_are_told",
    ),
)
