"""Calls of producers and workers as actions of the twins.

Each function is one action: what the twins have to allow, and what the answer must say besides.
Storage lets a call do less than it could; a call that has the database for itself may not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from correctness.model import ACTIONS, Item, Lane, More, Out, Part, Spoken, State, Want, facts
from correctness.model.state import NOTHING, Seqs
from tests.fix_database import Session
from tests.fix_sql import Answers, Claimed
from tests.machine.changes import Step, appearing
from tests.machine.oracle import demand

ENDED: Final = {"settled", "failed", "dead_lettered"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One item of a settle: a receipt, and the numbers asked of it."""

    slot: int
    token: int
    part: int
    seqs: Seqs


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A claim call."""

    worker: int
    call: int
    token: int
    limit: int


def enqueue(step: Step, name: str, wants: Mapping[int, Want]) -> None:
    """Jobs were enqueued; `wants` names the unique keys that jobs ask for."""
    for number, change in step.changes.items():
        out, (taken, finals) = change.out(), change.taken()
        born = appearing(out)
        asked = frozenset(want for job, want in wants.items() if job in born)
        if born or taken:
            more = More(deferred=out.deferred, taken=taken, finals=finals, wants=asked)
            step.oracle.know(born)
            step.oracle.act(number, ACTIONS[name], out.new, more)


def claim(step: Step, call: Call, answer: Claimed) -> str:
    """A claim call, executed or repeated; answer what it was."""
    taken_before = {
        number
        for number, lane in step.oracle.lanes.items()
        if any(row.token == call.token for row in lane.claims)
    }
    if not taken_before:
        _claimed(step, call, answer)
        return "got" if answer.rows else "empty" if answer.empty else "busy"
    for number in taken_before:
        after = State(0, 0, NOTHING)
        args = (call.worker, call.call, call.token, _told(answer, number), after, True)
        step.oracle.act(number, ACTIONS["claim"], *args)
    demand({row.lane for row in answer.rows} <= taken_before, "a repeat took something")
    step.nothing()
    return "again"


def _told(answer: Claimed, number: int) -> set[Part]:
    return {Part(r.part, r.slot, frozenset(r.seqs)) for r in answer.rows if r.lane == number}


def _claimed(step: Step, call: Call, answer: Claimed) -> None:
    left = call.limit
    cut = any(facts(lane).ahead & lane.withdrawn for lane in step.oracle.lanes.values())
    demand(cut or not (step.alone and answer.busy), "busy, with nobody there")
    for number, change in sorted(step.changes.items()):  # lanes are numbered in claim order
        rows = {Part(row.part, row.slot, row.seqs) for row in change.claims}
        told = _told(answer, number)
        demand(told == {row for row in rows if row.seqs}, f"answered {told}, took {rows}")
        if step.alone:
            full = sum(len(row.seqs) for row in answer.rows) == call.limit
            _took_all(step.oracle.lanes[number], rows, left, cut=full or bool(answer.busy))
        if rows:
            args = (call.worker, call.call, call.token, rows, change.now.state, False)
            step.oracle.act(number, ACTIONS["claim"], *args)
        left -= sum(len(row.seqs) for row in rows)


def _took_all(lane: Lane, rows: set[Part], left: int, *, cut: bool) -> None:
    """Nobody else is there: everything is visible, and what is visible is taken.

    A look that withdrawn numbers fill may miss some. Then the answer says busy, or other lanes gave
    as many as were asked for: else its worker would go to sleep.
    """
    visible = facts(lane).takeable
    took = sum(len(row.seqs) for row in rows)
    what = f"took {took} of {visible}, {left} were asked for"
    demand(
        took == min(left, len(visible)) or (cut and facts(lane).ahead & lane.withdrawn),
        what,
    )


def settle(step: Step, name: str, settle_id: int, items: Sequence[Asked], told: Answers) -> None:
    """A settle: every item is answered, and every number of it once."""
    by_lane: dict[int, list[Item]] = {}
    for place, asked in enumerate(items, 1):
        words = _words(told, place)
        lane = _lane_of(step, asked)
        if not asked.seqs:
            demand(not any(words.values()), f"{asked}: {words}")
        elif "busy" in words:
            demand(not step.alone and words["busy"] == asked.seqs, f"{asked}: {words}")
        elif lane is None:
            demand(words == {"ended": asked.seqs}, f"{asked} is of no claim: {words}")
        else:
            by_lane.setdefault(lane, []).append(_item(asked, words))
    for number, change in step.changes.items():
        of = by_lane.get(number, [])
        out = change.out(frozenset(n for one in of for n in one.settled))
        if of or any(out):
            step.oracle.act(number, ACTIONS[name], settle_id, of, *_left(name, out))
    _ended_as_told(step, name, told)


def _lane_of(step: Step, asked: Asked) -> int | None:
    for number, lane in step.oracle.lanes.items():
        if facts(lane).rows_of(asked.token, asked.part):
            return number
    return None


def _words(told: Answers, place: int) -> dict[str, Seqs]:
    words: dict[str, Seqs] = {}
    for item, word, numbers in told:
        if item == place:
            demand(not words.get(word, NOTHING) & set(numbers), f"{numbers} told twice")
            words[word] = words.get(word, NOTHING).union(numbers)
    return words


def _item(asked: Asked, words: Mapping[str, Seqs]) -> Item:
    settled = frozenset(n for word in ENDED for n in words.get(word, NOTHING))
    already, stale = words.get("already", NOTHING), words.get("stale", NOTHING)
    demand(set(words) <= {*ENDED, "already", "stale"}, f"{asked}: {words}")
    return Item(asked.token, asked.part, settled, asked.seqs, already, stale)


def _left(name: str, out: Out) -> tuple[object, ...]:
    """What the action is told of the jobs: completed ones leave nothing, released ones entries."""
    if name == "complete":
        demand(not any(out), f"a completed job left {out}")
        return ()
    demand(name != "release" or not any(out[1:]), f"a released job left {out}")
    return (out.new,) if name == "release" else (out,)


def _ended_as_told(step: Step, name: str, told: Answers) -> None:
    """Dead letters are told, and to a retry, jobs that have no attempt left."""
    outs = [change.out() for change in step.changes.values()]
    failed = sum(len(out.finals) for out in outs) if name == "retry" else 0
    dead = sum(len(out.dead) for out in outs)
    for word, count in (("failed", failed), ("dead_lettered", dead)):
        said = sum(len(numbers) for _, which, numbers in told if which == word)
        demand(said == count, f"{word} was said of {said}, and {count} rows were written")


NOTE: Final = (
    "select n.answer from awa.note_progress(1, %s::bigint[], %s::smallint[], %s::bigint[],"
    " %s::int[], %s::jsonb[]) n order by n.item"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What an attempt says of its progress: a percentage, under the number of a note."""

    token: int
    part: int
    seq: int
    note: int
    percent: int


