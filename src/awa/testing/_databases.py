"""Databases that are thrown away, each with the schema in it, at the price of a clone."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from awa._client.urls import target_of
from awa._storage.install import migrate_sync
from awa._storage.refusals import not_connected
from awa.embedded import Cluster, EmbeddedMissing
from awa.errors import ConfigurationError
from awa.testing._marking import MARKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

TEST_URL: Final = "AWA_TEST_URL"

_numbers: Final = count(1)
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # the server makes a private directory there
_MEMORY_BYTES_MIN: Final = 2 * 2**30


class Databases:
    """Makes databases on a server, and drops them; use it as `with Databases() as databases:`.

    The server is that of `url`, else of `AWA_TEST_URL`, else of `DATABASE_URL`, else an embedded
    one of its own. Only databases that it made itself are touched; the role in the URL needs the
    right to make some. `schema`: where Awa lives in them.
    Raises ConfigurationError, and ServerUnreachable when it is entered.
    """

    def __init__(self, url: str | None = None, *, schema: str = "awa") -> None:
        self._url = url or os.environ.get(TEST_URL) or os.environ.get("DATABASE_URL")
        self._schema = schema
        self._stack = ExitStack()
        self._template: str | None = None
        self._conninfo = ""
        self._session: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        self._conninfo = self._server()
        try:
            self._session = psycopg.connect(self._conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            self._stack.close()
            whose = f"the tests' server ({TEST_URL}, else DATABASE_URL)"
            raise not_connected(self._conninfo, f"{whose}: {error}") from error
        self._stack.callback(self._session.close)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self._template is not None:
            self._drop(self._template)
            self._template = None
        self._stack.close()

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Give a new database's connection string, and drop the database at the end."""
        if self._template is None:
            self._template = self._create("template0")
            migrate_sync(self._of(self._template), schema=self._schema)
            with psycopg.connect(self._of(self._template), autocommit=True) as owner:
                owner.execute(MARKING)
        name = self._create(self._template)
        try:
            yield self._of(name)
        finally:
            self._drop(name)

    def _server(self) -> str:
        if self._url is not None:
            conninfo, server = target_of(self._url).open()
            if server is not None:
                self._stack.callback(server.close)
            return conninfo
        try:
            return self._stack.enter_context(Cluster(below=_memory())).conninfo()
        except EmbeddedMissing as missing:
            raise ConfigurationError(
                f"tests need a server: set {TEST_URL} to one, or pip install 'awa-trio[embedded]'"
            ) from missing

    def _of(self, name: str) -> str:
        return make_conninfo(self._conninfo, dbname=name)

    def _create(self, template: str) -> str:
        assert self._session is not None, "use it as `with Databases() as databases:`"
        name = f"awa_test_{os.getpid()}_{next(_numbers)}"
        made = "create database {} template {}"
        try:
            self._session.execute(_named(made, name, template))
        except psycopg.errors.InsufficientPrivilege as refused:
            raise ConfigurationError(
                f"this role may make no database: grant it CREATEDB, or set {TEST_URL}"
            ) from refused
        return name

    def _drop(self, name: str) -> None:
        assert self._session is not None
        self._session.execute(_named("drop database if exists {} with (force)", name))


def _memory() -> Path | None:
    """A file system in memory, if there is room: a database is a thousand small files."""
    try:
        roomy = shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN
    except OSError:
        return None
    return _MEMORY if roomy and os.access(_MEMORY, os.W_OK) else None


def _named(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))
