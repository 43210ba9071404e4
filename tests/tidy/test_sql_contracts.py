"""Every SQL file opens with its contract, defines what it is named for, and is installed."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.tidy.tree import SQL, named

ACTIONS: Final = sorted((SQL / "functions").glob("*.sql"))
FIELDS: Final = ("spec", "requires", "outcome", "touches", "one step")
# Roles belong to the whole cluster, so they are a step of their own.
SEPARATE: Final = {"roles.sql"}
PINNED: Final = re.compile(r"security definer set search_path from current")


def contract(path: Path) -> list[str]:
    """Return the comment that a file opens with."""
    lines = path.read_text().splitlines()
    end = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return lines[:end]


def named_in(path: Path) -> str:
    """Return a test's id."""
    return path.stem


@pytest.mark.parametrize("path", ACTIONS, ids=named_in)
def test_an_action_opens_with_its_contract(path: Path) -> None:
    """Guards the header: spec and event, requires, outcome, touches, one step, in this order."""
    opening = contract(path)
    assert opening[0].startswith(f"-- {path.stem}: ")
    fields = [m[1] for line in opening if (m := re.match(r"--   (\w+(?: step)?)\s{2,}\S", line))]
    assert list(FIELDS) == [field for field in fields if field in FIELDS]
    assert any(re.search(r"\bevent\s{2,}\S", line) for line in opening)


@pytest.mark.parametrize("path", ACTIONS, ids=named_in)
def test_an_action_is_one_function_of_that_name_with_a_pinned_search_path(path: Path) -> None:
    """Guards one name in four places, and SECURITY DEFINER against a caller's search_path."""
    text = path.read_text()
    assert [path.stem] == re.findall(r"^create function (\w+)\s*\(", text, re.MULTILINE)
    assert PINNED.search(text)


def test_every_file_opens_with_why_it_is_there() -> None:
    """Guards reading the SQL from top to bottom: each file says its subject first."""
    assert [] == [named(path) for path in sorted(SQL.rglob("*.sql")) if not contract(path)]


def test_every_file_is_installed_once() -> None:
    """Guards the order of installation: no file is forgotten, and none is listed that is gone."""
    listed = [line for line in (SQL / "order.txt").read_text().split() if not line.startswith("#")]
    files = {path.relative_to(SQL).as_posix() for path in SQL.rglob("*.sql")}
    assert sorted(files - SEPARATE) == sorted(listed)
