"""`python -m correctness.spoiling`: write traces/rejected/, accepted stories with one lie each."""

from pathlib import Path
from typing import Final

from correctness.configurations import SPEC
from correctness.lies import both, element, field, item, less, lies_about, seqs, state
from correctness.lies_beside import BESIDE_PROPERTIES
from correctness.lies_of_each import OF_EACH_OPERATOR
from correctness.lies_of_parts import OF_PARTS
from correctness.traces import write_ndjson

REJECTED: Final = SPEC.parent / "traces" / "rejected"

LIES: Final = (
    *lies_about(
        "one_job",
        ("settle_with_another_token", "complete", 1, "claimed", item(token=101)),
        (
            "completion_refused",
            "complete",
            1,
            "whole",
            item(settled="{}", stale="{[1,2)}"),
        ),
        ("unknown_worker_claims", "claim", 1, "started", field(worker=8)),
    ),
    *lies_about(
        "one_job",
        ("double_claim", "claim", 1, "visible", both(field(token=900, call=9), state(no=2))),
        adds=True,
    ),
    *lies_about(
        "lost_settle_reply",
        (
            "stale_accepted",
            "complete",
            2,
            "open",
            item(settled="{[1,2)}", already="{}"),
        ),
    ),
    *lies_about(
        "late_commit",
        ("forgotten_hole_commits", "claim", 1, "forgotten", state(holes="{}")),
        ("cursor_goes_back", "claim", 2, "cursor", state(next=2)),
        ("hole_made_up", "claim", 2, "noted", state(holes="{[2,3)}")),
    ),
    *lies_about(
        "released",
        ("lost_entry", "census", 1, "entries", less("entries")),
        ("lost_closure", "census", 1, "closures", less("closures")),
        ("duplicate_run_lease", "enqueue", 2, "first", element("entries", 4, 2)),
        ("released_entry_keeps_run_lease", "release", 1, "lease_up", element("entries", 4, 1)),
        ("released_attempt_charged", "release", 1, "attempt_back", element("entries", 5, 2)),
        ("release_loses_the_job", "release", 1, "followed", field(entries=[])),
    ),
    *lies_about(
        "released",
        ("number_used_twice", "enqueue", 2, "drawn", field(entries=[[1, 0, 1, 77, 1, 1]])),
        adds=True,
    ),
    *lies_about(
        "lost_claim_reply",
        ("repeat_answers_ended_work", "claim", 3, "still_open", seqs("{[1,3)}")),
        ("token_takes_twice", "claim", 4, "new_token", field(token=100)),
        (
            "earlier_entry_passed_over",
            "claim",
            4,
            "in_order",
            both(seqs("{[4,5)}"), state(next=5, holes="{[3,4)}")),
        ),
    ),
    *lies_about(
        "forgotten_call",
        (
            "heartbeat_releases_a_named_call",
            "heartbeat",
            1,
            "unnamed",
            field(open="{[1,3)}"),
        ),
        (
            "heartbeat_releases_a_later_call",
            "heartbeat",
            1,
            "upto",
            both(
                item(token=200, asked="{[2,3)}", settled="{[2,3)}"),
                field(entries=[[1, 0, 3, 2, 2, 1, 2]]),
            ),
        ),
    ),
    *lies_about(
        "lost_too_often",
        (
            "lost_once_too_often",
            "heartbeat",
            6,
            "waits_as",
            lambda event: event.update(
                deferred=[event["finals"][0][:6]],
                finals=[],
            ),
        ),
        ("loss_not_counted", "heartbeat", 2, "counted", element("deferred", 4, 1)),
    ),
    *lies_about(
        "waits_and_returns",
        ("promoted_entry_keeps_run_lease", "promote", 2, "lease_up", element("entries", 4, 1)),
        ("promoted_entry_charged", "promote", 2, "carried", element("entries", 5, 2)),
        ("waiting_job_goes_back", "retry", 1, "lease_kept", element("deferred", 2, 1)),
        ("retry_for_free", "retry", 1, "charged", element("deferred", 3, 1)),
        ("snooze_charged", "snooze", 1, "charged", element("deferred", 3, 2)),
        (
            "ended_with_an_attempt_left",
            "retry",
            1,
            "ends_as",
            lambda event: event.update(
                finals=[[1, 1, 2, 1, 0, 2, "failed"]],
                deferred=[],
            ),
        ),
        (
            "retried_with_no_attempt_left",
            "retry",
            3,
            "waits_as",
            field(deferred=[[1, 1, 3, 3, 0, 3]], finals=[]),
        ),
        (
            "repeated_retry_defers_again",
            "retry",
            2,
            "waits_as",
            field(deferred=[[1, 1, 2, 2, 0, 2]]),
        ),
        ("end_forgotten", "census", 1, "finals", less("finals")),
    ),
    *lies_about(
        "waits_and_returns",
        ("promoted_twice", "promote", 1, "waited", field(entries=[[1, 0, 2, 1, 2, 1]])),
        adds=True,
    ),
    *lies_about(
        "cancelled",
        (
            "withdrawn_entry_runs",
            "claim",
            1,
            "not_withdrawn",
            both(seqs("{[2,3)}")),
        ),
        ("cancelled_job_leaves_no_trace", "cancel_pending", 1, "cancelled", less("finals")),
        (
            "running_job_ends_as_failed",
            "cancel_running",
            1,
            "ends_as",
            element("finals", 6, "failed"),
        ),
        ("withdrawal_forgotten", "census", 1, "withdrawn", field(withdrawn=[])),
    ),
    *lies_about(
        "cancelled",
        (
            "running_job_withdrawn",
            "claim",
            2,
            "pending",
            lambda event: event.update(
                a="cancel_pending",
                withdrawn=[[1, 0, 3, 4]],
                undeferred=[],
                finals=[[1, 4, 1, 1, 0, 3, "cancelled"]],
            ),
        ),
        adds=True,
    ),
    *lies_about(
        "dead_letters",
        ("letter_keeps_run_lease", "dlq_retry", 1, "lease_up", element("entries", 4, 1)),
        ("letter_returns_twice", "dlq_retry", 3, "followed", field(entries=[[1, 0, 6, 3, 2, 1]])),
        ("letter_returns_charged", "dlq_retry", 1, "anew", element("entries", 5, 2)),
        ("another_letter", "dlq_move", 1, "moved", element("dead", 4, 3)),
        ("living_job_purged", "dlq_purge", 1, "letter", field(jobs=[[1, 1]])),
        ("living_job_retired", "retire", 1, "final", field(finals=[[1, 2]])),
    ),
    *lies_about(
        "worker_given_up",
        ("job_of_another_worker_rescued", "rescue_worker", 2, "own", field(worker=8)),
        (
            "half_a_claim_rescued",
            "rescue_worker",
            1,
            "followed",
            less("items"),
        ),
        ("rescue_not_counted", "rescue_worker", 2, "counted", element("deferred", 4, 1)),
        ("deadline_for_free", "rescue_deadline", 1, "charged", element("deferred", 3, 1)),
    ),
    *lies_about(
        "ring_turns",
        ("state_lost_with_its_slot", "prune", 1, "floor", field(floors=[])),
        ("hole_lost_with_its_slot", "prune", 1, "floor", element("floors", 3, "{}")),
        ("ended_entry_carried", "evacuate", 1, "live", field(moved=[[1, 2], [1, 3]])),
        ("open_entry_carried_without_its_claim", "evacuate", 1, "carried", field(rows=[])),
    ),
    *lies_about(
        "ring_turns",
        ("turned_onto_history", "rotate", 1, "empty", field(slot=0, **{"from": 1})),
        (
            "current_slot_pruned",
            "enqueue",
            6,
            "not_current",
            field(a="prune", slot=2, answer="needed", entries=[]),
        ),
        adds=True,
    ),
    *lies_about(
        "replaced",
        ("key_taken", "enqueue", 2, "unheld", field(replaced=[], finals=[])),
        ("replaced_job_goes_on", "enqueue", 2, "cancelled", field(finals=[])),
        ("replaced_twice", "enqueue", 3, "pending", element("replaced", 2, 1)),
    ),
    *BESIDE_PROPERTIES,
    *OF_EACH_OPERATOR,
    *OF_PARTS,
)


def write(folder: Path) -> None:
    """Write every lie to a file of its own."""
    for lie in LIES:
        write_ndjson(folder / f"{lie.name}.ndjson", lie.told())


if __name__ == "__main__":
    write(REJECTED)
