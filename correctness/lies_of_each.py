"""Lies about guards that stand in several operators under one name: one for each operator.

That a guard's name is missed somewhere says nothing about the other operators that have it too.
"""

from collections.abc import Callable
from typing import Final

from correctness.lies import Event, both, element, field, item, less, lies_about, more
from correctness.lies_beside import BEAT

_PAST_ITS_DEADLINE: Final[Event] = {
    "a": "rescue_deadline",
    "entries": [],
    "deferred": [[1, 1, 1, 2, 0, 1]],
    "finals": [],
    "dead": [],
    "items": [
        {
            "lane": 1,
            "slot": 0,
            "token": 100,
            "part": 1,
            "asked": "{[1,2)}",
            "settled": "{[1,2)}",
            "already": "{}",
            "stale": "{}",
        }
    ],
}


def _told(place: int, value: object) -> Callable[[Event], None]:
    """Change one place of the first job that an event tells of."""
    return element("told", place, value)


OF_WHAT_IS_TOLD: Final = (
    *lies_about(
        "answers_of_enqueues",
        ("existing_in_a_state_it_never_had", "enqueue", 2, "seen", _told(3, "completed")),
        ("skipped_for_a_job_to_come", "enqueue", 3, "seen", _told(1, 6)),
        ("existing_from_the_future", "enqueue_many", 1, "seen", _told(3, "cancelled")),
    ),
    *lies_about(
        "answers_of_acts",
        ("already_by_another_act", "cancel_pending", 3, "acted", _told(2, "already")),
        ("already_what_was_never_done", "dlq_move", 2, "acted", _told(1, 3)),
        ("stale_where_it_never_was", "dlq_retry", 1, "seen", _told(3, "dead_lettered")),
        ("duplicate_of_no_letter", "dlq_retry", 4, "seen", _told(1, 3)),
        ("duplicate_that_runs", "dlq_retry", 3, "lost", _told(2, "duplicate")),
    ),
)
OF_PROGRESS: Final = (
    *lies_about(
        "progress",
        ("late_note_kept", "note_progress", 5, "speaks", element("notes", 6, "noted")),
        (
            "note_of_an_open_attempt_refused",
            "note_progress",
            1,
            "heard",
            element("notes", 6, "stale"),
        ),
        (
            "two_notes_of_an_attempt_at_once",
            "note_progress",
            1,
            "once",
            more("notes", [1, 100, 1, 1, 9, "0c", "noted"]),
        ),
        ("progress_made_up_on_the_way", "dlq_retry", 1, "says", more("said", [1, 1, "0c"])),
        ("progress_forgotten", "census", 1, "progress", less("progress")),
    ),
)
OF_EACH_OPERATOR: Final = (
    *OF_WHAT_IS_TOLD,
    *OF_PROGRESS,
    *lies_about(
        "one_job",
        (
            "worker_alive_that_never_started",
            "worker_start",
            1,
            "told",
            field(**BEAT, worker=8, items=[]),
        ),
        (
            "worker_stopped_that_never_started",
            "worker_start",
            1,
            "told",
            field(a="worker_stop", worker=8, answer="stopped"),
        ),
        (
            "living_worker_robbed",
            "worker_start",
            1,
            "told",
            field(**BEAT | {"a": "rescue_worker"}, worker=8, items=[]),
        ),
        adds=True,
    ),
    *lies_about(
        "two_workers",
        ("call_of_another_worker_released", "heartbeat", 1, "own", field(worker=8)),
        (
            "half_a_call_rescued",
            "rescue_worker",
            4,
            "entire",
            both(item(asked="{[7,8)}", settled="{[7,8)}"), field(entries=[])),
        ),
    ),
    *lies_about(
        "two_workers",
        ("half_a_call_past_its_deadline", "claim", 1, "entire", field(**_PAST_ITS_DEADLINE)),
        adds=True,
    ),
    *lies_about(
        "two_keys",
        ("kept_key_taken", "enqueue", 6, "unheld", field(replaced=[], finals=[])),
    ),
    *lies_about(
        "released",
        ("release_answered_as_stale", "release", 1, "told", item(stale="{[2,3)}")),
    ),
)
