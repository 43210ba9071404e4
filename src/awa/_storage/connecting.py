"""Open connections the way Awa uses them: autocommit, by the running event loop's driver."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import psycopg
import sniffio

from awa._storage.attempts import connect_timeout_s
from awa._storage.driver import TrioConnection
from awa._storage.refusals import not_connected
from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]
"""TrioConnection under trio, psycopg's own under asyncio."""

SETTINGS: Final = {"jit": "off"}
"""Of every session, unless told otherwise: compiling a view over all partitions takes seconds,
running it milliseconds."""

_BACKEND: Final = b"select where pg_backend_pid() = %s"

AnyConnection = TypeVar("AnyConnection", bound=Connection)


@asynccontextmanager
async def open_connection(
    conninfo: str, *, settings: Mapping[str, str] | None = None, lasting: bool = False
) -> AsyncIterator[TrioConnection[tuple[Any, ...]]]:
    """A trio connection in autocommit, closed at the end of the block whatever happened.

    `settings` are the session's, by PostgreSQL's names. `lasting`: it is known that sessions last,
    though a pooler may be on the way; unless it is, nothing is left in the sessions of a pooler.
    Raises ServerUnreachable (ServerRefused) and ConfigurationError (a malformed connection string).
    """
    connection = await connect_trio(conninfo, settings=settings, lasting=lasting)
    try:
        yield connection
    finally:
        connection.discard()


async def connect_trio(
    conninfo: str, *, settings: Mapping[str, str] | None = None, lasting: bool = False
) -> TrioConnection[tuple[Any, ...]]:
    """Open the connection of `open_connection`; the caller closes it."""
    connection: TrioConnection[tuple[Any, ...]]
    try:
        connection = await TrioConnection.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise not_connected(conninfo, str(error)) from error
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(f"the connection string is malformed: {error}") from error
    return await _with_settings(connection, settings, lasting=lasting)


async def connect(conninfo: str, *, settings: Mapping[str, str] | None = None) -> Connection:
    """A connection in autocommit for the event loop that runs; the caller closes it.

    Raises ServerUnreachable (ServerRefused) and ConfigurationError.
    """
    if sniffio.current_async_library() == "trio":
        return await connect_trio(conninfo, settings=settings)
    try:
        timeout_s = connect_timeout_s(psycopg.conninfo.conninfo_to_dict(conninfo))
        connection = await psycopg.AsyncConnection.connect(
            conninfo, autocommit=True, connect_timeout=int(timeout_s)
        )
    except psycopg.OperationalError as error:
        raise not_connected(conninfo, str(error)) from error
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(f"the connection string is malformed: {error}") from error
    return await _with_settings(connection, settings)


async def _with_settings(
    opened: AnyConnection, settings: Mapping[str, str] | None, *, lasting: bool = False
) -> AnyConnection:
    merged = {**SETTINGS, **(settings or {})}
    # One statement, and no startup options: poolers refuse those. In a session of a pooler's a
    # setting would outlast this connection, and change what others do there.
    calls = ", ".join(["set_config(%s, %s, false)"] * len(merged))
    params = [text for setting in merged.items() for text in setting]
    try:
        done = await opened.execute(
            f"select {calls} where %s or pg_backend_pid() = %s".encode(),
            [*params, lasting, opened.info.backend_pid],
        )
    except BaseException:
        close_now(opened)
        raise
    if not done.rowcount:
        opened.prepare_threshold = None  # the next transaction may be another backend's
        if isinstance(opened, TrioConnection):
            opened.pooled = True
    return opened


def prepare_nothing_in_pools(opened: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """The same care for a synchronous connection: none of its statements are prepared there."""
    if not opened.execute(_BACKEND, [opened.info.backend_pid]).rowcount:
        opened.prepare_threshold = None
    return opened


def close_now(connection: Connection) -> None:
    """Close without a checkpoint, so also in a cancelled task; an open transaction ends."""
    if isinstance(connection, TrioConnection):
        connection.discard()
    else:
        connection.pgconn.finish()
