"""Mutants of what leaders, sleepers, operators and observers ask: sessions/ and reads/."""

from typing import Final

from correctness.mutants.mutant import mutant

LEADING: Final = "sessions/leading.sql"
WAKING: Final = "sessions/waking.sql"
QUEUES: Final = "sessions/queues.sql"
OVERRIDES: Final = "sessions/overrides.sql"
LEADERS: Final = "storage/test_leading.py::"
SLEEPERS: Final = "storage/test_waking.py::"
OF_QUEUES: Final = "storage/test_queues.py::"
OF_RUNS: Final = LEADERS + "test_a_beat_counts_in_its_own_run_of_the_server"

MUTANTS: Final = (
    mutant(
        "TwoLeaders",
        "lock",
        "lead",
        (LEADING, "        or pg_try_advisory_lock(", "        or pg_try_advisory_lock_shared("),
        LEADERS + "test_one_session_leads_until_it_ends",
    ),
    mutant(
        "AskingTakesTheSeat",
        "lock",
        "led",
        (LEADING, "then pg_advisory_unlock(lk_leader(), 0) else", "then true else"),
        LEADERS + "test_asking_whether_somebody_leads_leaves_nothing_behind",
    ),
    mutant(
        "RunOfItsStart",
        "effect",
        "heartbeat observe",
        (
            "internal/server_run.sql",
            " || ' ' || extract(epoch from pg_stat_get_bgwriter_stat_reset_time())::text\n",
            "\n",
        ),
        OF_RUNS,
        attack="F6",
    ),
    mutant(
        "EveryBeatCounts",
        "guard",
        "observe",
        (LEADING, "coalesce(w.run = server_run(), false)", "true"),
        OF_RUNS,
        attack="F6",
    ),
    mutant(
        "BeatOfNoRun",
        "effect",
        "heartbeat",
        ("functions/heartbeat.sql", "beat_at = clock_timestamp(), run = server_run(),", "\n"),
        OF_RUNS,
    ),
    mutant(
        "StraysThatLive",
        "guard",
        "strays",
        (
            LEADING,
            "if not exists (select from workers x where x.worker = v_worker) then",
            "if true then",
        ),
        LEADERS + "test_strays_are_those_that_hold_claims_and_have_no_row",
    ),
    mutant(
        "ArmedBesideDeferrals",
        "guard",
        "arm_timer",
        (
            LEADING,
            "return case when pg_try_advisory_lock(lk_deferring(), 0) then",
            "return case when true then true when pg_try_advisory_lock(lk_deferring(), 0) then",
        ),
        LEADERS + "test_arming_says_whether_somebody_is_deferring",
    ),
    mutant(
        "TimerNotArmed",
        "effect",
        "arm_timer",
        (LEADING, "    perform setval('timer_seq', 9223372036854775807);\n", ""),
        LEADERS + "test_a_deferral_that_begins_after_the_arming_tells_in_any_isolation",
    ),
    mutant(
        "TimerRoundedDown",
        "effect",
        "set_timer",
        (LEADING, "greatest(0, ceil(extract(", "greatest(0, floor(extract("),
        LEADERS + "test_the_timer_is_for_ever_while_the_leader_looks",
    ),
    mutant(
        "AskedAsOneRange",
        "guard",
        "ended_elsewhere",
        (LEADING, " and $2 @> c.call and x.outcome in", " and x.outcome in"),
        LEADERS + "test_a_worker_asks_about_calls_as_ranges",
    ),
    mutant(
        "HeldByOneSession",
        "lock",
        "hold_alive",
        (
            WAKING,
            "perform pg_advisory_lock_shared(lk_alive()",
            "perform pg_try_advisory_lock(lk_alive()",
        ),
        SLEEPERS + "test_alive_is_shared_by_a_workers_sessions_and_free_when_all_are_gone",
    ),
    mutant(
        "FlagsStay",
        "effect",
        "wake_up",
        (WAKING, "    where l.locktype = 'advisory' and", "    where false and"),
        SLEEPERS + "test_wake_up_drops_every_flag_of_the_session_and_no_other",
    ),
    mutant(
        "NobodyIsInFlight",
        "effect",
        "inflight",
        (WAKING, "and not quiet(l.lane))", "and false)"),
        SLEEPERS + "test_the_sleepers_order_misses_no_producer",
    ),
    mutant(
        "PassesOnAlways",
        "guard",
        "pass_on",
        (
            WAKING,
            "    if coalesce(current_setting('awa.notify', true), 'on') <> 'off' then\n",
            "    if true then\n",
        ),
        SLEEPERS + "test_pass_on_tells_each_queue_once",
    ),
    mutant(
        "PausedByTheLast",
        "guard",
        "pause_queue",
        (
            QUEUES,
            "q.queue = pause_queue.queue and q.paused_at is null;",
            "q.queue = pause_queue.queue;",
        ),
        OF_QUEUES + "test_a_pause_says_who_and_since_when",
    ),
    mutant(
        "ResumedUnheard",
        "effect",
        "resume_queue",
        (QUEUES, "        perform pg_notify(awa_name(), resume_queue.queue);\n", "        null;\n"),
        OF_QUEUES + "test_sleepers_hear_that_a_queue_goes_on",
    ),
    mutant(
        "SettingsAnew",
        "effect",
        "configure_queue",
        (
            QUEUES,
            "coalesce((v ->> 'aging_s')::double precision, q.aging_s)",
            "coalesce((v ->> 'aging_s')::double precision, 60)",
        ),
        OF_QUEUES + "test_settings_are_set_one_by_one",
    ),
    mutant(
        "DefaultsStay",
        "effect",
        "configure_defaults",
        (QUEUES, "update meta set dead_letters = (v ->> 'dead_letters')::boolean;", "null;"),
        "storage/test_fail.py::test_each_queue_says_what_becomes_of_its_failed_jobs",
    ),
    mutant(
        "OverriddenAnew",
        "effect",
        "override_queue",
        (OVERRIDES, "q.overrides || override_queue.overrides", "override_queue.overrides"),
        "storage/test_overrides.py::test_an_override_is_kept_until_it_is_taken_back",
    ),
    mutant(
        "OverridesOfNothing",
        "guard",
        "overrides_of",
        (OVERRIDES, " and q.overrides <> '{}'\n", "\n"),
        "storage/test_overrides.py::test_an_override_is_kept_until_it_is_taken_back",
    ),
    mutant(
        "PausedIsDue",
        "guard",
        "due_schedules",
        (
            "sessions/schedules.sql",
            "c.paused_at is null and c.next_at <= v_now",
            "c.next_at <= v_now",
        ),
        "storage/test_schedules.py::"
        "test_a_paused_schedule_rests_and_goes_on_from_when_it_is_resumed",
    ),
    mutant(
        "CheckOverlooksCursors",
        "guard",
        "check",
        ("reads/check.sql", "    where c.next < c.before\n", "    where false\n"),
        "storage/test_check.py::test_every_clause_of_check_finds_some_damage",
    ),
    mutant(
        "CensusWithoutKeys",
        "effect",
        "census",
        (
            "reads/census.sql",
            "case when a.extra ? 'unique' then read_unique(",
            "case when false then read_unique(",
        ),
        "storage/test_census.py::test_unique_keys_are_told",
    ),
    mutant(
        "UnknownThoughKnown",
        "guard",
        "unknown_kinds",
        (
            "reads/unknown_kinds.sql",
            "    where not exists (select",
            "    where true or not exists (select",
        ),
        "acceptance/test_unknown_kinds.py::"
        "test_what_workers_tell_is_what_none_of_the_queue_can_run",
    ),
    mutant(
        "UnknownOnce",
        "effect",
        "tell_unknown",
        (
            "reads/unknown_kinds.sql",
            "w.info || jsonb_build_object('unknown', tell_unknown.kinds)",
            "jsonb_build_object('unknown', tell_unknown.kinds) || w.info",
        ),
        "acceptance/test_unknown_kinds.py::"
        "test_what_workers_tell_is_what_none_of_the_queue_can_run",
    ),
    mutant(
        "PagesOldestFirst",
        "order",
        "jobs_page",
        (
            "reads/pages.sql",
            "    select * from found f order by f.id desc limit v_max;",
            "    select * from found f order by f.id limit v_max;",
        ),
        "storage/test_pages.py::test_a_page_holds_what_the_view_holds_whatever_the_filters",
    ),
    mutant(
        "CompletedBelowAnOldCursor",
        "order",
        "jobs_page",
        (
            "reads/pages.sql",
            "where n.no > l.floor_no order by n.no desc limit 1",
            "where n.no > l.floor_no order by n.no limit 1",
        ),
        "storage/test_pages.py::test_a_page_holds_what_the_view_holds_whatever_the_filters",
    ),
    mutant(
        "RareStatesById",
        "effect",
        "jobs_page",
        (
            "reads/pages.sql",
            "or p_state is not null and p_kind is null and cardinality(v_lanes) <= 200;",
            ";",
        ),
        "storage/test_pages.py::test_jobs_to_be_tried_again_are_found_below_those_for_later",
    ),
    mutant(
        "RetriedForPlain",
        "guard",
        "jobs_page",
        ("internal/appending.sql", "select p_run_lease = 1 and not", "select not"),
        "storage/test_pages.py::test_many_jobs_that_return_hide_no_newer_ones",
    ),
    mutant(
        "PromotedForPlain",
        "effect",
        "promote",
        (
            "functions/promote.sql",
            "case when d.run_lease = 0 then apart(d.extra) else d.extra end",
            "d.extra",
        ),
        "storage/test_pages.py::test_many_jobs_that_return_hide_no_newer_ones",
    ),
    mutant(
        "FarApartUnmarked",
        "guard",
        "enqueue enqueue_many",
        (
            "internal/appending.sql",
            "> apart_max() then apart(p_extra) else",
            "> apart_max() then p_extra else",
        ),
        "storage/test_pages.py::test_a_producer_that_stood_still_hides_no_newer_jobs",
    ),
    mutant(
        "NumberBeforeItsId",
        "order",
        "enqueue",
        (
            "tables.sql",  # a row is made in the order of the table's columns
            "    job_id bigint not null,\n    seq bigint not null,\n    enqueued_at",
            "    seq bigint not null,\n    job_id bigint not null,\n    enqueued_at",
        ),
        "storage/test_pages.py::test_an_id_is_drawn_before_its_number",
    ),
    mutant(
        "JobsWithoutTheRing",
        "effect",
        "jobs_by_id",
        (
            "reads/pages.sql",
            "jobs_in(v_slots, jobs_by_id.job_ids)",
            "jobs_in('{}', jobs_by_id.job_ids)",
        ),
        "storage/test_pages.py::test_jobs_are_found_by_id_wherever_they_are",
    ),
    mutant(
        "AttemptsOfOthers",
        "guard",
        "attempts_of",
        ("reads/pages.sql", "where a.job_id = any (attempts_of.job_ids) order", "order"),
        "storage/test_pages.py::test_the_attempts_of_jobs_are_those_of_the_view",
    ),
    mutant(
        "HolderOfAnyKey",
        "guard",
        "key_holder",
        ("reads/pages.sql", " where u.unique_key = key_holder.unique_key)", ")"),
        "storage/test_pages.py::test_the_holder_of_a_unique_key_is_found",
    ),
    mutant(
        "EverySlotIsCurrent",
        "effect",
        "storage_status",
        ("reads/status.sql", "'current', s.slot = current_slot(),", "'current', true,"),
        "storage/test_pages.py::test_the_status_of_the_storage_names_its_parts",
    ),
)
