"""Whether a function can be called as it will be: asked when it is registered, not for each job."""

from __future__ import annotations

import inspect
from typing import Final

from awa.errors import InvalidInput

_SHOWN_MAX: Final = 200


def require_takes(field: str, function: object, *wanted: str) -> None:
    """Refuse what is no function of these arguments, and what yields. Raises InvalidInput.

    A wrapper is taken at its own word: whatever it wraps may take more, or less.
    """
    if not callable(function):
        raise InvalidInput(field, f"must be a function, not {function!r}")
    name = str(getattr(function, "__name__", type(function).__name__))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidInput(field, f"must return what it answers, and {name} yields it")
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return  # it says nothing of itself, as some functions written in C
    try:
        signature.bind(*wanted)
    except TypeError as error:
        said = f"{name}{signature}"[:_SHOWN_MAX]
        call = f"{name}({', '.join(wanted)})"
        raise InvalidInput(field, f"is called as {call}; {said} cannot be: {error}") from None
