"""Handlers under asyncio, by trio-asyncio: for libraries that know no other event loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio_asyncio

from awa._runtime.executors import Run


@asynccontextmanager
async def open_asyncio() -> AsyncIterator[Run]:
    """An asyncio loop on top of trio's, for the length of the block.

    Cancelling the caller cancels the asyncio task and waits for it.
    """
    async with trio_asyncio.open_loop() as loop:

        async def run(function: Callable[[Any], Any], subject: Any) -> Any:
            return await trio_asyncio.aio_as_trio(function, loop=loop)(subject)

        yield run
