"""A program's own client, on another database for a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from awa._client.producing import Producing
from awa._client.urls import target_of
from awa.client import AsyncClient
from awa.embedded import SCHEME
from awa.errors import ConfigurationError, InvalidInput
from awa.sync import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

ClientT = TypeVar("ClientT", bound=AsyncClient | Client)


def checked_client(client: object) -> AsyncClient | Client:
    """What every function here takes first. Raises InvalidInput for anything else."""
    if not isinstance(client, AsyncClient | Client):
        problem = f"must be an awa.AsyncClient or an awa.Client, not {client!r:.100}"
        raise InvalidInput("client", problem)
    return client


@contextmanager
def pointed_at(client: ClientT, url: str) -> Iterator[ClientT]:
    """Let a client, with all its handlers, work on another database for the length of the block.

    So a test may use the very client that the program's modules import. An asynchronous one is
    opened within the block, and not before. Raises ConfigurationError.
    """
    checked_client(client)
    if isinstance(client, AsyncClient) and client._pool is not None:  # noqa: SLF001  # a friend
        raise ConfigurationError("point a client elsewhere before it is opened")
    names = ("_target", "_producing", "_direct_conninfo", "_url", "_direct_url")
    before = {name: getattr(client, name) for name in names if hasattr(client, name)}
    if isinstance(client, Client):
        client.close()
    changes = {
        "_target": target_of(url),
        # Which lanes exist is known of one database.
        "_producing": Producing(client._storage, client._handlers),  # noqa: SLF001  # a friend
        "_url": url,
    }
    for name in before:
        setattr(client, name, changes.get(name))
    try:
        yield client
    finally:
        if isinstance(client, Client):
            client.close()
        for name, value in before.items():
            setattr(client, name, value)


def twin_of(client: AsyncClient | Client) -> AsyncClient:
    """Another client of the same database, schema, handlers and schedules, not opened yet."""
    checked_client(client)
    if isinstance(client, Client):
        return client.asynchronous()
    target = client._target  # noqa: SLF001  # a friend
    url = target.conninfo if target.embedded is None else SCHEME + target.embedded
    twin = AsyncClient(url, schema=client.schema)
    twin._handlers = client._handlers  # noqa: SLF001  # a friend
    twin._producing.handlers = client._handlers  # noqa: SLF001  # a friend
    twin._declarations = client._declarations  # noqa: SLF001  # a friend
    return twin
