"""The page of spec mutants: a row for each, and why those live that do."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from correctness.spec_mutants.mutant import Mutant

NOBODY: Final = "nobody"
SURVIVORS: Final[dict[str, str]] = {}
"""Mutants that nothing notices, each with the reason."""

_CELLS: Final = 5
_SHOWN: Final = 60
_HEAD: Final = """\
# Mutants of the specification

Written by `make spec-mutants`. Each mutant is `spec/Storage.tla` with one thing dropped or changed,
found in its text: `guard`, one guard of an action or one conjunct of it; `guards`, all guards that
several actions share, in one of them; `effect`, a variable that stays as it was; `change`, a
variable that gets something else.

It is caught by a property that breaks in a small bounded model (`evaluation`: TLC cannot evaluate
it any more), where wrong arguments are tried of what was dropped; or else by a story of `traces/`,
which the mutant judges otherwise than the specification. What only forbids something breaks no
property, and may fit all stories: it is caught by a probe, which says what the models do not reach
any more. The first to notice is named.
"""


def read_outcomes(page: str, mutants: Iterable[Mutant]) -> dict[str, str]:
    """What a page says of the mutants there are: who caught each."""
    names = {mutant.name for mutant in mutants}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    return {row[0]: row[4] for row in rows if len(row) == _CELLS and row[0] in names}


def written(mutants: Sequence[Mutant], text: str, outcomes: Mapping[str, str]) -> str:
    """The whole page; `text` is that of the module."""
    free = [mutant.name for mutant in mutants if outcomes[mutant.name] == NOBODY]
    return "\n".join(
        [
            _HEAD,
            *_counts(mutants, outcomes),
            "| mutant | kind | instead of | stands | caught by |",
            "| --- | --- | --- | --- | --- |",
            *(_row(mutant, text, outcomes[mutant.name]) for mutant in mutants),
            "",
            "## Survivors",
            "",
            *(f"* {name}: {SURVIVORS.get(name, 'no reason is known')}." for name in free),
            *([] if free else ["None."]),
            "",
        ]
    )


def _counts(mutants: Sequence[Mutant], outcomes: Mapping[str, str]) -> Iterable[str]:
    by = Counter(_kind_of_catcher(outcomes[mutant.name]) for mutant in mutants)
    of: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for mutant in mutants:
        of[mutant.kind]["all"] += 1
        of[mutant.kind]["caught"] += outcomes[mutant.name] != NOBODY
    yield f"{len(mutants)} mutants. Caught by: {_listed(by)}."
    yield ""
    kinds = (f"{kind} {count['caught']} of {count['all']}" for kind, count in of.items())
    yield f"Caught by kind: {', '.join(kinds)}."
    yield ""
    catchers = [outcomes[mutant.name] for mutant in mutants]
    names = Counter(by for by in catchers if _kind_of_catcher(by) == "a property")
    yield f"By property: {_listed(names)}."
    yield ""


def _kind_of_catcher(by: str) -> str:
    if by == NOBODY:
        return by
    if "/" in by:
        return "a story"
    return "a probe" if by.endswith("Probe") else "a property"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _row(mutant: Mutant, text: str, by: str) -> str:
    old, new = (_short(what) for what in (text[mutant.begin : mutant.end], mutant.new))
    return f"| {mutant.name} | {mutant.kind} | {old} | {new} | {by} |"


def _short(formula: str) -> str:
    line = " ".join(formula.split()).replace("|", "¦")
    return f"`{line if len(line) <= _SHOWN else line[: _SHOWN - 1] + '…'}`"
