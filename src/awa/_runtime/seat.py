"""The leader's seat: a session whose end is the end of the reign.

Who leads has the lock on the very connection that does the work. So whoever cannot work does not
hold the lock, and whoever lost the lock does not go on. Nothing depends on there being one leader:
its calls may be made by two at once, and then they share or repeat the work.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import trio

from awa._runtime.limits import CALL_TIMEOUT_S
from awa._runtime.reconnecting import TROUBLE, Session
from awa._storage.calls import Call
from awa._storage.driver import TrioConnection
from awa._storage.executors import run_trio
from awa.errors import OutcomeUnknown

T = TypeVar("T")


class Unseated(Exception):
    """The session is gone, and the reign is over."""


class Seat:
    """One session, used by several sweeps in turn. `on_lost()` is called once, when it breaks."""

    def __init__(
        self,
        session: Session,
        *,
        on_lost: Callable[[], None],
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._session: Final = session
        self._on_lost = on_lost
        self._timeout_s = timeout_s
        self._turn: Final = trio.Lock()
        self.lost: BaseException | None = None
        """Why the session is gone."""

    async def ask(self, call: Call[T]) -> T:
        """Carry out one call. Raises Unseated, and what the call raises on a sound connection."""
        async with self._turn:
            if self.lost is not None:
                raise Unseated
            conn = await self._connected()
            try:
                with trio.fail_after(self._timeout_s):
                    return await run_trio(conn, call)
            except TROUBLE as error:
                if isinstance(error, trio.TooSlowError | OutcomeUnknown) or conn.closed:
                    raise self._losing(error) from error
                raise

    async def _connected(self) -> TrioConnection[Any]:
        try:
            with trio.fail_after(CALL_TIMEOUT_S):
                return await self._session.connected()
        except TROUBLE as error:
            raise self._losing(error) from error

    def _losing(self, error: BaseException) -> Unseated:
        self.lost = error
        self._on_lost()
        return Unseated()
