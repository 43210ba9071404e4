"""Walking a graph until every move of every state was played, from a new start whenever stuck.

What a move leads to is known once it was played. A path goes to the nearest state that has moves
left, plays them, and goes on; when no such state can be reached any more, the next path begins.
"""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from correctness.edges.ground import Ground
from correctness.edges.moves import Move, is_still, moves
from correctness.edges.playing import Play
from correctness.model import Lane
from correctness.model.graph import Step


@dataclass(slots=True, kw_only=True)
class Covered:
    """What was driven so far."""

    steps: set[Step] = field(default_factory=set)
    paths: int = 0
    played: Counter[str] = field(default_factory=Counter)
    """How often each action was called, repeats on the way to somewhere included."""
    longest: int = 0
    left: dict[Lane, list[Move]] = field(default_factory=dict)
    """The moves that were not played yet, of the states that were come to."""
    leads: dict[Lane, dict[Move, Lane]] = field(default_factory=dict)
    """Where moves led."""


class Strayed(AssertionError):
    """The SQL and its twin part, or lead where the graph does not: the message has the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A state, and whether the elder is still there: once it has gone, it cannot come back."""

    lane: Lane
    elder: bool

    def after(self, move: Move, lane: Lane) -> "_Place":
        gone = move.beside in {"nobody", "an appender"}
        return _Place(lane=lane, elder=self.elder and not gone)


class Walker:
    """Walks on one ground; what is covered is kept for all grounds."""

    def __init__(self, ground: Ground, states: frozenset[Lane], covered: Covered) -> None:
        self._ground: Final = ground
        self._play: Final = Play(ground)
        self._states: Final = states
        self._covered: Final = covered
        self._path: list[Move] = []

    @property
    def here(self) -> Lane:
        """Answer the state that the path has come to."""
        return self._ground.oracle.lane

    def one_path(self) -> bool:
        """Play until no moves can be reached; answer whether there were any."""
        self._path = []
        way = self._way()
        if way is None:
            return False
        self._covered.paths += 1
        while way is not None:
            for move in way:
                self._step(move)
            way = self._way()
        self._ground.check()
        self._covered.longest = max(self._covered.longest, len(self._path))
        return True

    def _todo(self, lane: Lane) -> list[Move]:
        """The moves left in a state, the next one last."""
        if lane not in self._covered.left:
            self._covered.left[lane] = sorted(
                moves(lane, self._ground.scope),
                key=lambda move: (is_still(move, lane), move.beside == "an elder"),
            )
        return self._covered.left[lane]

    def _next(self, place: _Place) -> Move | None:
        """A move that is left, and can be played on this path."""
        if place.lane.born != self._ground.born:
            return None
        fit = (m for m in reversed(self._todo(place.lane)) if place.elder or m.beside != "an elder")
        return next(fit, None)

    def _way(self) -> list[Move] | None:
        """The moves up to the nearest one that is left, and this one; None when there is none."""
        first = _Place(lane=self.here, elder=self._ground.elder_there)
        ways: dict[_Place, tuple[_Place, Move] | None] = {first: None}
        todo = deque([first])
        while todo:
            place = todo.popleft()
            move = self._next(place)
            if move is not None:
                return [*list(_back(ways, place))[::-1], move]
            for known, after in self._covered.leads.get(place.lane, {}).items():
                there = place.after(known, after)
                if there not in ways and (place.elder or known.beside != "an elder"):
                    ways[there] = (place, known)
                    todo.append(there)
        return None

    def _step(self, move: Move) -> None:
        before, taken = self.here, self._ground.oracle.taken
        began = len(taken)
        self._path.append(move)
        try:
            self._play.play(move)
        except Exception as error:
            raise Strayed(self._told(before)) from error
        self._covered.leads.setdefault(before, {})[move] = self.here
        with suppress(ValueError):
            self._todo(before).remove(move)
        self._covered.played[move.action] += 1
        for step in taken[began:]:
            self._covered.steps.add(step)
            if step.after not in self._states:
                raise Strayed(f"out of the graph\n{self._told(before)}")

    def _told(self, before: Lane) -> str:
        path = "\n".join(f"  {move}" for move in self._path)
        return f"after the moves\n{path}\nwhere the last began at\n{before}"


def _back(ways: dict[_Place, tuple[_Place, Move] | None], place: _Place) -> Iterator[Move]:
    came = ways[place]
    while came is not None:
        place, move = came
        yield move
        came = ways[place]
