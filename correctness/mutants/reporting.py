"""The page of who caught what: a hunt of some mutants renews their rows, and leaves the others'."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from correctness.configurations import CONFIGURATIONS
from correctness.mutants.attacks import ATTACKS, NOT_IN_THE_SQL
from correctness.mutants.catching import CATCHERS, Catcher
from correctness.mutants.every import MUTANTS
from correctness.mutants.hunting import Seen

SURVIVORS: Final[dict[str, str]] = {
    "PruneAtOnceOrNever": "a prune that waits 1 ms instead of 30 gives the same answers, and under"
    " load nearly always `busy`; how often is a measurement, and nothing is broken by it"
}
"""Mutants that nothing notices, each with the reason; at most three."""

_TAKEN_AWAY: Final = re.compile(r"(?m)^\s*(?:Bare|Off|Rule) = (.+)$")
SPECS: Final = "## The specification's own mutants"
_SAW_NOTHING: Final = "-"
_NOT_HUNTED: Final = "?"
_FIRST_CATCHER: Final = 4
_CELLS: Final = _FIRST_CATCHER + len(CATCHERS)

_HEAD: Final = """\
# Mutants of the SQL

Written by `make sql-mutants`. Each mutant is the SQL of an installation with one thing wrong. It is
installed in throw-away databases, and hunted by five catchers that know nothing of each other:

* `test`: the ordinary tests that are named for it, by an assertion of their own; for the mutants of
  schedules, those of their actions;
* `schedule`: an interleaving of `tests/schedules/`, played through gates. A mutant of a schedule is
  shown to its own, any other to all that drive one of its actions;
* `replay`: no test. The stories of `traces/accepted/` are told on the mutant, and the schedules of
  before as well; the Python twin of the specification judges what was recorded;
* `check`: no test either. `awa.check()` looks at the tables behind each story and schedule, and
  behind the named tests;
* `property`: the state machine plays a few examples against the twin, always the same.

A cell says what a catcher saw: the test, the property that is broken, the guard of the
specification that forbids it, or the field or table that differs. `-` is a catcher that was
asked and saw nothing; an empty cell one that could not: stories and machine know the actions of
Storage only, and schedules are of some of them. The same catchers hunted the SQL as it is first,
and found nothing; a test that met a mistake of the mutant, such as a column that is not there, has
not noticed it. Tests of the schema's text are never asked: they would notice every mutant.
"""

Outcomes = Mapping[str, Seen]
"""What is known of each mutant that was hunted."""


def read_outcomes(page: str) -> dict[str, Seen]:
    """What a page says of the mutants there are."""
    names = {mutant.name for mutant in MUTANTS}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    return {
        row[0]: {
            catcher: "" if cell == _SAW_NOTHING else cell
            for catcher, cell in zip(CATCHERS, row[_FIRST_CATCHER:], strict=True)
            if cell
        }
        for row in rows
        if len(row) == _CELLS and row[0] in names and row[-1] != _NOT_HUNTED
    }


def written(outcomes: Outcomes) -> str:
    """The whole page."""
    parts = (_counts(outcomes), _table(outcomes), _survivors(outcomes), _attacks(), _specs())
    return "\n".join([_HEAD, *(line for part in parts for line in part)])


def caught_by(seen: Seen) -> list[Catcher]:
    """Who noticed."""
    return [catcher for catcher, saw in seen.items() if saw]


def _counts(outcomes: Outcomes) -> Iterable[str]:
    of = Counter(action for mutant in MUTANTS for action in mutant.actions)
    kinds = Counter(str(mutant.kind) for mutant in MUTANTS)
    nobody = sum(not caught_by(seen) for seen in outcomes.values())
    yield f"{len(MUTANTS)} mutants, {len(outcomes)} hunted, caught by nobody: {nobody}."
    yield ""
    yield "| catcher | was asked of | caught | alone |"
    yield "| --- | --: | --: | --: |"
    for catcher in CATCHERS:
        asked = sum(catcher in seen for seen in outcomes.values())
        caught = sum(bool(seen.get(catcher)) for seen in outcomes.values())
        alone = sum(caught_by(seen) == [catcher] for seen in outcomes.values())
        yield f"| {catcher} | {asked} | {caught} | {alone} |"
    without = sum(bool(set(caught_by(seen)) - {"test"}) for seen in outcomes.values())
    yield ""
    yield f"Without any ordinary test {without} would be caught."
    yield ""
    yield f"By kind: {_listed(kinds)}."
    yield ""
    yield f"By action (a mutant may be part of several): {_listed(of)}."
    yield ""


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _table(outcomes: Outcomes) -> Iterable[str]:
    yield f"| mutant | kind | actions | attack | {' | '.join(CATCHERS)} |"
    yield "|" + " --- |" * _CELLS
    for mutant in MUTANTS:
        said = (mutant.name, mutant.kind, ", ".join(mutant.actions), mutant.attack)
        yield f"| {' | '.join([*said, *_cells(outcomes.get(mutant.name))])} |"
    yield ""


def _cells(seen: Seen | None) -> list[str]:
    if seen is None:
        return [_NOT_HUNTED] * len(CATCHERS)
    return [(seen[one] or _SAW_NOTHING) if one in seen else "" for one in CATCHERS]


def _survivors(outcomes: Outcomes) -> Iterable[str]:
    yield "## Survivors"
    yield ""
    alive = [m.name for m in MUTANTS if m.name in outcomes and not caught_by(outcomes[m.name])]
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
