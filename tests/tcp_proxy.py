"""A TCP proxy before PostgreSQL, under the test's control: it cuts connections where it matters.

`cut_after_sending(text)`: the next client message that contains the text reaches the server, and
the server executes it; its answer does not reach the client, whose connection is cut.
`cut_before_sending(text)`: that message does not reach the server.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK_BYTES = 65536


@dataclass(slots=True)
class Proxy:
    """A proxy that runs. `conninfo` leads through it."""

    conninfo: str
    _cut_on: bytes | None = None
    _cut_before: bytes | None = None
    _links: set["_Link"] = field(default_factory=set)
    cuts: int = 0
    """How many answers, or messages, were withheld."""
    refusing: bool = False
    """New connections are closed at once."""

    def cut_after_sending(self, text: str) -> None:
        """Withhold the answer to the next message that contains the text, and cut."""
        self._cut_on = text.encode()

    def cut_before_sending(self, text: str) -> None:
        """Withhold the next message that contains the text, and cut."""
        self._cut_before = text.encode()

    def cut_all(self) -> None:
        """Cut every connection now."""
        for link in list(self._links):
            link.scope.cancel()

    def cut_those_that_said(self, text: str) -> int:
        """Cut the connections that ever sent this text; answers how many."""
        found = [link for link in self._links if text.encode() in link.said]
        for link in found:
            link.scope.cancel()
        return len(found)

    def silence_those_that_said(self, text: str) -> int:
        """Swallow all answers on the connections that ever sent this text, and cut nothing."""
        found = [link for link in self._links if text.encode() in link.said]
        for link in found:
            link.silent = True
        return len(found)

    async def serve(self, client: trio.SocketStream, server: trio.abc.Stream) -> None:
        """Carry bytes both ways until one side ends or the test cuts."""
        link = _Link()
        self._links.add(link)
        try:
            async with client, server, trio.open_nursery() as nursery:
                link.scope = nursery.cancel_scope
                nursery.start_soon(self._to_server, link, client, server)
                await self._to_client(link, server, client)
                nursery.cancel_scope.cancel()
        except (trio.BrokenResourceError, trio.ClosedResourceError, BaseExceptionGroup):
            pass
        finally:
            self._links.discard(link)

    async def _to_server(
        self, link: "_Link", client: trio.SocketStream, server: trio.abc.Stream
    ) -> None:
        while data := await client.receive_some(CHUNK_BYTES):
            link.said += data
            if self._cut_before is not None and self._cut_before in data:
                self._cut_before = None
                self.cuts += 1
                break
            if self._cut_on is not None and self._cut_on in data:
                self._cut_on = None
                link.withholding = True
            await server.send_all(data)
        link.scope.cancel()

    async def _to_client(
        self, link: "_Link", server: trio.abc.Stream, client: trio.SocketStream
    ) -> None:
        while data := await server.receive_some(CHUNK_BYTES):
            if link.withholding:
                # The server has answered, so it has committed: now the answer is lost.
                self.cuts += 1
                return
            if not link.silent:
                await client.send_all(data)


@dataclass(slots=True, eq=False)
class _Link:
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    said: bytearray = field(default_factory=bytearray)
    withholding: bool = False
    silent: bool = False


@asynccontextmanager
async def open_proxy(conninfo: str) -> AsyncIterator[Proxy]:
    """Run a proxy before the server of this connection string, which listens on a Unix socket."""
    params = conninfo_to_dict(conninfo)
    path = f"{params['host']}/.s.PGSQL.{params.get('port', 5432)}"
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    through = {"host": "127.0.0.1", "port": port, "sslmode": "disable", "gssencmode": "disable"}
    proxy = Proxy(make_conninfo(conninfo, **through))

    async def accepted(client: trio.SocketStream) -> None:
        if proxy.refusing:
            await client.aclose()
            return
        try:
            server = await trio.open_unix_socket(path)
        except OSError:
            await client.aclose()
            return
        await proxy.serve(client, server)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, accepted, [listener])
        yield proxy
        nursery.cancel_scope.cancel()
