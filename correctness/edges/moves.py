"""What can be asked of the SQL in a state of one job's lane: every call, and what stands beside it.

A move is one call of a function, or one step of the world. Where Storage leaves a choice, the
circumstances that make the SQL choose are part of the move: how much a claim asks for, whose
transactions are open meanwhile, whether the queue keeps dead letters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from correctness.model import Lane, Scope, facts
from correctness.model.facts import Facts
from correctness.model.state import NOTHING, Seqs
from correctness.model.tried import subsets

Beside = Literal["anybody", "nobody", "an appender", "an elder"]
"""Who is there while a claim looks, when it matters: beyond those who hold numbers, nobody who may
still append; somebody who began just now; or besides, somebody with a transaction from before
everything else, so that by xids nothing is known to have ended."""

SETTLES: Final = {
    "complete": None,
    "release": "release",
    "retry": "retry",
    "snooze": "snooze",
    "fail": "fail",
    "cancel_running": "cancel",
}
"""Each settle with the part of a scope that tries it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A call, or a step of the world, with its circumstances."""

    action: str
    number: int = 0
    """The number that it appends under: one drawn before. 0 for a call that appends nothing."""
    token: int = 0
    part: int = 0
    limit: int = 0
    beside: Beside = "anybody"
    overtaken: bool = False
    """The claiming worker stops after the claim has looked and before it commits."""
    later: bool = False
    dead_letters: bool = False
    slot: int = -1
    """The slot that is turned to, emptied or evacuated, or that a number is appended in."""
    numbers: Seqs = NOTHING
    """Drawn numbers whose transactions roll back; the attempt that says something."""
    note: int = 0
    """The number of what an attempt says of its progress."""


def moves(lane: Lane, scope: Scope) -> Iterator[Move]:
    """Answer the moves of a state, those that change nothing first."""
    yield _plain("worker_start")
    if scope.has("stop"):
        yield _plain("worker_stop")
    if not lane.born:
        yield _plain("ensure_lane")
        return
    seen = facts(lane)
    yield from _settling(seen, scope)
    yield from _claiming(seen, scope)
    yield from _noting(seen, scope)
    yield from _giving_up(seen, scope)
    yield from _waiting(seen, scope)
    yield from _ended(seen, scope)
    yield from _turning(seen, scope)
    yield from _drawing(lane, scope)
    yield from _enqueuing(seen, scope)


def is_still(move: Move, lane: Lane) -> bool:
    """Whether a move surely changes nothing: it is played before those that lead elsewhere."""
    if move.action == "worker_start":
        return bool(lane.workers)
    if move.action == "worker_stop":
        return not lane.workers
    if move.action in SETTLES:
        return not facts(lane).open(move.token, move.part)
    if move.action == "note_progress":
        return not move.numbers & facts(lane).open(move.token, move.part)
    return move.action == "claim" and move.beside == "anybody"


def _plain(action: str) -> Move:
    return Move(action=action)


def _drawing(lane: Lane, scope: Scope) -> Iterator[Move]:
    if lane.last < scope.seq_max:
        yield _plain("env_draw")
    if scope.has("rollback"):
        yield from (Move(action="env_rollback", numbers=n) for n in subsets(lane.fly) if n)


def _appending(
    seen: Facts, scope: Scope, action: str, *, token: int = 0, part: int = 0
) -> Iterator[Move]:
    """Under each number that was drawn; into each slot, since the hint may be an old one."""
    for number, slot in product(sorted(seen.lane.fly), sorted(scope.slots)):
        yield Move(action=action, number=number, token=token, part=part, slot=slot)


def _enqueuing(seen: Facts, scope: Scope) -> Iterator[Move]:
    if not all(map(seen.known, scope.jobs)):
        yield from _appending(seen, scope, "enqueue")
        if scope.has("delay"):
            yield Move(action="enqueue", later=True)


def _claiming(seen: Facts, scope: Scope) -> Iterator[Move]:
    lane = seen.lane
    if not lane.workers:
        return
    taken = {row.token for row in lane.claims}
    yield from (Move(action="claim", token=token, limit=1) for token in sorted(taken))
    besides: tuple[Beside, ...] = ("an elder", "an appender", "nobody")
    for token in sorted(scope.tokens - taken):
        if not seen.ahead:
            yield Move(action="claim", token=token, limit=1)
            continue
        for overtaken in (True, False) if scope.has("stop") else (False,):
            for beside in besides:
                for limit in range(1, len(seen.ahead) + 1 + bool(lane.holes)):
                    yield Move(
                        action="claim",
                        token=token,
                        limit=limit,
                        beside=beside,
                        overtaken=overtaken,
                    )


def _letters(scope: Scope, move: Move) -> Iterator[Move]:
    """A job that fails ends as its queue has it."""
    yield move
    if scope.has("dlq"):
        yield Move(action=move.action, token=move.token, part=move.part, dead_letters=True)


def _settling(seen: Facts, scope: Scope) -> Iterator[Move]:
    receipts = sorted({(row.token, row.part) for row in seen.lane.claims})
    for (token, part), (action, needs) in (
        (receipt, settle) for receipt in receipts for settle in SETTLES.items()
    ):
        if (needs and not scope.has(needs)) or not seen.taken_by(token, part):
            continue
        plain = Move(action=action, token=token, part=part)
        still = seen.open(token, part)
        ends = action == "fail" or (
            action == "retry" and any(seen.exhausted(n, scope) for n in still)
        )
        if still and action == "release":
            yield from _appending(seen, scope, action, token=token, part=part)
        elif still and ends:
            yield from _letters(scope, plain)
        else:
            yield plain


def _noting(seen: Facts, scope: Scope) -> Iterator[Move]:
    """Attempts, those that have ended too, say how far they are."""
    attempts = [(row, number) for row in seen.lane.claims for number in row.seqs]
    for (row, number), note in product(attempts if scope.has("note") else (), (1, 2)):
        numbers = frozenset({number})
        yield Move(
            action="note_progress", token=row.token, part=row.part, numbers=numbers, note=note
        )


def _giving_up(seen: Facts, scope: Scope) -> Iterator[Move]:
    """Open attempts that are lost, or past their deadline."""
    for number in seen.open_now:
        if scope.has("beat") and seen.lane.workers:
            yield from _losing(seen, scope, "heartbeat", number)
        if scope.has("rescue"):
            yield from _losing(seen, scope, "rescue_worker", number)
        if scope.has("deadline") and seen.exhausted(number, scope):
            yield from _letters(scope, _plain("rescue_deadline"))
        elif scope.has("deadline"):
            yield _plain("rescue_deadline")


def _losing(seen: Facts, scope: Scope, action: str, number: int) -> Iterator[Move]:
    """The first loss comes back at once, under a new number; the last ends the job."""
    if seen.spent(number, scope):
        yield from _letters(scope, _plain(action))
    elif seen.entry_of(number).losses:
        yield _plain(action)
    else:
        yield from _appending(seen, scope, action)


def _waiting(seen: Facts, scope: Scope) -> Iterator[Move]:
    if seen.lane.deferred:
        yield from _appending(seen, scope, "promote")
    waits = seen.lane.deferred or any(map(seen.pending_seqs, scope.jobs))
    if waits and scope.has("cancel"):
        yield _plain("cancel_pending")


def _ended(seen: Facts, scope: Scope) -> Iterator[Move]:
    lane = seen.lane
    if lane.finals and scope.has("dlq"):
        yield _plain("dlq_move")
    if (lane.finals or lane.dead) and scope.has("retire"):
        yield _plain("retire")
    if lane.dead and scope.has("dlq"):
        yield _plain("dlq_purge")
        yield from _appending(seen, scope, "dlq_retry")
        if scope.has("delay"):
            yield Move(action="dlq_retry", later=True)


def _turning(seen: Facts, scope: Scope) -> Iterator[Move]:
    if not scope.has("ring"):
        return
    for slot in sorted(scope.slots):
        here = bool(seen.in_slot(slot) or seen.claims_in(slot))
        if slot != seen.lane.ring and not here:
            yield Move(action="rotate", slot=slot)
        if here:
            yield Move(action="prune", slot=slot)
        if slot != seen.lane.ring and seen.live(slot) and scope.has("evacuate"):
            yield Move(action="evacuate", slot=slot)
