"""The database's clock, seen from here: deadlines are its times, scopes need trio's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import trio

from awa._storage.calls import Call, Rows


@dataclass(slots=True)
class ServerClock:
    """How far the server's clock is from trio's. Nothing else of the worker reads wall clocks."""

    offset_s: float = 0.0
    """Server's seconds since 1970 minus trio's seconds."""

    def looked(self, *, asked_s: float, answered_s: float, server_s: float) -> None:
        """The server said `server_s` at some moment between these two of trio's clock."""
        self.offset_s = server_s - (asked_s + answered_s) / 2

    def server_s(self) -> float:
        """What time the server has now, in seconds since 1970."""
        return trio.current_time() + self.offset_s

    def local_s(self, moment: datetime | None) -> float:
        """A moment of the server's clock, by trio's; infinite for none."""
        return float("inf") if moment is None else moment.timestamp() - self.offset_s


async def look_at_the_clock(
    clock: ServerClock, ask: Callable[[Call[float]], Awaitable[float]]
) -> None:
    """Ask the server what time it is. Raises what `ask` raises."""
    asked_s = trio.current_time()
    server_s = await ask(clock_call())
    clock.looked(asked_s=asked_s, answered_s=trio.current_time(), server_s=server_s)


def clock_call() -> Call[float]:
    """What time the server has, in seconds since 1970."""
    return Call(
        action="clock",
        sql="select extract(epoch from clock_timestamp())::float8",
        params=(),
        decode=_seconds,
    )


def _seconds(rows: Rows) -> float:
    return float(rows[0][0])
