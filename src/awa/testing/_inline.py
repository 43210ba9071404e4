"""Inline mode: what is inserted has run when the insert returns."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

from awa.client import AsyncClient
from awa.sync import Client
from awa.testing._pointing import checked_client
from awa.testing._running import drain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ClientT = TypeVar("ClientT", bound=AsyncClient | Client)
_STORING: Final = ("insert", "insert_many", "enqueue_many_copy")


@contextmanager
def inline(client: ClientT) -> Iterator[ClientT]:
    """Run what this client inserts right after its commit, within the block.

    It is run by `drain`, from the database, after the transaction in which it was stored: also at
    the end of `client.transaction()`. What handlers insert runs with it. What comes by another
    way, a bridge or SQL, runs with the next insert.
    """
    running = _Running(checked_client(client))
    wrapped = running.wrapped_async() if isinstance(client, AsyncClient) else running.wrapped()
    for name, method in wrapped.items():
        setattr(client, name, method)
    try:
        yield client
    finally:
        for name in wrapped:
            delattr(client, name)


class _Running:
    """The methods of a client that store jobs, each followed by a drain unless one is under way."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._is_draining = False

    def wrapped(self) -> dict[str, Callable[..., Any]]:
        """Those of a synchronous client."""
        return {name: self._storing(getattr(self._client, name)) for name in _STORING}

    def wrapped_async(self) -> dict[str, Callable[..., Any]]:
        """Those of an asynchronous one."""
        own = {name: self._storing_async(getattr(self._client, name)) for name in _STORING}
        return {**own, "transaction": self._transaction(self._client.transaction)}

    def _storing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def store(*args: Any, **options: Any) -> Any:
            answer = method(*args, **options)
            if not self._is_draining:
                self._is_draining = True
                try:
                    drain(self._client)
                finally:
                    self._is_draining = False
            return answer

        return store

    def _storing_async(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        async def store(*args: Any, **options: Any) -> Any:
            answer = await method(*args, **options)
            await self._drain()
            return answer

        return store

    def _transaction(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        @asynccontextmanager
        async def transaction() -> AsyncIterator[Any]:
            async with method() as opened:
                yield opened
            await self._drain()

        return transaction

    async def _drain(self) -> None:
        if not self._is_draining:
            self._is_draining = True
            try:
                await drain(self._client)
            finally:
                self._is_draining = False
