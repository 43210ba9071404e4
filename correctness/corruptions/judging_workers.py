"""Is what workers told refused when it is corrupted, by TLC; and if not, why that is no wonder."""

from collections.abc import Iterator, Sequence
from typing import Final

from correctness.corruptions.judging import Verdict
from correctness.corruptions.of_workers import Event, Telling, WrongTelling
from correctness.traces import Recorded
from correctness.worker_replay import replay_workers
from correctness.worker_traces import WorkerTrace, join

ORDER: Final = "in either order Runtime allows both"
AGAIN: Final = "it says again what holds already"
BEAT: Final = "a beat may be sent again"
EARS: Final = "who hears and who does not binds nothing but beats"
EMPTY: Final = "a reply without jobs after which no beat leaves need not come"
TOLD: Final = "a handler whose attempt somebody else ended may not have begun"
ROOM: Final = "more was permitted, or asked for, and there was room for it"
UNUSED: Final = "no handler of that queue ran"
QUEUE: Final = "which queue an attempt is of the worker alone says, and the other one had room too"
ANSWER: Final = "settled now or settled before: either way the end is in the database"
EITHER: Final = "of two attempts that are given back alike either may have begun"
BUSY: Final = "what an answer leaves out was busy, and is sent again after the end of the story"
DOUBT: Final = "an attempt whose commit is in doubt may fail before anybody knows"
REFUSED: Final = "of a settle that the database refused nobody else knows what was in it"

_LASTING: Final = frozenset(
    {
        *("began", "permitted", "hears", "deafened", "drained", "closed", "handlers_cut", "gone"),
        *("told", "softened"),
    }
)
_BY_EVENT: Final[dict[tuple[str, str], str]] = {
    ("an event left out", "hears"): EARS,
    ("an event left out", "deafened"): EARS,
    ("another worker", "hears"): EARS,
    ("another worker", "deafened"): EARS,
    ("an event left out", "claim_answered"): EMPTY,
    ("an event left out", "started"): TOLD,
    ("an event left out", "commit_answered"): DOUBT,
    ("a row left out", "flush_answered"): BUSY,
    ("an event left out", "handlers_cut"): AGAIN,
    ("another number", "started"): EITHER,
    ("an event twice", "beat_sent"): BEAT,
    ("another limit", "claim_sent"): ROOM,
    ("another permits", "began"): ROOM,
    ("another permits", "permitted"): ROOM,
    ("another total", "began"): ROOM,
    ("another claimers", "began"): ROOM,
    ("an event left out", "permitted"): ROOM,
    ("another queue", "permitted"): ROOM,
    ("a row left out", "began"): UNUSED,
    ("another queue", "began"): UNUSED,
    ("another queue", "claim_answered"): QUEUE,
    ("another answer", "flush_answered"): ANSWER,
}


def judged_workers(
    recorded: Sequence[Recorded], told: Telling, wrong: Sequence[WrongTelling]
) -> Iterator[Verdict]:
    """Judge what is wrong with a telling, all in one go. Raise CheckerMissing without TLC."""
    original = _read(join(recorded, told))
    traces = [join(recorded, one.told) for one in wrong]
    refusals = replay_workers(traces)
    for one, trace, refusal in zip(wrong, traces, refusals, strict=True):
        refused = refusal is not None and _read(trace) != original
        yield Verdict(corruption=one, refused=refused, reason="" if refused else _reason(one, told))


def _read(trace: WorkerTrace) -> tuple[object, ...]:
    """What the specification gets to see of it."""
    return trace.permits, trace.totals, trace.claimers, trace.queues, trace.events


def _reason(wrong: WrongTelling, told: Telling) -> str | None:
    if wrong.operator == "neighbours swapped":
        return ORDER
    if wrong.operator == "an event twice" and wrong.action in _LASTING:
        return AGAIN
    if wrong.action == "flush_sent" and _was_refused(told[wrong.where], told):
        return REFUSED
    return _BY_EVENT.get((wrong.operator, wrong.action))


def _was_refused(sent: Event, told: Telling) -> bool:
    return any(
        event["a"] == "flush_refused" and event["settle"] == sent["settle"] for event in told
    )
