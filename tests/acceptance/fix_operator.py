"""An operator at each kind of client: trio's, asyncio's, and the synchronous one."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest
import trio

import awa

CLIENTS: Final = ("trio", "asyncio", "sync")
Do = Callable[..., Any]


@pytest.fixture(params=CLIENTS)
def do(database: str, request: pytest.FixtureRequest) -> Do:
    """Return `do(method, ...)`: call a client's method and return its answer, errors as they are.

    Each call opens a client of its own, as a script or a request would.
    """

    async def by_async(method: str, *args: Any, **named: Any) -> Any:
        async with awa.AsyncClient(database) as client:
            return await getattr(client, method)(*args, **named)

    def call(method: str, *args: Any, **named: Any) -> Any:
        if request.param == "sync":
            with awa.Client(database) as client:
                return getattr(client, method)(*args, **named)
        if request.param == "trio":
            return trio.run(lambda: by_async(method, *args, **named))
        return asyncio.run(by_async(method, *args, **named))

    return call
