"""Does the twin reach what TLC reaches? All states and all steps of bounded models, one for one.

TLC writes the graph of a configuration with its steps labelled by the operators of Next; the twin
searches the same scope. Both must have the same states and the same steps under the same names.
"""

import argparse
import re
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from correctness.configurations import CONFIGURATIONS, SPEC, TWINS, Configuration
from correctness.model.bounded import steps
from correctness.model.facts import facts
from correctness.model.properties import INVARIANTS, STEP_PROPERTIES
from correctness.model.state import (
    Closure,
    Entry,
    Ghost,
    Key,
    Lane,
    Letter,
    Note,
    Row,
    Scope,
    State,
    Wait,
    Want,
    start,
)
from correctness.tla_text import from_tla, to_tla
from correctness.tlc import QUICK, run_tlc

STATES_MAX: Final = 200_000
SHOWN: Final = 3
_RECORDS: Final = {
    frozenset(record._fields): record
    for record in (Entry, State, Row, Closure, Wait, Letter, Ghost, Key, Want, Note)
}
_CONSTANT: Final = re.compile(r"^ *(\w+) *= *(.+?) *$", re.MULTILINE)
_NODE: Final = re.compile(r'^(-?\d+) \[label="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_EDGE: Final = re.compile(r'^(-?\d+) -> (-?\d+) \[label="(\w+)"')
_VARIABLE: Final = re.compile(r"(?:^|\n)/\\ (\w+) = ")


class Step(NamedTuple):
    """One step: from a state, by an action, to a state."""

    before: Lane
    action: str
    after: Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What can be reached in a scope."""

    states: frozenset[Lane]
    steps: frozenset[Step]

    @property
    def actions(self) -> set[str]:
        """The actions that occur."""
        return {step.action for step in self.steps}


def walk(scope: Scope) -> Iterator[Step]:
    """Take every step of the twin, breadth first. Raise ValueError after STATES_MAX states."""
    first = start(scope)
    found, todo = {first}, deque([first])
    while todo:
        lane = todo.popleft()
        for action, after in steps(lane, scope):
            yield Step(lane, action, after)
            if after not in found:
                found.add(after)
                todo.append(after)
        if len(found) > STATES_MAX:
            raise ValueError(f"more than {STATES_MAX} states")


def explore(scope: Scope) -> Graph:
    """Answer what the twin reaches."""
    taken = frozenset(walk(scope))
    states = {start(scope)} | {step.after for step in taken}
    return Graph(states=frozenset(states), steps=taken)


def broken(scope: Scope, name: str) -> Step | None:
    """Answer the first step that breaks a property, or ends where an invariant does not hold."""
    invariant = INVARIANTS.get(name)
    for step in walk(scope):
        after = facts(step.after)
        if invariant is not None:
            holds = invariant(after, scope)
        else:
            before = facts(step.before)
            holds = step.before == step.after or STEP_PROPERTIES[name](before, after, scope)
        if not holds:
            return step
    return None


def scope_of(entry: Configuration) -> Scope:
    """Answer the scope of a configuration, from its constants."""
    names = {field.name for field in fields(Scope)}
    said = {
        _snake(name).replace("with", "with_"): from_tla(value)
        for name, value in _CONSTANT.findall(_constants(entry))
    }
    return Scope(**{name: value for name, value in said.items() if name in names})


def _constants(entry: Configuration) -> str:
    text = entry.file.read_text()
    return text[: text.index("SPECIFICATION")]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def reached_by_tlc(entry: Configuration) -> Graph:
    """Answer what TLC reaches. Raise RuntimeError when it gives no graph."""
    with tempfile.TemporaryDirectory(prefix="awa-graph-") as made:
        config, drawn = Path(made) / "graph.cfg", Path(made) / "graph.dot"
        config.write_text(f"{_constants(entry)}SPECIFICATION Spec\n")
        run = run_tlc(SPEC / "Storage.tla", config, means=QUICK, graph=drawn)
        if run.failed:
            raise RuntimeError(f"TLC gave no graph of {entry.name}:\n{run.output}")
        with drawn.open() as lines:
            return _read(lines)


def _read(lines: Iterator[str]) -> Graph:
    states: dict[str, Lane] = {}
    edges: list[tuple[str, str, str]] = []
    for line in lines:
        if edge := _EDGE.match(line):
            edges.append((edge[1], _action(edge[3]), edge[2]))
        elif node := _NODE.match(line):
            states[node[1]] = _lane(node[2])
    return Graph(
        states=frozenset(states.values()),
        steps=frozenset(Step(states[was], by, states[now]) for was, by, now in edges),
    )


def _action(label: str) -> str:
    """The name of the action that an operator of Next tries, or is."""
    return _snake(label.removeprefix("Try"))


def _lane(label: str) -> Lane:
    text = _ESCAPED.sub(lambda of: "\n" if of[1] == "n" else of[1], label)
    _, *pairs = _VARIABLE.split(text)
    return Lane(**{name: _value(of) for name, of in zip(pairs[::2], pairs[1::2], strict=True)})


@cache
def _value(text: str) -> Any:
    return from_tla(text, lambda of: _RECORDS[frozenset(of)](**of))


def lane_text(lane: Lane) -> str:
    """Write a state as TLC does, with its variables and the elements of sets in one order."""
    return "\n".join(
        f"/\\ {field.name} = {to_tla(getattr(lane, field.name))}" for field in fields(lane)
    )


def differences(twin: Graph, tlc: Graph) -> list[str]:
    """Answer what only one of two graphs has: the first few states and steps of each kind."""
    found = []
    for who, mine, theirs in (("the twin", twin, tlc), ("TLC", tlc, twin)):
        more = mine.states - theirs.states
        texts = sorted(map(lane_text, more), key=len)
        found += [f"only {who} reaches\n{text}" for text in texts[:SHOWN]]
        taken = sorted(map(_step_text, mine.steps - theirs.steps), key=len)
        found += [f"only {who} takes {text}" for text in taken[:SHOWN]]
    return found


def _step_text(step: Step) -> str:
    return f"{step.action}\nfrom\n{lane_text(step.before)}\nto\n{lane_text(step.after)}"


def compared(*, deep: bool) -> list[Configuration]:
    """Answer the configurations to compare: the small ones, or all of Storage that must hold."""
    held = (one for one in CONFIGURATIONS if one.module == "Storage" and one.breaks is None)
    return [*TWINS, *(one for one in held if deep and not one.deep)]


def main(arguments: Sequence[str]) -> int:
    """Compare what was asked for; answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m correctness.model.graph")
    parser.add_argument("names", nargs="*", help="configurations; the small ones if none is named")
    parser.add_argument("--deep", action="store_true", help="all configurations of Storage")
    options = parser.parse_args(arguments)
    known = {one.name: one for one in (*compared(deep=True), *CONFIGURATIONS)}
    wrong = 0
    for name in options.names or [one.name for one in compared(deep=options.deep)]:
        twin, tlc = explore(scope_of(known[name])), reached_by_tlc(known[name])
        told = differences(twin, tlc)
        wrong += bool(told)
        print(f"{name:<24} {len(tlc.states):>7} states {len(tlc.steps):>8} steps ", end="")
        print("the same" if not told else "\n".join(["DIFFERENT", *told]), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
