"""The cursor of a call that is sent before those in front of it are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import Format
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult


class AheadCursor(psycopg.AsyncCursor[tuple[Any, ...]]):
    """A cursor of one call in a pipeline, which keeps its error until its answer is asked for.

    psycopg's raises it where it comes: in whatever is sent or waited for just then.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self.format = Format.BINARY
        self.failure: psycopg.Error | None = None

    @property
    def has_answer(self) -> bool:
        """Whether its rows or its error have come."""
        return self.pgresult is not None or self.failure is not None

    def _check_results(self, results: list[PGresult]) -> None:
        try:
            super()._check_results(results)
        except psycopg.Error as error:
            self.failure = error

    def _set_results(self, results: list[PGresult]) -> None:
        if self.failure is None:
            super()._set_results(results)
