"""What an event says beside what it did: jobs that somebody was only told of.

Nothing keeps such a job where it is, so an answer may be older than its transaction's end. The
replay asks whether the job was ever in that state before; and of an act that was done already,
whether it was.
"""

from typing import Final

from correctness.naming import Event, Names
from correctness.projecting import PROJECT, Projected, lanes_of

TOLD: Final = "told"
_ACT: Final = frozenset({"already", "stale"})
ANSWERS: Final = {
    **dict.fromkeys(("enqueue", "enqueue_many"), frozenset({"existing", "skipped"})),
    **dict.fromkeys(("cancel_pending", "dlq_move", "dlq_purge"), _ACT),
    "dlq_retry": _ACT | {"duplicate"},
}
_STATES: Final = {"dead_lettered": "dead", "purged": "removed"}
"""What Storage calls the states that users know by another name."""


def project(event: Event, lane: int, names: Names) -> list[Projected]:
    """Answer what an event is for one lane, and what it tells of jobs there.

    Raise ValueError for an answer that the action does not have.
    """
    told = [row for row in event.get(TOLD) or () if row[0] == lane]
    wrong = {row[2] for row in told} - ANSWERS.get(event["a"], frozenset())
    if wrong:
        raise ValueError(f"{event['a']} does not answer {', '.join(map(str, wrong))}")
    if not told:
        return PROJECT[event["a"]](event, lane, names)
    done = {key: value for key, value in event.items() if key != TOLD}
    projected = PROJECT[event["a"]](done, lane, names) if lane in lanes_of(done) else []
    rows = tuple(
        {"job": names.of("job", job), "answer": answer, "state": _STATES.get(state, state)}
        for _, job, answer, state in told
    )
    act = names.of("act", event.get("settle", 0))
    return [*projected, {"a": TOLD, "by": event["a"], "act": act, "told": rows}]


def asked(events: list[Projected]) -> frozenset[int]:
    """Answer the jobs that the events of a trace tell of."""
    return frozenset(row["job"] for event in events if event["a"] == TOLD for row in event[TOLD])
