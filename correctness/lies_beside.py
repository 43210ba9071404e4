"""Lies that break no property of the specification: a wrong answer, or a call that no caller makes.

No witness can stand for their guards, because the model keeps no answers, and tries only calls that
make sense. What refuses them is shown here, one lie for each guard.
"""

from typing import Final

from correctness.lies import Event, both, element, field, item, lies_about, more, seqs, state

_ENQUEUED: Final[Event] = {
    "a": "enqueue",
    "entries": [],
    "deferred": [],
    "finals": [],
    "replaced": [],
}
BEAT: Final[Event] = {
    **_ENQUEUED,
    "a": "heartbeat",
    "dead": [],
    "beat": 1,
    "upto": 1,
    "open": "{}",
    "answer": "alive",
}


def _of_claim(**numbers: str) -> Event:
    """An item of the stories' first claim."""
    nothing = dict.fromkeys(("asked", "settled", "already", "stale"), "{}")
    return {"lane": 1, "slot": 0, "token": 100, "part": 1, **nothing, **numbers}


BESIDE_PROPERTIES: Final = (
    *lies_about(
        "one_job",
        ("claim_of_nothing", "claim", 1, "some", both(seqs("{}"), state(next=1))),
        ("claim_skips_a_state", "claim", 1, "serial", state(no=2)),
    ),
    *lies_about(
        "one_job",
        ("lane_created_twice", "ensure_lane", 1, "new", field()),
        ("worker_already_there", "worker_start", 1, "told", field(worker=8, answer="already")),
        (
            "number_settled_twice_in_a_call",
            "claim",
            1,
            "once",
            field(
                a="complete",
                settle=9,
                items=[
                    _of_claim(asked="{[1,2)}", settled="{[1,2)}"),
                    _of_claim(asked="{[1,3)}", settled="{[1,2)}", stale="{[2,3)}"),
                ],
            ),
        ),
        adds=True,
    ),
    *lies_about(
        "lost_settle_reply",
        (
            "more_settled_than_asked",
            "complete",
            1,
            "asked",
            item(asked="{[1,2)}", settled="{[1,3)}"),
        ),
        (
            "repeat_answered_as_stale",
            "complete",
            2,
            "told",
            item(already="{}", stale="{[1,2)}"),
        ),
    ),
    *lies_about(
        "lost_claim_reply",
        ("repeat_of_an_unknown_call", "claim", 2, "known_token", field(token=900)),
    ),
    *lies_about(
        "lost_claim_reply",
        (
            "half_a_call_released",
            "claim",
            1,
            "entire",
            both(
                field(**BEAT),
                field(
                    items=[_of_claim(asked="{[1,2)}", settled="{[1,2)}")],
                    entries=[[1, 0, 9, 1, 2, 1, 1]],
                ),
            ),
        ),
        adds=True,
    ),
    *lies_about(
        "released",
        ("two_entries_for_one_insert", "enqueue", 1, "single", more("entries", [1, 0, 2, 2, 1, 1])),
        ("body_of_another_job", "release", 1, "same_job", element("entries", 3, 2)),
    ),
    *lies_about(
        "forgotten_call",
        ("beat_of_another_worker", "heartbeat", 1, "alive", field(worker=8, answer="gone")),
    ),
    *lies_about(
        "batches_of_two_queues",
        (
            "two_entries_under_one_number",
            "enqueue_many",
            1,
            "distinct",
            more("entries", [1, 0, 1, 9, 1, 1]),
        ),
        (
            "two_receipts_for_a_number",
            "claim",
            1,
            "parted",
            lambda event: event["rows"].append(
                {"lane": 1, "part": 3, "slot": 0, "seqs": "{[1,2)}"}
            ),
        ),
    ),
    *lies_about(
        "batches_of_two_queues",
        (
            "entry_of_no_lane",
            "worker_start",
            1,
            "lane_exists",
            both(field(**_ENQUEUED), field(entries=[[2, 0, 9, 9, 1, 1]])),
        ),
        (
            "job_of_no_lane",
            "worker_start",
            1,
            "waits_in_lane",
            both(field(**_ENQUEUED), field(deferred=[[2, 9, 0, 1, 0, None]])),
        ),
        adds=True,
    ),
    *lies_about(
        "waits_and_returns",
        (
            "retried_at_once",
            "retry",
            1,
            "later",
            field(deferred=[], entries=[[1, 0, 9, 1, 3, 2, 2]]),
        ),
    ),
    *lies_about(
        "cancelled",
        ("end_with_another_run_lease", "cancel_pending", 1, "as_it_was", element("finals", 2, 2)),
        ("cancelled_twice", "cancel_pending", 1, "one_place", more("undeferred", [1, 1])),
    ),
    *lies_about(
        "dead_letters",
        ("cancelled_job_dies", "fail", 1, "dies_as", field(a="cancel_running")),
    ),
    *lies_about(
        "dead_letters",
        (
            "letter_arrives_twice",
            "dlq_retry",
            2,
            "unknown",
            field(jobs=[], entries=[[2, 0, 2, 2, 3, 1]]),
        ),
        adds=True,
    ),
    *lies_about(
        "ring_turns",
        ("turned_from_elsewhere", "rotate", 2, "here", field(**{"from": 0})),
        ("pending_entry_mended", "prune", 1, "orphaned", field(entries=[[1, 1, 7, 4, 2, 1, 4]])),
        (
            "mended_twice",
            "prune",
            1,
            "again",
            field(entries=[[1, 1, 7, 4, 2, 1, 4], [1, 1, 8, 4, 2, 1, 4]]),
        ),
    ),
    *lies_about(
        "replaced",
        (
            "one_key_twice_in_a_batch",
            "enqueue",
            3,
            "one_key",
            both(field(a="enqueue_many"), more("entries", [1, 0, 3, 5, 1, 1])),
        ),
    ),
)
