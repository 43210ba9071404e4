"""Mutants of handlers' own transactions, and of what attempts say of their progress."""

from typing import Final

from correctness.mutants.mutant import mutant

SETTLED_BY: Final = "reads/settled_by.sql"
PROGRESS: Final = "functions/note_progress.sql"
NOTING: Final = "internal/noting.sql"
DISPOSING: Final = "internal/disposing.sql"
NOTES: Final = "storage/test_note_progress.py::"

MUTANTS: Final = (
    mutant(
        "AskedUnlocked",
        "lock",
        "settled_by complete",
        (
            SETTLED_BY,
            "    if not pg_try_advisory_xact_lock(lk_claim(), hashint8(settled_by.token)) then\n",
            "    if false then\n",
        ),
        "storage/test_settled_by.py::test_a_completion_that_may_yet_commit_is_busy_and_never_open",
    ),
    mutant(
        "WaitsForNobody",
        "lock",
        "complete",
        ("functions/complete.sql", "    if complete.waits then\n", "    if false then\n"),
        "storage/test_settled_by.py::test_a_completion_waits_for_whoever_settles_the_claim",
    ),
    mutant(
        "NotedWhenOver",
        "guard",
        "note_progress",
        (NOTING, "c.lane, %1$s, not exists (", "c.lane, %1$s, true or not exists ("),
        NOTES + "test_the_jobs_next_row_has_what_the_attempt_noted",
    ),
    mutant(
        "NotedBackwards",
        "guard",
        "note_progress",
        (PROGRESS, " where l.noted < excluded.noted'", "'"),
        NOTES + "test_the_latest_note_stands_and_a_late_one_undoes_nothing",
    ),
    mutant(
        "NotedNowhere",
        "effect",
        "note_progress",
        (NOTING, "c.lane, %1$s, not exists (", "c.lane, %1$s, false and not exists ("),
        NOTES + "test_the_latest_note_stands_and_a_late_one_undoes_nothing",
    ),
    mutant(
        "NotedTwiceAtOnce",
        "guard",
        "note_progress",
        (PROGRESS, "    elsif n > (select count(*)", "    elsif n < (select count(*)"),
        NOTES + "test_the_input_is_checked",
    ),
    mutant(
        "ProgressForgotten",
        "effect",
        "retry release snooze fail rescue_worker",
        (DISPOSING, "case when r.slot = any (v_noted) then", "case when false then"),
        NOTES + "test_what_a_lost_attempt_noted_is_carried_on",
        NOTES + "test_the_jobs_next_row_has_what_the_attempt_noted",
    ),
)
