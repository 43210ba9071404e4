"""Is a corrupted recording refused; and if not, why that is no wonder.

Whatever is accepted ends where the census says that the tables stood, so it is another history of
the same tables that Storage allows. For each kind there is a reason here; one without is a hole in
the replay.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from correctness.corruptions.operators import Corruption, Wrong, corruptions
from correctness.naming import Event
from correctness.replay_by_twin import judge
from correctness.traces import Recorded, cut

SETTLES: Final = frozenset({"complete", "release", "retry", "snooze", "fail", "cancel_running"})
RESCUES: Final = frozenset({"heartbeat", "rescue_worker", "rescue_deadline"})
ACTS: Final = frozenset({"cancel_pending", "dlq_move", "dlq_retry", "dlq_purge"})

IDLE: Final = "it changes nothing, before as after"
ORDER: Final = "in either order Storage allows both, and the tables end the same"
LOOK: Final = "a census is a look and no step"
BORN: Final = "then the lane was there before the recording, or is one that nobody uses"
WORKERS: Final = "a lane's tables do not tell who works; only a later call would"
RING: Final = "the census does not tell which slot is current; only a later turn would"
AGAIN: Final = "a slot that is empty may be emptied again"
KNOWN: Final = (
    "what a job may and wants is known from the census alone, and here nothing depends on it"
)
NAME: Final = "a name that stands nowhere else is as good as another"
LESS: Final = "a heartbeat may give back less than it could"
ANYBODY: Final = "a repeated claim is answered by its token, whoever asks"
NO_HOLE: Final = "Storage allows a hole where nothing will come"
TOLD: Final = "nobody need be told of a job, and the other thing that is told was true as well"
REPLACED: Final = "what was said later, or the job's completion, has taken its place"
OWN_NOTES: Final = "the number of a note is compared with those of its own attempt only"
NO_ATTEMPT: Final = "where no attempt ended, the number of one is not read"
UNREAD: Final = "the replay does not read it there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a corruption."""

    corruption: Wrong
    refused: bool
    reason: str | None
    """Why it is accepted: empty where it is refused, None where nobody knows."""


def judged(story: Sequence[Recorded], told: Iterator[Corruption]) -> Iterator[Verdict]:
    """Judge corruptions of a recording by the twin."""
    original = cut(story)
    for corruption in told:
        try:
            traces = cut(corruption.recorded)
        except (IndexError, KeyError, TypeError, ValueError):
            yield Verdict(corruption=corruption, refused=True, reason="")
            continue
        refused = traces != original and any(map(judge, traces))
        reason = "" if refused else _reason(story, corruption, original == traces)
        yield Verdict(corruption=corruption, refused=refused, reason=reason)


def everything(story: Sequence[Recorded]) -> Iterator[Verdict]:
    """Judge every corruption of a recording."""
    return judged(story, corruptions(story))


def _reason(story: Sequence[Recorded], wrong: Corruption, same: bool) -> str | None:  # noqa: FBT001
    event = story[wrong.where].event
    if wrong.operator == "neighbours swapped":
        return ORDER
    if same:
        return _unread(wrong, event)
    if event["a"] == "note_progress":
        return _of_note(story, wrong, event)
    if wrong.operator in {"an event left out", "an event twice"}:
        return _of_event(wrong, event)
    if _is_idle(event):
        return IDLE
    return _of_field(wrong)


def _is_idle(event: Event) -> bool:
    if event["a"] == "claim":
        return bool(event["again"])
    if event["a"] in SETTLES | RESCUES and event.get("answer") != "gone":
        return all(item["settled"] == "{}" for item in event["items"])
    if event["a"] in ACTS | {"enqueue"}:
        return not any(event.get(key) for key in ("jobs", "finals", "entries", "deferred"))
    return (event["a"], event.get("answer")) in {
        ("worker_start", "already"),
        ("worker_stop", "gone"),
    }


def _of_note(story: Sequence[Recorded], wrong: Corruption, event: Event) -> str | None:
    if wrong.operator == "an event twice" or all(row[-1] == "stale" for row in event["notes"]):
        return IDLE
    if wrong.operator == "another note":
        return OWN_NOTES
    told = {said for one in story for _, said in one.event.get("progress", ())}
    return None if any(row[5] in told for row in event["notes"]) else REPLACED


def _of_event(wrong: Corruption, event: Event) -> str | None:
    if _is_idle(event):
        return IDLE
    if (wrong.action, wrong.operator) == ("prune", "an event twice"):
        return AGAIN
    return {
        "census": LOOK,
        "ensure_lane": BORN,
        "worker_start": WORKERS,
        "worker_stop": WORKERS,
        "rescue_worker": WORKERS if not event.get("items") else None,
        "rotate": RING,
    }.get(wrong.action)


def _of_field(wrong: Corruption) -> str | None:
    of_census = {"bounds": KNOWN, "unique": KNOWN}
    by_key = of_census if wrong.action == "census" else {"told": TOLD, "said": REPLACED}
    by_field = {
        ("another call", "claim"): NAME,
        ("another upto", "heartbeat"): LESS,
        ("another open", "heartbeat"): LESS,
        ("another holes", "claim"): NO_HOLE,
        ("another lane", "ensure_lane"): BORN,
        ("another lane", "census"): BORN,
        ("another worker", "claim"): WORKERS,
        ("another worker", "rescue_worker"): WORKERS,
        ("another worker", "worker_start"): WORKERS,
        ("another worker", "worker_stop"): WORKERS,
        ("another slot", "rotate"): RING,
        ("another from", "dlq_move"): NO_ATTEMPT,
        ("another from", "dlq_retry"): NO_ATTEMPT,
        **{("another settle", action): NAME for action in SETTLES | ACTS},
    }
    return by_key.get(wrong.key) or by_field.get((wrong.operator, wrong.action))


def _unread(wrong: Corruption, event: Event) -> str | None:
    """Fields that Storage does not speak of; names, which the replay numbers anew."""
    if wrong.operator.removeprefix("another ") in {"call", "settle", "token", "job", "said"}:
        return NAME
    if wrong.operator == "another worker" and wrong.action in {"worker_start", "worker_stop"}:
        return NAME
    if wrong.operator == "another asked" and _is_idle(event):
        return UNREAD
    unread = {
        "another shard": {"ensure_lane"},
        "another priority": {"ensure_lane"},
        "another beat": RESCUES,
        "another open": {"heartbeat"},
        "another upto": {"heartbeat"},
        "another stale": SETTLES,
        "another slot": SETTLES | RESCUES | {"cancel_pending"},
        "another worker": SETTLES | {"note_progress"},
        "another answer": {"rotate"},
    }
    return UNREAD if event["a"] in unread.get(wrong.operator, ()) else None
