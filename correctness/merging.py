"""Several sequences of steps made one, in which each step comes after what it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]
Need = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An event of a trace: what must come before it, and what it makes possible."""

    said: Event
    """The event of the recording that it comes from."""
    event: dict[str, Any]
    needs: frozenset[Need] = frozenset()
    gives: frozenset[Need] = frozenset()


def merged(lines: Sequence[Sequence[Step]]) -> list[Step]:
    """All steps, each after what it needs, as far as anything gives it.

    The earlier lines go first where they can. Where nobody can go on, the last line does: what was
    recorded is no story then, and whoever judges it will say so.
    """
    to_come = {given for line in lines for step in line for given in step.gives}
    waiting = [list(reversed(line)) for line in lines]
    whole: list[Step] = []
    while left := [line for line in waiting if line]:
        line = next((line for line in left if not line[-1].needs & to_come), left[-1])
        step = line.pop()
        to_come -= step.gives
        whole.append(step)
    return whole
