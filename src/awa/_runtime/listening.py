"""The listener: one connection that hears NOTIFY, holds the sleeping flags and carries the beats.

One task owns the connection. Others hand it requests, which it carries out in their order; between
them it waits for the socket. When the connection breaks, open requests end with `Deaf`, the flags
are gone, and the worker polls until the listener is back.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import trio

from awa._runtime.limits import CALL_TIMEOUT_S
from awa._runtime.reconnecting import ANSWERS, Session
from awa._storage.calls import Call
from awa._storage.driver import TrioConnection
from awa._storage.executors import run_trio
from awa._storage.names import ended_channel, quoted

T = TypeVar("T")


class Deaf(Exception):
    """There is no listener's connection just now; the request may or may not have been done."""


@dataclass(slots=True)
class _Request:
    calls: Sequence[Call[Any]]
    then: Callable[[list[Any] | BaseException], None]
    optional: bool
    """What it fails with is the asker's business, as long as the connection is sound."""


def listen_calls(schema: str) -> list[Call[None]]:
    """LISTEN on the schema's channels: for queues and the leader, and for attempts that ended."""
    return [
        Call(action="listen", sql=f"listen {name}", params=(), decode=_done)
        for name in (
            quoted(channel).replace("%", "%%") for channel in (schema, ended_channel(schema))
        )
    ]


def _done(_rows: object) -> None:
    return None


class Listener:
    """See the module. `session` says LISTEN and takes the liveness lock in its hello.

    `on_heard(queue)`, `on_leader()`, `on_ended(worker)`, `on_up()` and `on_down()` are called in
    this task; they must not block.
    """

    def __init__(
        self,
        session: Session,
        *,
        schema: str,
        on_heard: Callable[[str], None],
        on_leader: Callable[[], None],
        on_ended: Callable[[str], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
    ) -> None:
        self._session: Final = session
        self._ended_channel = ended_channel(schema)
        self._on_heard = on_heard
        self._on_leader = on_leader
        self._on_ended = on_ended
        self._on_up = on_up
        self._on_down = on_down
        self._requests: deque[_Request] = deque()
        self._waiting: trio.CancelScope | None = None
        self.is_up = False
        self.began: Final = trio.Event()
        """Set when the first attempt to connect has ended, well or badly."""
        self.sign_s = trio.current_time()
        """When the server last said anything, by trio's clock."""
        self.sessions = 0
        """How many there have been: what was seen through one ends with it."""

    @property
    def trouble(self) -> str:
        """What the last attempt to hold the connection failed with; empty while all is well."""
        return self._session.trouble

    def post(
        self,
        calls: Sequence[Call[Any]],
        then: Callable[[list[Any] | BaseException], None],
        *,
        optional: bool = False,
    ) -> None:
        """Carry out these calls one after the other, later; `then` gets the answers or the error.

        Without a connection `then` gets Deaf at once.
        """
        if not self.is_up:
            then(Deaf())
            return
        self._requests.append(_Request(calls, then, optional))
        if self._waiting is not None:
            self._waiting.cancel()

    async def ask(self, call: Call[T], *, optional: bool = False) -> T:
        """Carry out one call and wait for its answer. Raises Deaf, and what the call raises.

        What that is may be anything: an answer that cannot be read is an error of its own kind.

        Trouble with a call costs the connection, unless it is an optional one.
        """
        answered = trio.Event()
        box: list[Any] = []

        def then(answer: list[Any] | BaseException) -> None:
            box.append(answer)
            answered.set()

        self.post([call], then, optional=optional)
        await answered.wait()
        if isinstance(box[0], BaseException):
            raise box[0]
        answer: T = box[0][0]
        return answer

    async def run(self) -> None:
        """Hold the connection, and get it back when it breaks, until cancelled."""
        try:
            while True:
                try:
                    with trio.fail_after(CALL_TIMEOUT_S):
                        conn = await self._session.connected()
                    self.is_up = True
                    self.sign_s = trio.current_time()
                    self.sessions += 1
                    self.began.set()
                    self._on_up()
                    await self._serve(conn)
                except Exception as error:  # noqa: BLE001  # whatever it is, it is made anew
                    self.began.set()
                    self._lost()
                    # Even a sound one: its flags may be up, and nobody here knows of them any more.
                    await self._session.aclose()
                    await self._session.had_trouble("listen", error)
        finally:
            self._lost()
            await self._session.aclose()

    async def _serve(self, conn: TrioConnection[Any]) -> None:
        while True:
            while self._requests:
                await self._carry_out(conn, self._requests[0])
                self._requests.popleft()
                # Not when it is made: a connection that breaks at its first use is no better.
                self._session.is_fine()
                self.sign_s = trio.current_time()
            await self._take_notifications(conn)
            if not self._requests:
                with trio.CancelScope() as self._waiting:
                    await trio.lowlevel.wait_readable(conn.fileno())
                    self.sign_s = trio.current_time()
                self._waiting = None

    async def _carry_out(self, conn: TrioConnection[Any], request: _Request) -> None:
        answers: list[Any] | BaseException
        try:
            # A path that swallows packets breaks nothing: only the missing answer shows it, and
            # a beat that waits for TCP to give up comes a quarter of an hour late.
            with trio.fail_after(CALL_TIMEOUT_S):
                answers = [await run_trio(conn, call) for call in request.calls]
        except ANSWERS as error:
            answers = error
        except Exception as error:
            if not request.optional or conn.closed or isinstance(error, trio.TooSlowError):
                raise
            answers = error
        request.then(answers)

    async def _take_notifications(self, conn: TrioConnection[Any]) -> None:
        # With no time to wait this only takes what has arrived, in answers or on its own.
        async with aclosing(conn.notifies(timeout=0)) as heard:
            async for notification in heard:
                if notification.channel == self._ended_channel:
                    self._on_ended(notification.payload)
                elif notification.payload:
                    self._on_heard(notification.payload)
                else:
                    self._on_leader()

    def _lost(self) -> None:
        if self.is_up:
            self.is_up = False
            self._on_down()
        self._waiting = None
        while self._requests:
            self._requests.popleft().then(Deaf())
