"""Connections of other libraries: the caller's transaction, the caller's driver, our statement.

None of these libraries is a dependency, and none is imported: a connection is known by what it
can do. SQLAlchemy (`Session`, `Connection`, their async twins), asyncpg, Django's connections and
plain DB-API connections are understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from awa._storage.calls import Rows

_PLACE: Final = re.compile(r"%[sb%]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignConnection:
    """How to run one statement on somebody's connection: `fetch` or `fetch_async` is there."""

    fetch: Callable[[str, Sequence[object]], Rows] | None = None
    fetch_async: Callable[[str, Sequence[object]], Awaitable[Rows]] | None = None


def adapt(connection: Any) -> ForeignConnection:
    """Recognise a connection. Raises ConfigurationError for what is none."""
    if _is_asyncpg(connection):
        return ForeignConnection(fetch_async=lambda sql, params: _asyncpg(connection, sql, params))
    library = type(connection).__module__.partition(".")[0]
    if library == "sqlalchemy":
        if hasattr(connection, "run_sync"):
            return ForeignConnection(
                fetch_async=lambda sql, params: _sqlalchemy_async(connection, sql, params)
            )
        return ForeignConnection(fetch=lambda sql, params: _sqlalchemy(connection, sql, params))
    if callable(getattr(connection, "cursor", None)):
        return ForeignConnection(fetch=lambda sql, params: _dbapi(connection, sql, params))
    raise ConfigurationError(
        f"{type(connection).__module__}.{type(connection).__qualname__} is no connection that Awa "
        "knows: give one of psycopg, asyncpg, SQLAlchemy or Django"
    )


def numbered(sql: str) -> str:
    """The statement with `$1`, `$2` for each place, and single percent signs."""
    places = 0

    def number(found: re.Match[str]) -> str:
        nonlocal places
        if found[0] == "%%":
            return "%"
        places += 1
        return f"${places}"

    return _PLACE.sub(number, sql)


def plain(sql: str) -> str:
    """The statement with `%s` for each place: only psycopg knows the binary `%b`."""
    return _PLACE.sub(lambda found: "%s" if found[0] == "%b" else found[0], sql)


def _is_asyncpg(connection: Any) -> bool:
    return all(callable(getattr(connection, name, None)) for name in ("fetch", "fetchrow"))


async def _asyncpg(connection: Any, sql: str, params: Sequence[object]) -> Rows:
    return [tuple(row) for row in await connection.fetch(numbered(sql), *params)]


def _sqlalchemy(connection: Any, sql: str, params: Sequence[object]) -> Rows:
    # A Session lends the connection that its transaction runs on.
    lent = connection if hasattr(connection, "exec_driver_sql") else connection.connection()
    style = lent.dialect.paramstyle
    text = numbered(sql) if style == "numeric_dollar" else plain(sql)
    answer = lent.exec_driver_sql(text, tuple(params))
    return [tuple(row) for row in answer.fetchall()] if answer.returns_rows else []


async def _sqlalchemy_async(connection: Any, sql: str, params: Sequence[object]) -> Rows:
    rows: Rows = await connection.run_sync(_sqlalchemy, sql, params)
    return rows


def _dbapi(connection: Any, sql: str, params: Sequence[object]) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(plain(sql), tuple(params))
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
