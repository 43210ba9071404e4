"""Every mutant of spec/Storage.tla that its text gives: its guards, parts of them, its effects."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from correctness.configurations import SPEC
from correctness.spec_mutants.mutant import Mutant
from correctness.spec_mutants.reading import (
    Part,
    closing,
    definitions,
    fields,
    listed,
    part,
    separated,
    without_comments,
)

MODULE: Final = SPEC / "Storage.tla"
_FIRST: Final = "AppendG"
_BEHIND_LAST: Final = "Has"
_EFFECT: Final = re.compile(r"(\w+)'\s*=\s*")
_GUARDS: Final = re.compile(r"\bAll\((\w+)\(")
_SHARED: Final = {
    "Appending": "UNCHANGED <<entries, fly, late>>",
    "Placing": "UNCHANGED <<entries, fly, late, deferred, finals, dead>>",
    "Closing": "UNCHANGED closures",
}
"""Effects that several actions share, and what stands for their absence."""
_PASSED: Final = re.compile(r"(?:^|\bIN )(\w+G)\(")
_CALLS: Final = re.compile(rf"^(?:{'|'.join(_SHARED)})\(.*\)$", re.DOTALL)
_LAST_NUMBER: Final = re.compile(r"\b[01](?=\)$)")
_CHOICE: Final = re.compile(r"^IF(?! Loose)\s+(.+?)\s+THEN\s+(.+?)\s+ELSE\s+(.+)$", re.DOTALL)
_FILTER: Final = re.compile(r"^\{\w+ \\in (\w+) :")
_NO_GUARD: Final = re.compile(r"'|\bUNCHANGED\b|==|\bAll\(|\b(?:IF|LET)\b")


def mutants(text: str) -> list[Mutant]:
    """Every mutant of the module with this text, in the order of the text."""
    bare = without_comments(text)
    found: dict[tuple[int, int, str], Mutant] = {}
    for one in (*_of_guards(bare), *_of_actions(bare)):
        found.setdefault((one.begin, one.end, one.new), one)
    return sorted(found.values(), key=lambda mutant: (mutant.begin, mutant.end))


@cache
def storage() -> str:
    """The text of spec/Storage.tla: in a hunt always the same, whatever is written meanwhile."""
    return MODULE.read_text()


def every() -> list[Mutant]:
    """Every mutant of spec/Storage.tla."""
    return mutants(storage())


def _spoken(bare: str) -> Iterator[Part]:
    """The definitions that say what an action is: not the state, not the properties."""
    found = [*definitions(bare)]
    names = [one.name for one in found]
    return iter(found[names.index(_FIRST) : names.index(_BEHIND_LAST)])


def guard_names(bare: str) -> dict[str, tuple[str, ...]]:
    """Each operator that is a record of guards, with their names."""
    records = {one.name: fields(bare, one) for one in _spoken(bare) if one.name.endswith("G")}
    return {name: tuple(field.name for field in of) for name, of in records.items()}


def _drop(name: str, operator: str, what: Part, loose: Iterable[str]) -> Mutant:
    return Mutant(
        name=name,
        kind="guard",
        operator=operator,
        begin=what.begin,
        end=what.end,
        new="TRUE",
        loose=tuple(loose),
    )


def _of_guards(bare: str) -> Iterator[Mutant]:
    for one in _spoken(bare):
        if not one.name.endswith("G"):
            continue
        for field in fields(bare, one):
            name = f"{one.name}.{field.name}"
            yield _drop(name, one.name, field, [field.name])
            parts = listed(bare, field)
            for place, conjunct in enumerate(parts if len(parts) > 1 else [], 1):
                yield _drop(f"{name}.{place}", one.name, conjunct, [field.name])


def _of_actions(bare: str) -> Iterator[Mutant]:
    records = guard_names(bare)
    for one in _spoken(bare):
        if "'" not in one.text and not _CALLS.search(one.text) and "All(" not in one.text:
            continue
        yield from _of_calls_of_guards(bare, one, records)
        conjuncts = separated(bare, one, "/\\")
        acts = any("'" in conjunct.text for conjunct in conjuncts)
        for place, conjunct in enumerate(conjuncts, 1):
            if _EFFECT.match(conjunct.text):
                yield from _of_effect(bare, one.name, conjunct)
            elif _CALLS.match(conjunct.text):
                yield from _of_shared(one.name, conjunct)
            elif acts and not _NO_GUARD.search(conjunct.text) and "(" not in conjunct.text:
                yield _drop(f"{one.name}.{place}", one.name, conjunct, [])


def _of_calls_of_guards(
    bare: str, action: Part, records: dict[str, tuple[str, ...]]
) -> Iterator[Mutant]:
    """All guards of one operator, not asked in this action: only where several actions ask them."""
    for call in _GUARDS.finditer(bare, action.begin, action.end):
        end = closing(bare, call.start() + len("All"))
        if len(re.findall(rf"\bAll\({call[1]}\(", bare)) > 1:
            yield Mutant(
                name=f"{action.name} without {call[1]}",
                kind="guards",
                operator=action.name,
                begin=call.start(),
                end=end,
                new="TRUE",
                loose=_asked(bare, call[1], records),
            )


def _asked(bare: str, name: str, records: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The guards of an operator: its own, or those of the one that it passes its arguments to."""
    body = next(one.text for one in _spoken(bare) if one.name == name)
    passed = _PASSED.search(body)
    return records.get(name) or (records.get(passed[1], ()) if passed else ())


def _of_effect(bare: str, action: str, conjunct: Part) -> Iterator[Mutant]:
    head = _EFFECT.match(conjunct.text)
    assert head is not None
    variable = head[1]
    value = part(bare, variable, conjunct.begin + head.end(), conjunct.end)

    def mutant(what: str, new: str, at: Part = value) -> Mutant:
        return Mutant(
            name=f"{action}: {variable} {what}",
            kind="effect" if what == "stays" else "change",
            operator=action,
            begin=at.begin,
            end=at.end,
            new=new,
        )

    yield mutant("stays", variable)
    choice = _CHOICE.match(value.text)
    if choice:
        yield mutant("as if so", choice[2])
        yield mutant("as if not", choice[3])
        return
    pieces = separated(bare, value, "\\cup")
    for place, piece in enumerate(pieces if len(pieces) > 1 else [], 1):
        rest = [other.text for other in pieces if other is not piece]
        if rest != [variable]:
            yield mutant(f"without part {place}", " \\cup ".join(rest))
        kept = _FILTER.match(piece.text)
        if kept and kept[1] == variable:
            yield mutant(f"with all of part {place}", variable, piece)
    if len(pieces) == 1 and re.match(r"\{|\w+ \\ |\w+\(", value.text):
        yield mutant("emptied", "{}")


def _of_shared(action: str, call: Part) -> Iterator[Mutant]:
    name = call.text.partition("(")[0]

    def mutant(what: str, new: str) -> Mutant:
        return Mutant(
            name=f"{action}: {name} {what}",
            kind="effect" if what == "left out" else "change",
            operator=action,
            begin=call.begin,
            end=call.end,
            new=new,
        )

    yield mutant("left out", _SHARED[name])
    number = _LAST_NUMBER.search(call.text)
    if number and name != "Closing":
        other = "1" if number[0] == "0" else "0"
        yield mutant(f"with {other}", call.text[: number.start()] + other + ")")
