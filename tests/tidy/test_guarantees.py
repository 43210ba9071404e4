"""The page of guarantees names what is checked, where it is checked."""

import re
from typing import Final

import pytest

from tests.tidy.tree import ROOT, SQL

ROWS: Final = [
    tuple(cell.strip() for cell in line.split("|")[1:5])
    for line in (ROOT / "docs" / "guarantees.md").read_text().splitlines()
    if re.match(r"\| [A-Z]\w+ \|", line)
]
CHECKED: Final = set(
    re.findall(r"^    select '(\w+)'", (SQL / "reads" / "check.sql").read_text(), re.MULTILINE)
)


def test_the_page_says_which_properties_the_database_can_check() -> None:
    """Guards one name in all places: the clauses of check() are those that the page marks."""
    assert CHECKED == {name for name, _, _, checked in ROWS if checked}


@pytest.mark.parametrize(
    ("name", "module"),
    [(name, module) for name, _, modules, _ in ROWS for module in modules.split(", ") if module],
)
def test_a_guarantee_is_stated_and_checked_in_its_specification(name: str, module: str) -> None:
    """Guards the column of modules: the property is defined there, and a configuration asks it."""
    stated = re.search(
        rf"^{name}\s*==", (ROOT / "spec" / f"{module}.tla").read_text(), re.MULTILINE
    )
    assert stated is not None
    configurations = [path.read_text() for path in (ROOT / "spec").glob("*.cfg")]
    assert any(re.search(rf"\b{name}\b", text) for text in configurations)