def note(session: Session, sayings: Sequence[Saying]) -> list[str]:
    """Say all of this in one call; answer what was answered."""
    columns = (
        [one.token for one in sayings],
        [one.part for one in sayings],
        [one.seq for one in sayings],
        [one.note for one in sayings],
        [f'{{"percent": {one.percent}}}' for one in sayings],
    )
    return [answer for (answer,) in session.execute(NOTE, columns).fetchall()]


def note_progress(step: Step, sayings: Sequence[Saying], told: Sequence[str]) -> str:
    """Attempts said how far they are; answer what was answered."""
    by_lane: dict[int, set[Spoken]] = {}
    for one, answer in zip(sayings, told, strict=True):
        asked = Asked(slot=0, token=one.token, part=one.part, seqs=frozenset({one.seq}))
        lane = _lane_of(step, asked)
        if answer == "busy":
            demand(not step.alone, f"{one}: busy, with nobody there")
        elif lane is None:
            demand(answer == "stale", f"{one} is of no claim: {answer}")
        else:
            said = Spoken(one.token, one.part, one.seq, one.note, one.percent, answer)
            by_lane.setdefault(lane, set()).add(said)
    for number, said_there in by_lane.items():
        step.oracle.act(number, ACTIONS["note_progress"], said_there)
    return "+".join(sorted(set(told)))


def heartbeat(
    step: Step, worker: int, upto: int, named: frozenset[int], answer: tuple[str, int]
) -> None:
    """A heartbeat, and what it released."""
    word, released = answer
    demand(step.closed() == released, f"released {released}, closed {step.closed()}")
    for number, change in step.changes.items():
        args = (worker, upto, named, word, change.closed, change.lost())
        step.oracle.act(number, ACTIONS["heartbeat"], *args)


def rescue_worker(step: Step, worker: int, answer: tuple[str, int, int, int]) -> None:
    """A worker was given up, if it was."""
    word, released, ended, _ = answer
    demand(step.closed() == released + ended, f"{answer}, closed {step.closed()}")
    for number, change in step.changes.items() if word == "gone" else ():
        args = (worker, word, change.closed, change.lost())
        step.oracle.act(number, ACTIONS["rescue_worker"], *args)


def holds_nothing(step: Step, worker: int) -> None:
    """Demand that a worker without a row has no open attempt any more."""
    for number, lane in step.oracle.lanes.items():
        held = [r for r in lane.claims if r.worker == worker and facts(lane).open_of(r)]
        demand(not held, f"lane {number}: {worker} was rescued and still holds {held}")


def rescue_deadline(step: Step, answer: tuple[int, int, int]) -> None:
    """Attempts past their deadline ended."""
    demand(step.closed() == answer[0] + answer[1], f"{answer}, closed {step.closed()}")
    for number, change in step.changes.items():
        if change.closed:
            args = (change.closed, change.lost())
            step.oracle.act(number, ACTIONS["rescue_deadline"], *args)
