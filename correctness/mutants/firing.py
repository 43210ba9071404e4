"""Mutants of schedules: who may fire them, and what declarations and pauses do."""

from typing import Final

from correctness.mutants.mutant import mutant

FIRE: Final = "functions/fire.sql"
SCHEDULES: Final = "internal/schedules.sql"
TESTS: Final = "storage/test_schedules.py::"

MUTANTS: Final = (
    mutant(
        "FiresUncompared",
        "guard",
        "fire",
        (FIRE, "if v_schedule.version is distinct from fire.version or ", "if "),
        TESTS + "test_a_schedule_that_was_deleted_and_made_again_is_another_one",
        TESTS + "test_a_schedule_is_fired_once_with_its_instant",
        TESTS + "test_a_plan_is_of_the_policy_it_was_made_for",
    ),
    mutant(
        "FiresUnlocked",
        "lock",
        "fire",
        (FIRE, "and c.name = fire.name for update;", "and c.name = fire.name;"),
        TESTS + "test_two_leaders_that_fire_at_the_same_moment_take_turns",
    ),
    mutant(
        "FiresEarly",
        "guard",
        "fire",
        (FIRE, "elsif fire.upto > clock_timestamp() then", "elsif false then"),
        TESTS + "test_a_leader_whose_clock_is_fast_fires_nothing_early",
    ),
    mutant(
        "FiredAndStays",
        "effect",
        "fire",
        (FIRE, "upto = coalesce(fire.upto, c.upto), ", ""),
        TESTS + "test_a_schedule_is_fired_once_with_its_instant",
    ),
    mutant(
        "FiresWhatWasDealtWith",
        "guard",
        "fire",
        (FIRE, "    perform check_instants(v_schedule.upto, fire.upto, fire.due);\n", ""),
        TESTS + "test_a_plan_that_does_not_fit_the_row_is_refused",
        TESTS + "test_a_plan_is_of_the_policy_it_was_made_for",
    ),
    mutant(
        "FiresInside",
        "guard",
        "fire",
        (FIRE, "    perform require_own_transaction('fire');\n", ""),
        TESTS + "test_nothing_is_fired_inside_a_larger_transaction",
    ),
    mutant(
        "TriggersInside",
        "guard",
        "trigger_schedule",
        (
            "functions/trigger_schedule.sql",
            "    perform require_own_transaction('trigger_schedule');\n",
            "",
        ),
        TESTS + "test_nothing_is_fired_inside_a_larger_transaction",
    ),
    mutant(
        "OverlapsAnyway",
        "guard",
        "fire trigger_schedule",
        (SCHEDULES, "|| case when d.overlap = 'allow' then '{}'", "|| case when true then '{}'"),
        TESTS + "test_a_schedule_that_skips_waits_until_its_job_is_finished",
    ),
    mutant(
        "NewRuleOldPast",
        "effect",
        "put_schedule declare_schedules",
        (
            SCHEDULES,
            "then c.upto else greatest(c.upto, clock_timestamp()) end",
            "then c.upto else c.upto end",
        ),
        TESTS
        + "test_a_schedule_with_another_rule_begins_anew_and_one_with_other_arguments_does_not",
    ),
    mutant(
        "ChangedUnheard",
        "effect",
        "put_schedule",
        ("functions/put_schedule.sql", "        perform tell_of_schedules();\n", "        null;\n"),
        TESTS + "test_the_leader_is_told_of_a_change",
    ),
    mutant(
        "DeclaredUnheard",
        "effect",
        "declare_schedules",
        (
            "functions/declare_schedules.sql",
            "        perform tell_of_schedules();\n",
            "        null;\n",
        ),
        TESTS + "test_the_leader_is_told_of_a_change",
    ),
    mutant(
        "TakesBackWhatOthersMade",
        "guard",
        "declare_schedules",
        (
            "functions/declare_schedules.sql",
            "where c.namespace = declare_schedules.namespace and c.declared order",
            "where c.namespace = declare_schedules.namespace order",
        ),
        TESTS + "test_a_namespace_removes_what_it_declared_and_nothing_else",
    ),
    mutant(
        "DeletesNamesakes",
        "guard",
        "delete_schedule declare_schedules",
        (
            SCHEDULES,
            "delete from cron_schedules c where c.namespace = p_namespace and c.name = p_name;",
            "delete from cron_schedules c where c.name = p_name;",
        ),
        TESTS + "test_a_namespace_removes_what_it_declared_and_nothing_else",
    ),
    mutant(
        "PausedAnew",
        "guard",
        "pause_schedule",
        (
            "functions/pause_schedule.sql",
            "c.name = pause_schedule.name and c.paused_at is null;",
            "c.name = pause_schedule.name;",
        ),
        TESTS + "test_a_paused_schedule_rests_and_goes_on_from_when_it_is_resumed",
    ),
    mutant(
        "ResumesBehind",
        "effect",
        "resume_schedule",
        (
            "functions/resume_schedule.sql",
            "upto = greatest(c.upto, clock_timestamp()), next_at",
            "next_at",
        ),
        TESTS + "test_a_paused_schedule_rests_and_goes_on_from_when_it_is_resumed",
    ),
)
