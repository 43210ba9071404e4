"""One transaction of a handler's own, entered by a trio task or from a worker thread.

In a thread each step is taken on trio's loop, in a task of its own: one connection, one way to find
out how it ended, whatever the handler is.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import sniffio
import trio

from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from awa._core.transacting import JobTransaction, SyncJobTransaction

T = TypeVar("T")


class Block:
    """Both ways to enter it."""

    def __init__(
        self, manager: AbstractAsyncContextManager[Any], token: trio.lowlevel.TrioToken
    ) -> None:
        self._manager = manager
        self._token = token

    async def __aenter__(self) -> JobTransaction:
        """Begin. Raises StaleAttempt, AttemptCompleted, ConfigurationError, ServerUnreachable."""
        require_trio("async with job.transaction()", instead="job.complete_in(connection)")
        opened: JobTransaction = await self._manager.__aenter__()
        return opened

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        """Complete the job and commit, or roll back. Raises StaleAttempt, TransactionLost."""
        return await self._manager.__aexit__(exc_type, exc_val, exc_tb)

    def __enter__(self) -> SyncJobTransaction:
        """Begin, from a thread."""
        require_thread("with job.transaction()")
        opened = self._on_the_loop(self._manager.__aenter__)
        surface: SyncJobTransaction = opened.in_thread(self._on_the_loop)
        return surface

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        """Complete the job and commit, or roll back, from a thread."""
        return self._on_the_loop(self._manager.__aexit__, exc_type, exc_val, exc_tb)

    def _on_the_loop(self, function: Callable[..., Awaitable[T]], *args: Any, **named: Any) -> T:
        # With its token the task is nobody's child: a handler that was told to end still sees its
        # statement through, and learns what became of it.
        return trio.from_thread.run(partial(function, **named), *args, trio_token=self._token)


def require_trio(what: str, *, instead: str) -> None:
    """Refuse what cannot work there. Raises ConfigurationError."""
    try:
        here = sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        here = "no event loop"
    if here != "trio":
        raise ConfigurationError(f"{what} needs trio, and here is {here}: use `await {instead}`")


def require_thread(what: str) -> None:
    """Refuse what would stop the loop. Raises ConfigurationError."""
    try:
        here = sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return
    raise ConfigurationError(f"{what} blocks, and here runs {here}: use the asynchronous form")
