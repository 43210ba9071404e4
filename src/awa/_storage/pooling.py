"""Whether a session lasts, or a pooler gives every transaction another one.

A pooler answers a client's start itself, and so with a cancel key of its own: it has to, because
the client may be served by another backend when it asks for a cancel. Its process number differs
from what the backend says. So one round trip shows that a connection goes to the server itself.

Where it does not, sessions last all the same in a pooler's session mode. In its transaction mode
two connections that take turns are served by one backend, or one of them by several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from awa._storage import codec
from awa._storage.calls import Call
from awa._storage.connecting import open_connection
from awa._storage.executors import run_trio

if TYPE_CHECKING:
    from awa._storage.driver import TrioConnection

TURNS: Final = 8
"""Others who use the pooler meanwhile make a turn show nothing, now and then."""

_SERVED_BY: Final = Call(
    action="served_by", sql="select pg_backend_pid()", params=(), decode=codec.scalar(int)
)


async def sessions_last(one: TrioConnection[Any], conninfo: str) -> bool:
    """Whether sessions made with this connection string last; `one` is such a connection.

    Raises what calls raise, and ServerUnreachable when a second connection is needed.
    """
    before = await run_trio(one, _SERVED_BY)
    if before == one.info.backend_pid:
        return True
    async with open_connection(conninfo) as other:
        its_before = await run_trio(other, _SERVED_BY)
        for _ in range(TURNS):
            now, its_now = await run_trio(one, _SERVED_BY), await run_trio(other, _SERVED_BY)
            if now == its_now or now != before or its_now != its_before:
                return False
    return True
