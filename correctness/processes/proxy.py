"""A TCP proxy before PostgreSQL that knows where messages of its protocol begin and end.

It runs in threads of its own, so that a program can be played without an event loop. A connection
is cut between two messages, at the one a program names, or wherever it happens to be.
"""

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from correctness.processes.steps import Moment, Side

_CHUNK_BYTES: Final = 65536
_LENGTH_BYTES: Final = 4
_ENDS: Final[dict[Side, frozenset[bytes]]] = {
    "asks": frozenset({b"S", b"Q"}),
    "answers": frozenset({b"Z"}),
}
"""Sync and Query, which end what is asked at once; ReadyForQuery, which ends its answer."""
_COMMIT: Final = re.compile(rb"\bCOMMIT\b")


@dataclass(slots=True)
class Trap:
    """Where the next cut is to be, or what is to be kept back."""

    side: Side
    moment: Moment
    after: int
    """So many of these messages still pass, on whatever connections."""
    passed: bool
    about: str = ""
    """Only messages of calls of this function, or of COMMIT."""
    held_s: float = 0.0
    """Not cut, but kept back for so long."""

    def name(self) -> str:
        """What happens there, for whoever counts it."""
        what = "held" if self.held_s else "cut"
        return f"{what} ({self.side}, {self.moment}, {self.about or 'whatever'})"


@dataclass(slots=True)
class Messages:
    """Bytes cut into messages. What a client says first has no type."""

    first: bool
    _left: bytearray = field(default_factory=bytearray)

    def fed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Type and text of each message that is complete now."""
        self._left += data
        while True:
            head = 0 if self.first else 1
            if len(self._left) < head + _LENGTH_BYTES:
                return
            size = head + int.from_bytes(self._left[head : head + _LENGTH_BYTES], "big")
            if len(self._left) < size:
                return
            message = bytes(self._left[:size])
            del self._left[:size]
            kind = b"" if self.first else message[:1]
            self.first = False
            yield kind, message


class Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._sockets: Final = (client, server)
        self.silent = False
        self.going_on: Final = threading.Event()
        """What is kept back goes on: the connection is cut, or everything is healed."""
        self._prepared: Final[dict[bytes, bytes]] = {}
        self._calls: Final = [b""]
        """The SQL of each call that is not answered yet, the one that is being asked last."""

    def about(self, side: Side) -> bytes:
        """The SQL of the call that the next message of this side belongs to."""
        return self._calls[-1 if side == "asks" else 0]

    def hear(self, side: Side, kind: bytes, message: bytes) -> None:
        """Add what is asked to the call that is being asked."""
        if side == "answers":
            return
        text = message[1 + _LENGTH_BYTES :]
        if kind == b"P":
            name, sql, *_ = text.split(b"\0")
            self._prepared[name] = sql
        elif kind == b"B":
            _, name, *_ = text.split(b"\0")
            self._calls[-1] += self._prepared.get(name, b"")
        elif kind == b"Q":
            self._calls[-1] += text

    def end(self, side: Side, kind: bytes) -> None:
        """Go on to the next call, if this message is the last of one."""
        if kind not in _ENDS[side]:
            return
        if side == "asks":
            self._calls.append(b"")
        elif len(self._calls) > 1:
            # The first answer ends the log-in, which nobody asked for.
            del self._calls[0]

    def cut(self) -> None:
        """End both connections, whoever waits for them."""
        self.going_on.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Forget both."""
        for one in self._sockets:
            one.close()


class Proxy:
    """Listens from construction on until `close`. `conninfo` leads through it."""

    def __init__(self, conninfo: str) -> None:
        params = conninfo_to_dict(conninfo)
        self._path: Final = f"{params['host']}/.s.PGSQL.{params['port']}"
        self._listener: Final = socket.create_server(("127.0.0.1", 0))
        self.conninfo: Final = make_conninfo(
            conninfo,
            host="127.0.0.1",
            port=self._listener.getsockname()[1],
            sslmode="disable",
            gssencmode="disable",
        )
        self._lock: Final = threading.Lock()
        self._links: Final[set[Link]] = set()
        self._trap: Trap | None = None
        self.fired: Final[Counter[str]] = Counter()
        """The traps that were met: of which side, at what moment, of which call."""
        self.refusing = False
        """New connections are closed at once."""
        threading.Thread(target=self._listen, daemon=True).start()

    def set_trap(self, trap: Trap | None) -> None:
        """Cut at that message."""
        with self._lock:
            self._trap = trap

    def is_set(self) -> bool:
        """Whether that message is still to come."""
        return self._trap is not None

    def cut_all(self) -> None:
        """Cut every connection now."""
        for link in self._open():
            link.cut()

    def silence(self) -> None:
        """Let no answer through any more, on the connections of now."""
        for link in self._open():
            link.silent = True

    def heal(self) -> None:
        """Carry everything from now on; what was silent is cut, and is made anew."""
        self.set_trap(None)
        self.refusing = False
        for link in self._open():
            link.going_on.set()
            if link.silent:
                link.cut()

    def close(self) -> None:
        """Cut everything, and listen no more."""
        self.refusing = True
        # Closing alone would not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    def _open(self) -> list[Link]:
        with self._lock:
            return list(self._links)

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
            else:
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._path)
        except OSError:
            server.close()
            client.close()
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server)
        with self._lock:
            self._links.add(link)
        threading.Thread(target=self._carry_both, args=(link, client, server), daemon=True).start()

    def _carry_both(self, link: Link, client: socket.socket, server: socket.socket) -> None:
        back = threading.Thread(
            target=self._carry, args=(link, "answers", server, client), daemon=True
        )
        back.start()
        self._carry(link, "asks", client, server)
        back.join()
        with self._lock:
            self._links.discard(link)
        link.close()

    def _carry(self, link: Link, side: Side, source: socket.socket, to: socket.socket) -> None:
        messages = Messages(first=side == "asks")
        try:
            while data := source.recv(_CHUNK_BYTES):
                passing, cut, held_s = self._judged(link, side, messages.fed(data))
                if held_s:
                    link.going_on.wait(held_s)
                if passing and not (link.silent and side == "answers"):
                    to.sendall(passing)
                if cut:
                    break
        except OSError:
            pass
        link.cut()

    def _judged(
        self, link: Link, side: Side, messages: Iterator[tuple[bytes, bytes]]
    ) -> tuple[bytes, bool, float]:
        """What may pass of these messages, whether the connection is cut behind it, and when."""
        passing = bytearray()
        held_s = 0.0
        for kind, message in messages:
            link.hear(side, kind, message)
            trap = self._met(link, side, kind)
            link.end(side, kind)
            if trap is None or trap.passed:
                passing += message
            if trap is not None and not trap.held_s:
                return bytes(passing), True, held_s
            held_s += 0.0 if trap is None else trap.held_s
        return bytes(passing), False, held_s

    def _met(self, link: Link, side: Side, kind: bytes) -> Trap | None:
        """The trap, if it is at this message; it is gone then."""
        with self._lock:
            trap = self._trap
            if trap is None or trap.side != side:
                return None
            if trap.moment == "end" and kind not in _ENDS[side]:
                return None
            if trap.about and not _speaks_of(link.about(side), trap.about):
                return None
            if trap.after:
                trap.after -= 1
                return None
            self._trap = None
            self.fired[trap.name()] += 1
            return trap


def _speaks_of(sql: bytes, call: str) -> bool:
    if call == "commit":
        return _COMMIT.search(sql) is not None
    return f'"{call}"('.encode() in sql
