"""Changes to the SQL of an installation: a text that stands once in a file, and what to put there.

A mutant is such a change, and so is a gate. A text that is missing, or stands twice, is an error
which names it: a change that no longer fits must not pass for one that was made.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from awa._storage import install

# From the beginning of a line to the dollars that end a body: no body has them inside.
_FUNCTION: Final = re.compile(r'(?ms)^create function "?(\w+)"?.*?\$\$;$')


class AnchorMissing(LookupError):
    """A change does not fit the SQL: write its anchor anew, as the file has it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """In this file below sql/, this text becomes that one."""

    file: str
    old: str
    new: str


def installed_files() -> dict[str, str]:
    """The files of an installation with their text, in order."""
    return {name: install.read_sql(name) for name in install.installation_order()}


def edited(files: Mapping[str, str], edits: Iterable[Edit]) -> dict[str, str]:
    """The files with these edits made, one after the other. Raise AnchorMissing."""
    after = dict(files)
    for edit in edits:
        found = after[edit.file].count(edit.old)
        if found != 1:
            raise AnchorMissing(f"{edit.file} holds {found} times, not once: {edit.old!r}")
        after[edit.file] = after[edit.file].replace(edit.old, edit.new)
    return after


def functions(text: str) -> dict[str, str]:
    """The statements that create a file's functions, by name; not those inside a DO block."""
    return {found[1]: found[0] for found in _FUNCTION.finditer(text)}


def replacements(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What turns one installation into the other: its functions that differ, created again.

    Raise ValueError when something else differs: then only a new installation has it.
    """
    statements: list[str] = []
    for name, text in after.items():
        old = functions(before[name])
        rest, statement = before[name], text
        for function, body in functions(text).items():
            rest, statement = rest.replace(old[function], ""), statement.replace(body, "")
            if body != old[function]:
                statements.append(body.replace("create function", "create or replace function", 1))
        if rest != statement:
            raise ValueError(f"{name} differs outside its functions")
    return statements


@contextmanager
def installing(files: Mapping[str, str]) -> Iterator[None]:
    """Meanwhile this process installs these files instead of its own."""
    own = install.read_sql

    def read_sql(name: str) -> str:
        return files[name] if name in files else own(name)

    install.read_sql = read_sql
    try:
        yield
    finally:
        install.read_sql = own
