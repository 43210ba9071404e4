"""What the tidy tests look at: the files of the checkout, read as text and as syntax."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "src" / "awa"
SQL: Final = PACKAGE / "sql"
CODE: Final = ("src", "tests", "correctness", "examples")
# Beside the code: everything a reader sees.
PROSE: Final = ("*.md", "docs", "spec", "traces", "Makefile", "pyproject.toml", ".ci/run")


def python_files(*tops: str) -> list[Path]:
    """Return the Python files below these folders of the checkout."""
    return sorted(path for top in tops or CODE for path in (ROOT / top).rglob("*.py"))


def readable_files() -> list[Path]:
    """Return every text file that the project publishes."""
    patterns = (*(f"{top}/**/*" for top in CODE), *PROSE, *(f"{top}/**/*" for top in PROSE))
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(path for path in found if "__pycache__" not in path.parts)


def named(path: Path) -> str:
    """Return a file's name as a test should print it."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(path.read_text(), named(path))


def module_name(path: Path) -> str:
    """Return the dotted name of a module of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Return the dotted names that a file imports, wherever the import stands."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
