"""What every group of storage methods is made with: the schema, and one way to make a Call."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from awa._storage.calls import Call, Rows
from awa._storage.names import SCHEMA_DEFAULT, checked_schema, quoted
from awa.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Calling:
    """The functions of one schema. Immutable, cheap, shared by every task and thread."""

    def __init__(self, schema: str = SCHEMA_DEFAULT) -> None:
        self.schema = checked_schema(schema)
        # A percent sign in the name must not look like a placeholder.
        self._prefix = quoted(self.schema).replace("%", "%%")
        self._sql: dict[str, str] = {}

    def _call(
        self,
        action: str,
        places: str,
        params: tuple[object, ...],
        decode: Callable[[Rows], T],
        *,
        columns: str = "*",
    ) -> Call[T]:
        sql = self._sql.get(action)
        if sql is None:
            # `check` is a reserved word; quoting costs the others nothing.
            sql = f'select {columns} from {self._prefix}."{action}"({places})'
            assert places.count("%") == len(params), f"{action}: one place for each parameter"
            self._sql[action] = sql
        return Call(action=action, sql=sql, params=params, decode=decode, schema=self.schema)


def within(what: str, count: int, limit: int) -> None:
    """Refuse what the function would refuse, before anything is sent. Raises LimitExceeded."""
    if count > limit:
        raise LimitExceeded(f"{count} {what} in one call; the limit is {limit}")
