"""The page of guarantees names what is checked, where it is checked."""

import re
from typing import Final, NamedTuple

import pytest

from correctness.configurations import CONFIGURATIONS
from tests.tidy.tree import ROOT, SQL

NONE: Final = {"", "none"}


class Guarantee(NamedTuple):
    """A row of the page's second table."""

    name: str
    modules: tuple[str, ...]
    witnesses: tuple[str, ...]
    tests: tuple[str, ...]
    checked: str


PARTS: Final = (ROOT / "docs" / "guarantees.md").read_text().split("\n## ")


def _rows(title: str) -> list[list[str]]:
    (part,) = [part for part in PARTS if part.startswith(title)]
    lines = [line for line in part.splitlines() if re.match(r"\| [A-Z]\w+ \|", line)]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name.strip(" `") for name in cell.split(",") if name.strip() not in NONE)


GUARANTEES: Final = [
    Guarantee(name, _names(modules), _names(witnesses), _names(tests), checked)
    for name, modules, witnesses, tests, checked in _rows("Where it is checked")
]
CLAUSES: Final = set(
    re.findall(r"^    select '(\w+)'", (SQL / "reads" / "check.sql").read_text(), re.MULTILINE)
)
# The properties of the design; the page may have more.
REQUIRED: Final = {
    "EntryClaimedOnce",
    "ClosuresDisjoint",
    "ClosureWithinClaim",
    "OneLivePlacePerJob",
    "BodyKept",
    "OnlyOpenSettles",
    "OnlyKnownEnd",
    "FinalForGood",
    "RunLeaseGrows",
    "CursorGrows",
    "HoleSafety",
    "FifoLinearizable",
    "PruneEmpty",
    "DlqRoundTrip",
    "UniqueHeldOnce",
    "LossBound",
    "NoJobLost",
    "NoLostWakeup",
    "Drains",
    "Reclaims",
    "NoDeadlock",
}


def test_each_guarantee_is_explained_and_traced_once() -> None:
    """Guards both tables: the same properties in the same order, and none is missing."""
    names = [one.name for one in GUARANTEES]
    assert [name for name, _ in _rows("What is promised")] == names
    assert len(names) == len(set(names))
    assert set() == REQUIRED - set(names)


def test_the_page_says_which_properties_the_database_can_check() -> None:
    """Guards one name in all places: the clauses of check() are those that the page marks."""
    assert CLAUSES == {one.name for one in GUARANTEES if one.checked == "yes"}
    for one in GUARANTEES:
        assert re.fullmatch("yes|no: .+", one.checked), one.name


@pytest.mark.parametrize(
    ("name", "module"), [(one.name, module) for one in GUARANTEES for module in one.modules]
)
def test_a_guarantee_is_stated_and_checked_in_its_specification(name: str, module: str) -> None:
    """Guards the modules: the property is defined there, and a configuration asks it."""
    stated = re.search(
        rf"^{name}\s*==", (ROOT / "spec" / f"{module}.tla").read_text(), re.MULTILINE
    )
    assert stated is not None
    asked = [entry.file.read_text() for entry in CONFIGURATIONS if entry.breaks is None]
    assert any(re.search(rf"\b{name}\b", text) for text in asked)


@pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda one: one.name)
def test_a_guarantee_has_a_specification_witnesses_and_tests_that_exist(
    guarantee: Guarantee,
) -> None:
    """Guards the trace: who follows a name finds what it names, and it speaks of the property."""
    assert guarantee.modules
    assert guarantee.tests
    breaking = {entry.name: entry.breaks for entry in CONFIGURATIONS}
    for witness in guarantee.witnesses:
        assert guarantee.name == breaking.get(f"witness/{witness}"), witness
    # JobLife is the promise itself, without protections that could be taken away.
    assert guarantee.witnesses or guarantee.modules == ("JobLife",)
    for test in guarantee.tests:
        file, _, function = test.rpartition("::")
        text = (ROOT / "tests" / file).read_text()
        assert re.search(rf"^ *(?:async )?def {function}\(", text, re.MULTILINE), test
