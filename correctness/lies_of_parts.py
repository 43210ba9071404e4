"""Lies about one part of a guard each, and about guards that several actions share."""

from typing import Final

from correctness.lies import Event, element, field, lies_about, more, state


def _late(token: int, seqs: str, **rows: object) -> Event:
    """An event that says of these numbers of a claim that they are past their deadline."""
    item = {"lane": 1, "slot": 0, "token": token, "part": 1, "asked": seqs, "settled": seqs}
    nothing: Event = {key: [] for key in ("entries", "deferred", "finals", "dead")}
    items = [{**item, "already": "{}", "stale": "{}"}]
    return {"a": "rescue_deadline", **nothing, "items": items, **rows}


def _mended(*, seq: int = 7, job: int = 4, lease: int = 2, attempt: int = 1) -> list[int]:
    """What prune says that it appended again, of entry 4: it was pending, and no mistake."""
    return [1, 1, seq, job, lease, attempt, 4]


OF_PARTS: Final = (
    *lies_about(
        "one_job",
        ("cursor_runs_ahead", "claim", 1, "cursor", state(next=3)),
    ),
    *lies_about(
        "waits_and_returns",
        (
            "snoozed_at_once",
            "snooze",
            1,
            "later",
            field(deferred=[], entries=[[1, 0, 9, 1, 2, 1, 1]]),
        ),
        ("promoted_twice_at_once", "promote", 1, "waited", more("entries", [1, 0, 9, 1, 1, 1])),
    ),
    *lies_about(
        "cancelled",
        ("another_job_cancelled", "cancel_pending", 1, "cancelled", element("finals", 1, 9)),
    ),
    *lies_about(
        "dead_letters",
        ("failure_charged", "fail", 1, "charged", element("dead", 3, 2)),
        ("living_job_moved", "dlq_move", 1, "final", more("jobs", [1, 4])),
        ("living_job_retired_as_a_letter", "retire", 1, "letter", more("dead", [1, 3])),
        ("waiting_letter_returns_charged", "dlq_retry", 3, "anew", element("deferred", 3, 2)),
    ),
    *lies_about(
        "ring_turns",
        ("slot_carried_to_itself", "evacuate", 1, "not_current", field(slot=0)),
        ("carried_for_another_call", "evacuate", 1, "carried", element("rows", 1, 900)),
        ("carried_beside_itself", "evacuate", 2, "once", field(rows=[[1, 100, 1, "{[3,4)}"]])),
        ("body_of_another_job_mended", "prune", 1, "same_job", field(entries=[_mended(job=5)])),
        ("mended_entry_keeps_run_lease", "prune", 1, "lease_up", field(entries=[_mended(lease=1)])),
        (
            "mended_entry_charged",
            "prune",
            1,
            "attempt_back",
            field(entries=[_mended(attempt=2)]),
        ),
        ("mended_under_a_used_number", "prune", 1, "drawn", field(entries=[_mended(seq=4)])),
    ),
    *lies_about(
        "two_keys",
        ("waiting_job_is_charged", "enqueue", 1, "first", element("deferred", 3, 2)),
    ),
    *lies_about(
        "two_workers",
        (
            "ended_attempt_past_its_deadline",
            "rescue_worker",
            1,
            "open",
            field(**_late(801, "{[4,5)}", deferred=[[1, 4, 1, 2, 0, 4]])),
        ),
        (
            "late_attempt_under_a_used_number",
            "claim",
            2,
            "drawn",
            field(**_late(901, "{[3,4)}", entries=[[1, 0, 1, 3, 2, 1, 3]])),
        ),
        (
            "ended_attempt_rescued",
            "rescue_worker",
            2,
            "open",
            field(items=_late(801, "{[4,5)}")["items"], entries=[[1, 0, 30, 4, 2, 1, 4]]),
        ),
        adds=True,
    ),
)
