"""The leader's seat: the one session that holds the lock and carries all of the leader's calls.

Who leads has the lock on the very connection that does the work. So whoever cannot work does not
hold the lock, and whoever lost the lock can do no more work. Nothing depends on there being one
leader: its calls may be made by two at once, and then they share or repeat the work.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from awa._runtime.limits import CALL_TIMEOUT_S
from awa._runtime.reconnecting import TROUBLE, Session
from awa._storage.calls import Call
from awa._storage.executors import run_trio
from awa.errors import OutcomeUnknown

T = TypeVar("T")


class Unseated(Exception):
    """The leader's session is gone, and the lock with it."""


class Seat:
    """One session, used by several sweeps in turn. `on_lost()` is called once, when it breaks."""

    def __init__(self, session: Session, *, on_lost: Callable[[], None]) -> None:
        self._session: Final = session
        self._on_lost = on_lost
        self._turn: Final = trio.Lock()
        self.lost: BaseException | None = None
        """Why the session is gone."""

    async def ask(self, call: Call[T]) -> T:
        """Carry out one call. Raises Unseated, and what the call raises on a sound connection."""
        async with self._turn:
            if self.lost is not None:
                raise Unseated
            try:
                with trio.fail_after(CALL_TIMEOUT_S):
                    conn = await self._session.connected()
                    return await run_trio(conn, call)
            except TROUBLE as error:
                if isinstance(error, trio.TooSlowError | OutcomeUnknown) or conn.closed:
                    self._lose(error)
                    raise Unseated from error
                raise

    def _lose(self, error: BaseException) -> None:
        self.lost = error
        self._on_lost()
