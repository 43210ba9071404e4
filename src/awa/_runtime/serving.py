"""A port that answers whether the worker is well: GET /healthz and GET /readyz, by HTTP/1.1.

h11 reads and writes the protocol, trio the sockets. One request per connection, bounded in size,
time and number: whoever may reach the port can at most have it answer others later.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import h11
import trio

from awa._runtime.limits import (
    HEALTH_CONNECTIONS_MAX,
    HEALTH_REQUEST_BYTES_MAX,
    HEALTH_TIMEOUT_S,
)
from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log: Final = logging.getLogger("awa.worker")
_READS: Final = (b"GET", b"HEAD")
_CHUNK_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered: a status, and a JSON document."""

    status: int
    document: bytes = b"{}"


async def open_port(host: str, port: int) -> list[trio.SocketListener]:
    """Open the port, so that its use by somebody else is known at the start.

    Raises ConfigurationError.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise ConfigurationError(f"health port {host}:{port} cannot be opened: {error}") from error


def address_of(listeners: Sequence[trio.SocketListener]) -> tuple[str, int]:
    """Where the first of them listens."""
    host, port = listeners[0].socket.getsockname()[:2]
    return str(host), int(port)


async def serve(
    listeners: Sequence[trio.SocketListener], answer: Callable[[str], Answer | None]
) -> None:
    """Answer until cancelled. `answer(path)` is None for a path that there is not."""
    places = trio.CapacityLimiter(HEALTH_CONNECTIONS_MAX)

    async def talk(stream: trio.SocketStream) -> None:
        # What goes wrong with one who asks is their own affair.
        with trio.move_on_after(HEALTH_TIMEOUT_S):
            async with places, stream:
                try:
                    await _talk(stream, answer)
                except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
                    _log.debug("a request for health was not to be understood, or broke off")

    await trio.serve_listeners(talk, list(listeners))


async def _talk(stream: trio.SocketStream, answer: Callable[[str], Answer | None]) -> None:
    conn = h11.Connection(h11.SERVER, max_incomplete_event_size=HEALTH_REQUEST_BYTES_MAX)
    try:
        request = await _request(stream, conn)
    except h11.RemoteProtocolError as error:
        await _send(stream, conn, Answer(status=error.error_status_hint))
        return
    if request is None:
        return
    if request.method not in _READS:
        found = Answer(status=405)
    else:
        path = request.target.partition(b"?")[0].decode("ascii", "replace")
        found = answer(path) or Answer(status=404)
    await _send(stream, conn, found, with_body=request.method != b"HEAD")


async def _request(stream: trio.SocketStream, conn: h11.Connection) -> h11.Request | None:
    while True:
        event = conn.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        conn.receive_data(await stream.receive_some(_CHUNK_BYTES))


async def _send(
    stream: trio.SocketStream, conn: h11.Connection, found: Answer, *, with_body: bool = True
) -> None:
    headers = [
        ("content-type", "application/json"),
        ("content-length", str(len(found.document))),
        ("cache-control", "no-store"),
        ("connection", "close"),
    ]
    if found.status == 405:  # noqa: PLR2004  # HTTP's own number
        headers.append(("allow", "GET, HEAD"))
    events = [
        h11.Response(status_code=found.status, headers=headers),
        h11.Data(data=found.document if with_body else b""),
        h11.EndOfMessage(),
    ]
    await stream.send_all(b"".join(conn.send(event) or b"" for event in events))
