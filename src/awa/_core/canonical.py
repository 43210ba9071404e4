"""JSON text that every language writes alike: what of a job's arguments enters its unique key.

Compact, keys in the order of their UTF-8 bytes, text as it is but for what JSON must escape. The
twin of `canonical_json` in sql/internal/derivations.sql; docs/derivations.md holds test vectors.
"""

from __future__ import annotations

import json
from typing import Final

from awa.errors import InvalidInput

INTEGER_MAX: Final = 2**53
"""Beyond it, languages whose only number is a double read another integer."""


def canonical_json(field: str, value: object) -> str:
    """The one JSON text of a value made of strings, booleans, null, lists, objects and integers.

    Raises InvalidInput naming the place: for floats, which languages print differently, for
    integers beyond 2^53, and for what JSON or PostgreSQL cannot carry.
    """
    _check(field, value)
    # Python sorts strings by code point, which is the order of their UTF-8 bytes.
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _check(field: str, value: object) -> None:
    match value:
        case None | bool():
            pass
        case str():
            _check_text(field, value)
        case int():
            if abs(value) > INTEGER_MAX:
                problem = "is beyond 2^53; a unique key takes integers from -2^53 to 2^53"
                raise InvalidInput(field, problem)
        case dict():
            _check_object(field, value)
        case list() | tuple():
            for at, inner in enumerate(value):
                _check(f"{field}[{at}]", inner)
        case float():
            problem = "is a float, which a unique key cannot take: languages print them differently"
            raise InvalidInput(field, problem)
        case _:
            raise InvalidInput(field, f"is of type {type(value).__name__}, which JSON has not")


def _check_object(field: str, value: dict[object, object]) -> None:
    for key, inner in value.items():
        if not isinstance(key, str):
            raise InvalidInput(field, f"has the key {key!r}, which is not a string")
        _check_text(field, key)
        _check(f"{field}.{key}", inner)


def _check_text(field: str, text: str) -> None:
    if "\0" in text:
        raise InvalidInput(field, "holds a NUL character, which PostgreSQL cannot store")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(field, f"is not valid Unicode: {error.reason}") from error
