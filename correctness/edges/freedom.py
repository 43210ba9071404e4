"""Choices that Storage leaves and the SQL never takes: edges that nobody can drive, by name.

Storage says what a call may do, and the SQL does one of these things. Each reason here is a rule
about one step; a step that fits none must be driven, and a step that was driven must fit none. What
lies behind such edges only is not reached by the SQL either.
"""

from collections import deque
from typing import Final

from correctness.model import Lane, facts
from correctness.model.graph import Graph, Step

LOSSES: Final = "the first loss comes back at once, every later one waits"
AS_SEEN: Final = "a claim takes the first numbers it sees, and its cursor passes these alone"
SEEN_IS_NO_HOLE: Final = "a claim leaves no hole where it saw an entry"
ALL_OR_NONE: Final = "of the numbers it passes, a claim forgets all, or none while some may appear"
EMPTY_STAYS: Final = "an empty slot stays current"


def why_not(step: Step) -> str | None:
    """Answer why the SQL never takes a step; None when it does."""
    if step.action in {"heartbeat", "rescue_worker"}:
        return _losing(step)
    if step.action == "claim":
        return _claiming(step)
    if step.action == "rotate":
        seen = facts(step.before)
        here = step.before.ring
        return None if seen.in_slot(here) or seen.claims_in(here) else EMPTY_STAYS
    return None


def _losing(step: Step) -> str | None:
    before, after = step.before, step.after
    lost = [facts(before).entry_of(n) for n in facts(before).open_now - facts(after).open_now]
    again = after.entries != before.entries
    waits = after.deferred != before.deferred
    return LOSSES if any(waits if not x.losses else again for x in lost) else None


def _claiming(step: Step) -> str | None:
    before, after = step.before, step.after
    seen = facts(before)
    ahead = sorted(seen.ahead)
    got = facts(after).claimed - seen.claimed
    looks = [frozenset(ahead[:limit]) for limit in range(1, len(ahead) + 1)]
    fits = [
        look
        for look in looks
        if got == look - before.withdrawn and after.next == max(before.next, max(look) + 1)
    ]
    if not fits:
        return AS_SEEN
    if all(after.holes & look for look in fits):
        return SEEN_IS_NO_HOLE
    passed = frozenset(range(before.next, after.next)) - seen.written
    forgotten = passed - after.holes
    old = before.holes & after.holes - before.fly
    return ALL_OR_NONE if forgotten and (forgotten != passed or before.fly or old) else None


def reachable(graph: Graph, first: Lane) -> tuple[frozenset[Step], dict[Step, str]]:
    """Answer the steps that the SQL can take, and those that it could and never does, with why."""
    by_state: dict[Lane, list[Step]] = {}
    for step in graph.steps:
        by_state.setdefault(step.before, []).append(step)
    found, todo = {first}, deque([first])
    taken: set[Step] = set()
    never: dict[Step, str] = {}
    while todo:
        for step in by_state.get(todo.popleft(), ()):
            why = why_not(step)
            if why is not None:
                never[step] = why
                continue
            taken.add(step)
            if step.after not in found:
                found.add(step.after)
                todo.append(step.after)
    return frozenset(taken), never
