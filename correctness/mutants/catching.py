"""Who may notice a mutant, each by itself, and how the page names what they saw."""

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

import psycopg

Catcher = Literal["test", "schedule", "replay", "check", "property"]
CATCHERS: Final[tuple[Catcher, ...]] = get_args(Catcher)

NOTHING: Final = ""
"""Of a catcher that was asked and saw nothing."""

_INVALID: Final = (
    *("AmbiguousColumn", "AmbiguousFunction", "CannotCoerce", "DatatypeMismatch", "GroupingError"),
    *("IndeterminateDatatype", "InvalidColumnReference", "SyntaxError", "UndefinedColumn"),
    *("UndefinedFunction", "UndefinedObject", "UndefinedParameter", "UndefinedTable"),
    "WrongObjectType",
)
_STATES: Final = sorted(getattr(psycopg.errors, name).sqlstate for name in _INVALID)
_SAID: Final = r"(?m)^(?:E|\s*\|)\s.*"
OF_MISTAKE: Final = re.compile(
    rf"{_SAID}(?:\bpsycopg\.errors\.(?:{'|'.join(_INVALID)})\b|'(?:{'|'.join(_STATES)})'"
    "|unsupported startup parameter)"
)
"""What a test says that met SQL which is none, or a server that does not take the hunt's options:
said of the error, not in the source of the test."""

_OF_CHECK: Final = re.compile(r"\('([A-Z][A-Za-z]+)', ")
_OF_DIVERGENCE: Final = (
    # what each kind begins with, and how it is named: by its groups
    (re.compile(r"(?s)lane \d+: (\w+)\(.*\): guard \{(.*)\}$"), "{}: guard {}"),
    (re.compile(r"(?s)lane \d+: (\w+)\(.*\) breaks \((.*?),?\)$"), "{}: {}"),
    (re.compile(r"lane \d+: \(?'(\w+)'"), "{}"),
    (re.compile(r"lane \d+: (\w+) lacks"), "table: {}"),
    (re.compile(r"lane \d+: (progress|floor|last|State)\b"), "table: {}"),
    (re.compile(r"(\w+): (\w+)\("), "{}: raises {}"),
    (re.compile(r"(\w+): (AW\d+) was due"), "{}: {} was due"),
    (re.compile(r"(workers|ring|keys|key|lanes)\b"), "table: {}"),
)
_LONG: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """That a catcher was asked, and what it saw."""

    catcher: Catcher
    saw: str = NOTHING


def of_check(rows: str) -> str:
    """The properties that `awa.check()` names."""
    return ", ".join(sorted(set(_OF_CHECK.findall(rows))))


def of_refusal(action: str, why: str) -> str:
    """Why a judge refused an event: the guard, the field or the invariant, without values."""
    if why.startswith("invariant "):
        return f"{action}: {why.removeprefix('invariant ')}"
    named = re.match(r'<<"(guard|field)", ', why)
    if named is None:
        return plain(f"{action}: {why}")
    rest = why[named.end() :]
    names = rest if named[1] == "guard" else rest.partition(",")[0]
    listed = ", ".join(re.findall(r'"([^"]+)"', names))
    return f"{action}: {named[1]} {listed}"


def of_divergence(said: str) -> str:
    """Where the state machine's server and its twin part, without values."""
    if said.startswith("check: "):
        return of_check(said)
    for shape, named in _OF_DIVERGENCE:
        if found := shape.match(said):
            return named.format(*(re.sub("['\"]", "", group) for group in found.groups()))
    return plain(said)


def plain(said: str) -> str:
    """The beginning of what was said, as a cell of a table takes it."""
    first = " ".join(said.split()).replace("|", "/")
    return first if len(first) <= _LONG else first[: _LONG - 3] + "..."
