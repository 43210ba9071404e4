"""A call to the database as a value: the executors carry it, whatever drives the connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")

Rows: TypeAlias = Sequence[tuple[Any, ...]]
"""Rows as a driver gives them: the decoder of each call knows their shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One statement: what to send and how to read the answer. Making one does no I/O."""

    action: str
    """The action's name: the SQL function, the event and the spec's operator share it."""
    sql: str
    """With one `%s` for each parameter; a literal percent sign is doubled."""
    params: tuple[object, ...]
    decode: Callable[[Rows], T]
    schema: str = "awa"
    """Where the function lives; errors name it."""
