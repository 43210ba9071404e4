"""Values as TLA+ writes them: Python to text and back.

Integers, strings and booleans are themselves, frozenset is a set, tuple a sequence, dict a record.
A named tuple is a record as well: a trailing `_`, which keeps a field from being a keyword, is
dropped.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

Record = Callable[[dict[str, Any]], object]

_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|(-?\d+|\w+)|(<<|>>|\|->|[{}\[\],])|\s+')
_TRUTH: Final = {"TRUE": True, "FALSE": False}
_CLOSED_BY: Final = {"{": "}", "<<": ">>", "[": "]"}


def to_tla(value: object) -> str:
    """Write a value; sets in an order of their own, so that equal values have equal texts."""
    match value:
        case bool() | int():
            return str(value).upper()
        case str():
            return f'"{value}"'
        case frozenset():
            return "{" + ", ".join(sorted(map(to_tla, value))) + "}"
        case tuple() if hasattr(value, "_asdict"):
            return to_tla({key.rstrip("_"): of for key, of in value._asdict().items()})
        case tuple():
            return "<<" + ", ".join(map(to_tla, value)) + ">>"
        case dict():
            return "[" + ", ".join(f"{key} |-> {to_tla(of)}" for key, of in value.items()) + "]"
    raise TypeError(f"{type(value).__name__} has no counterpart in TLA+")


def from_tla(text: str, record: Record = dict) -> Any:
    """Read a value; `record` makes something of the fields of each record.

    Raise ValueError when it is not one value, written as TLC does.
    """
    reading = _Reading(text, record)
    value = reading.value()
    reading.end()
    return value


class _Reading:
    def __init__(self, text: str, record: Record) -> None:
        self._text: Final = text
        self._tokens: Final = self._split(text)
        self._record: Final = record

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        """Pairs of kind and text: of a string, a word or a sign."""
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise ValueError(f"not a value of TLA+ at {text[at : at + 20]!r}")
            at = found.end()
            if found.lastindex:
                yield ("string", "word", "sign")[found.lastindex - 1], found[found.lastindex]
        yield "end", ""

    def value(self) -> Any:
        """Read the next value."""
        return self._value(*next(self._tokens))

    def end(self) -> None:
        """Expect nothing more."""
        if next(self._tokens)[0] != "end":
            raise ValueError(f"more than one value: {self._text!r}")

    def _value(self, kind: str, token: str) -> Any:
        match kind, token:
            case "string", _:
                return token
            case "word", _:
                return _TRUTH[token] if token in _TRUTH else int(token)
            case "sign", "{":
                return frozenset(self._elements(token))
            case "sign", "<<":
                return tuple(self._elements(token))
            case "sign", "[":
                return self._record(dict(self._fields()))
        raise ValueError(f"{token!r} begins no value in {self._text!r}")

    def _elements(self, opened: str) -> Iterator[Any]:
        kind, token = next(self._tokens)
        while token != _CLOSED_BY[opened] or kind != "sign":
            yield self._value(kind, token)
            kind, token = self._after_comma(opened)

    def _fields(self) -> Iterator[tuple[str, Any]]:
        kind, name = next(self._tokens)
        while kind != "sign":
            if next(self._tokens) != ("sign", "|->"):
                raise ValueError(f"no value for {name} in {self._text!r}")
            yield name, self.value()
            kind, name = self._after_comma("[")

    def _after_comma(self, opened: str) -> tuple[str, str]:
        kind, token = next(self._tokens)
        if (kind, token) == ("sign", ","):
            return next(self._tokens)
        if (kind, token) != ("sign", _CLOSED_BY[opened]):
            raise ValueError(f"{token!r} in {self._text!r}")
        return kind, token
