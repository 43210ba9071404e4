"""Modules and functions small enough to be read. The lists of exemptions may only get shorter."""

import ast
import re
from pathlib import Path
from typing import Final

from tests.tidy.tree import SQL, named, parsed, python_files

MODULE_LINES_MAX: Final = 399
BODY_LINES_MAX: Final = 40
SQL_LINES_MAX: Final = 60
SQL_FUNCTION: Final = re.compile(r'(?ms)^create function "?(\w+)"?.*?^(?:end )?\$\$;')

# path: why it is longer
LONG_MODULES: Final[dict[str, str]] = {}
# path::function: why its body is longer
LONG_FUNCTIONS: Final[dict[str, str]] = {}
# file::function: why the SQL function is longer
LONG_SQL: Final[dict[str, str]] = {
    "src/awa/sql/reads/check.sql::check": "one query per property, each to be read by itself",
}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def body_lines(function: FunctionNode) -> int:
    """Return the lines of a function's body without its docstring."""
    body = function.body
    if ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def long_functions(path: Path) -> set[str]:
    """Return the functions of a file that are too long."""
    return {
        f"{named(path)}::{node.name}"
        for node in ast.walk(parsed(path))
        if isinstance(node, FunctionNode) and body_lines(node) > BODY_LINES_MAX
    }


def test_no_module_is_long() -> None:
    """Guards reading a module in one sitting; an exemption no longer needed is taken off."""
    long = {
        named(path)
        for path in python_files()
        if len(path.read_text().splitlines()) > MODULE_LINES_MAX
    }
    assert set(LONG_MODULES) == long


def test_no_function_is_long() -> None:
    """Guards seeing a function whole; an exemption no longer needed is taken off."""
    found: set[str] = set().union(*(long_functions(path) for path in python_files()))
    assert set(LONG_FUNCTIONS) == found


def test_no_sql_function_is_long() -> None:
    """Guards the same for SQL, where a function is also one step of the specification."""
    found = {
        f"{named(path)}::{function[1]}"
        for path in SQL.rglob("*.sql")
        for function in SQL_FUNCTION.finditer(path.read_text())
        if len(function[0].splitlines()) > SQL_LINES_MAX
    }
    assert set(LONG_SQL) == found


def test_every_exemption_has_its_reason() -> None:
    """Guards the ratchet: without a reason nobody can judge when it is over."""
    assert [] == [
        name for name, why in {**LONG_MODULES, **LONG_FUNCTIONS, **LONG_SQL}.items() if not why
    ]
