"""A module of TLA+ as text: where its definitions, guards and effects stand.

It reads the style in which spec/Storage.tla is written, not the language: a definition begins at
the margin, a guard is a field of the record of an operator named ...G, and a conjunct of an action
does one thing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_COMMENT: Final = re.compile(r"\\\*[^\n]*|\(\*.*?\*\)")
_BEGINS: Final = re.compile(r"^(\w+)(?:\([^)\n]*\))?[ ]*==", re.MULTILINE)
_MARGIN: Final = re.compile(r"^\S", re.MULTILINE)
_RECORD: Final = re.compile(r"\[\s*\w+\s*\|->")
_FIELD: Final = re.compile(r"(\w+)\s*\|->")
_SIGN: Final = re.compile(r"<<|>>|[\[\](){}]")
_OPENS: Final = {"<<", "[", "(", "{"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a module's text, and what it is called."""

    name: str
    begin: int
    end: int
    text: str


def without_comments(text: str) -> str:
    """The text with blanks in the place of its comments, so that every place stays where it is."""
    return _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def part(text: str, name: str, begin: int, end: int) -> Part:
    """The stretch between two places, without the blanks around it."""
    inside = text[begin:end]
    begin += len(inside) - len(inside.lstrip())
    return Part(name=name, begin=begin, end=begin + len(inside.strip()), text=inside.strip())


def definitions(text: str) -> Iterator[Part]:
    """Every operator with what stands behind its `==`; `text` is without comments."""
    for found in _BEGINS.finditer(text):
        after = _MARGIN.search(text, found.end())
        yield part(text, found[1], found.end(), after.start() if after else len(text))


def step(text: str, of: Part) -> str:
    """What a property says of each step, in its column; nothing for one that speaks of a state."""
    begin = text.find("[][", of.begin, of.end)
    if begin < 0:
        return ""
    begin += len("[]")
    return " " * (begin - text.rindex("\n", 0, begin) - 1) + text[begin : of.end]


def depths(text: str) -> list[int]:
    """For each character, in how many brackets it is; a bracket is outside itself."""
    deep = [0] * len(text)
    depth, before = 0, 0
    for sign in _SIGN.finditer(text):
        deep[before : sign.start()] = [depth] * (sign.start() - before)
        depth += 1 if sign[0] in _OPENS else -1
        outside = depth - 1 if sign[0] in _OPENS else depth
        deep[sign.start() : sign.end()] = [outside] * len(sign[0])
        before = sign.end()
    deep[before:] = [depth] * (len(text) - before)
    return deep


def closing(text: str, begin: int) -> int:
    """The place behind the bracket that closes the one at `begin`."""
    depth = 0
    for sign in _SIGN.finditer(text, begin):
        depth += 1 if sign[0] in _OPENS else -1
        if depth == 0:
            return sign.end()
    raise ValueError(f"a bracket stays open: {text[begin : begin + 40]!r}")


def fields(text: str, of: Part) -> list[Part]:
    """The fields of the record that a definition is, or ends in; none when it is no record."""
    found = _RECORD.search(text, of.begin, of.end)
    if found is None or depths(of.text)[found.start() - of.begin] > 0:
        return []
    end = closing(text, found.start()) - 1
    deep = depths(text[found.start() : end])
    starts = [
        name
        for name in _FIELD.finditer(text, found.start(), end)
        if deep[name.start() - found.start()] == 1
    ]
    ends = [*(text.rindex(",", 0, name.start()) for name in starts[1:]), end]
    return [
        part(text, name[1], name.end(), until) for name, until in zip(starts, ends, strict=True)
    ]


def separated(text: str, of: Part, sign: str) -> list[Part]:
    """The pieces of a stretch between the `sign` that stands outside all of its brackets."""
    deep = depths(of.text)
    places = [
        found.start() for found in re.finditer(re.escape(sign), of.text) if deep[found.start()] == 0
    ]
    begins = [0, *(place + len(sign) for place in places)]
    ends = [*places, len(of.text)]
    return [
        part(text, of.name, of.begin + begin, of.begin + end)
        for begin, end in zip(begins, ends, strict=True)
        if of.text[begin:end].strip()
    ]


def listed(text: str, of: Part) -> list[Part]:
    r"""The conjuncts of a stretch that is a list of them, one below the other: `/\ a  /\ b`."""
    if not of.text.startswith("/\\"):
        return []
    margin = of.begin - text.rindex("\n", 0, of.begin)
    starts = [
        of.begin + found.start()
        for found in re.finditer(r"/\\", of.text)
        if of.begin + found.start() - text.rindex("\n", 0, of.begin + found.start()) == margin
    ]
    ends = [*starts[1:], of.end]
    return [part(text, of.name, begin + 2, end) for begin, end in zip(starts, ends, strict=True)]
