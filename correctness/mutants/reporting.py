"""The page of who caught what: a hunt of some mutants renews their rows, and leaves the others'."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from correctness.configurations import CONFIGURATIONS
from correctness.mutants.attacks import ATTACKS, NOT_IN_THE_SQL
from correctness.mutants.every import MUTANTS
from correctness.mutants.hunting import Hunt

SURVIVORS: Final[dict[str, str]] = {
    "PruneAtOnceOrNever": "a prune that waits 1 ms instead of 30 gives the same answers, and under"
    " load nearly always `busy`; how often is a measurement, and nothing is broken by it"
}
"""Mutants that nothing notices, each with the reason; at most three."""

NOBODY: Final = "nobody"
_TAKEN_AWAY: Final = re.compile(r"(?m)^\s*(?:Bare|Off|Rule) = (.+)$")
SPECS: Final = "## The specification's own mutants"
_CELLS: Final = 6

_HEAD: Final = """\
# Mutants of the SQL

Written by `make sql-mutants`. Each mutant is the SQL of an installation with one thing wrong. It is
installed in throw-away databases and hunted by the tests named for it, until one of them notices:

* `schedule`: the interleaving of `tests/schedules/` that is played through gates;
* `test`: an ordinary test below `tests/`;
* `check`: `awa.check()`, which looks at the tables when a test has ended;
* `replay`: the specification, which rejects the trace of a test;
* `machine`: the random walk of the state machine.

Only the first to notice is named; those behind it were not asked. The same tests hunted the SQL as
it is first, and found nothing; one that met a mistake of the mutant, such as a column that is not
there, has not noticed it. Tests of the schema's text are
never asked: they would notice every mutant.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Who caught a mutant, and what they saw."""

    by: str
    saw: str


Outcomes = Mapping[str, Outcome]


def outcome(done: Hunt) -> Outcome:
    """What the page says of a hunt."""
    if done.failure is None:
        return Outcome(by=NOBODY, saw="")
    return Outcome(by=done.failure.catcher, saw=done.failure.saw)


def read_outcomes(page: str) -> dict[str, Outcome]:
    """What a page says of the mutants there are."""
    names = {mutant.name for mutant in MUTANTS}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    return {
        row[0]: Outcome(by=row[4], saw=row[5])
        for row in rows
        if len(row) == _CELLS and row[0] in names
    }


def written(outcomes: Outcomes) -> str:
    """The whole page."""
    parts = (_counts(outcomes), _table(outcomes), _survivors(outcomes), _attacks(), _specs())
    return "\n".join([_HEAD, *(line for part in parts for line in part)])


def _counts(outcomes: Outcomes) -> Iterable[str]:
    caught = Counter(found.by for found in outcomes.values())
    of = Counter(action for mutant in MUTANTS for action in mutant.actions)
    kinds = Counter(str(mutant.kind) for mutant in MUTANTS)
    yield f"{len(MUTANTS)} mutants. Caught by: {_listed(caught)}."
    yield ""
    yield f"By kind: {_listed(kinds)}."
    yield ""
    yield f"By action (a mutant may be part of several): {_listed(of)}."
    yield ""


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _table(outcomes: Outcomes) -> Iterable[str]:
    yield "| mutant | kind | actions | attack | caught by | what it saw |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for mutant in MUTANTS:
        found = outcomes[mutant.name]
        cells = (mutant.name, mutant.kind, ", ".join(mutant.actions), mutant.attack)
        yield f"| {' | '.join(cells)} | {found.by} | {found.saw} |"
    yield ""


def _survivors(outcomes: Outcomes) -> Iterable[str]:
    yield "## Survivors"
    yield ""
    alive = [name for name, found in outcomes.items() if found.by == NOBODY]
    yield from (f"* {name}: {SURVIVORS.get(name, 'no reason is known')}." for name in alive)
    if not alive:
        yield "None."
    yield ""


def _attacks() -> Iterable[str]:
    yield "## What broke earlier designs"
    yield ""
    yield "| attack | what happened | mutants that do it again |"
    yield "| --- | --- | --- |"
    for attack, what in ATTACKS.items():
        again = ", ".join(mutant.name for mutant in MUTANTS if mutant.attack == attack)
        yield f"| {attack} | {what} | {again or f'none: {NOT_IN_THE_SQL[attack]}'} |"
    yield ""


def _specs() -> Iterable[str]:
    yield SPECS
    yield ""
    yield "Each witness is a configuration of `make model-check` that takes one protection away and"
    yield "must break the property it names."
    yield ""
    yield "| module | witnesses | protections they take away |"
    yield "| --- | --- | --- |"
    witnesses: Counter[str] = Counter()
    taken: dict[str, set[str]] = defaultdict(set)
    for entry in CONFIGURATIONS:
        if entry.name.startswith("witness/"):
            witnesses[entry.module] += 1
            for names in _TAKEN_AWAY.findall(entry.file.read_text()):
                taken[entry.module] |= set(re.findall(r"\w+", names))
    for module, count in witnesses.items():
        yield f"| {module} | {count} | {len(taken[module])} |"
    yield f"| all | {witnesses.total()} | {sum(map(len, taken.values()))} |"
    yield ""
