"""Covering the graph of one scope: on a database of its own, and saying what was covered."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from correctness.edges.freedom import reachable
from correctness.edges.ground import Ground
from correctness.edges.walking import Covered, Walker
from correctness.model import Lane, Scope, start
from correctness.model.graph import Graph, Step, explore

NewDatabase = Callable[[], str]
"""Answers the connection string of a new database with the schema and nothing else."""

BEHIND: Final = "only from states behind these"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a graph has, and what of it was driven."""

    graph: Graph
    due: frozenset[Step]
    """The steps that the SQL can take."""
    never: dict[Step, str]
    """The steps that Storage allows and the SQL never takes, with the reason."""
    covered: Covered

    @property
    def missed(self) -> frozenset[Step]:
        """Steps that should have been driven, and were not."""
        return self.due - self.covered.steps

    @property
    def against(self) -> dict[Step, str]:
        """Steps that were driven though a reason says that they never are."""
        return {step: why for step, why in self.never.items() if step in self.covered.steps}

    @property
    def complete(self) -> bool:
        """Whether exactly what is due was driven."""
        return not self.missed and not self.against

    @property
    def reasons(self) -> Counter[str]:
        """How many steps are not driven, by reason."""
        behind = len(self.graph.steps) - len(self.due) - len(self.never)
        return Counter(self.never.values()) + Counter({BEHIND: behind})

    def per_action(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Answer of each action: its edges, those due, those covered, and calls."""
        kinds = (self.graph.steps, self.due, self.due & self.covered.steps)
        edges, due, covered = (Counter(step.action for step in kind) for kind in kinds)
        for action in sorted(edges):
            yield action, edges[action], due[action], covered[action], self.covered.played[action]


def cover(scope: Scope, new_database: NewDatabase) -> Report:
    """Drive the SQL along the graph of a scope. Raise Strayed where they part."""
    graph = explore(scope)
    covered = Covered()
    _cover_births(scope, graph.states, covered, new_database)
    with _ground(new_database(), scope, born=True) as ground:
        walker = Walker(ground, graph.states, covered)
        ground.begin_afresh()
        while walker.one_path():
            ground.begin_afresh()
    due, never = reachable(graph, start(scope))
    return Report(graph=graph, due=due, never=never, covered=covered)


def _cover_births(
    scope: Scope, states: frozenset[Lane], covered: Covered, new_database: NewDatabase
) -> None:
    """A lane is never unmade, so each birth takes a database."""
    more = True
    while more:
        with _ground(new_database(), scope, born=False) as ground:
            ground.begin()
            more = Walker(ground, states, covered).one_path()


@contextmanager
def _ground(conninfo: str, scope: Scope, *, born: bool) -> Iterator[Ground]:
    ground = Ground(conninfo, scope, born=born)
    try:
        yield ground
    finally:
        ground.close()
