"""Fixtures for pytest; loaded by it where Awa is installed.

awa_database   connection string of a database of the test's own, with the schema in it
awa_client     your client on that database; a synchronous one is ready, an asynchronous one is
               opened by the test: `async with awa_client:`
awa_app        override it to say which client is yours; by default a new `awa.AsyncClient`
awa_schema     override it if Awa lives elsewhere than in the schema `awa`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import awa
    from awa.testing import Databases


@pytest.fixture(scope="session")
def awa_schema() -> str:
    """Return the schema that Awa lives in."""
    return "awa"


@pytest.fixture(scope="session")
def awa_databases(awa_schema: str) -> Iterator[Databases]:
    """Return where the tests' databases are made."""
    from awa.testing import Databases  # noqa: PLC0415  # whoever asks for none imports nothing

    with Databases(schema=awa_schema) as databases:
        yield databases


@pytest.fixture
def awa_database(awa_databases: Databases) -> Iterator[str]:
    """Return the connection string of a database of this test's own."""
    with awa_databases.fresh() as conninfo:
        yield conninfo


@pytest.fixture
def awa_app(awa_database: str, awa_schema: str) -> awa.AsyncClient | awa.Client:
    """Return the client under test."""
    import awa  # noqa: PLC0415  # see above

    return awa.AsyncClient(awa_database, schema=awa_schema)


@pytest.fixture
def awa_client(
    awa_app: awa.AsyncClient | awa.Client, awa_database: str
) -> Iterator[awa.AsyncClient | awa.Client]:
    """Return the client under test, on the test's own database."""
    from awa.testing import pointed_at  # noqa: PLC0415  # see above

    with pointed_at(awa_app, awa_database) as client:
        yield client
