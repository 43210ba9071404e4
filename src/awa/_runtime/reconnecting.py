"""A connection that comes back: a call is asked until it is answered.

Every call of the worker may be repeated: a claim carries its token, a settle its settle id, a beat
its number. So whatever trouble there is with the database or on the way to it, the same call is
sent again after a pause, on a new connection if need be. The worker never exits for such trouble.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

import psycopg
import trio

from awa._runtime.backoff import pause_s
from awa._runtime.chance import jitter
from awa._runtime.limits import CALL_TIMEOUT_S, RECONNECT_MAX_S, RECONNECT_MIN_S
from awa._storage.calls import Call
from awa._storage.connecting import open_connection
from awa._storage.driver import TrioConnection
from awa._storage.executors import run_trio
from awa._storage.piping import Asked, answer_of, send_ahead
from awa._storage.pooling import sessions_last
from awa.errors import AwaError, InvalidInput, LimitExceeded, ServerBusy, UnknownWorker

T = TypeVar("T")

_log: Final = logging.getLogger("awa.worker")

TROUBLE: Final = (AwaError, psycopg.Error, OSError, trio.TooSlowError)
"""What may happen to a call; all of it is retried but what is in ANSWERS.

What is not named here either, a defect in reading an answer for instance, is no reason to end.
"""

ANSWERS: Final = (UnknownWorker, InvalidInput, LimitExceeded)
"""Errors that asking again does not change."""


class Session:
    """One connection, used by one task. `hello` is said first on every new connection.

    `lasting`: it is known that a session lasts there, so `settings` may be made in it. `final` are
    the errors that end the asking.
    """

    def __init__(
        self,
        *,
        name: str,
        conninfo: str,
        hello: Sequence[Call[Any]] = (),
        settings: Mapping[str, str] | None = None,
        lasting: bool = False,
        final: tuple[type[Exception], ...] = ANSWERS,
    ) -> None:
        self.name: Final = name
        self._conninfo = conninfo
        self._hello = hello
        self._settings = settings
        self._lasting = lasting
        self._final = final
        self._conn: TrioConnection[Any] | None = None
        self._stack = AsyncExitStack()
        self._troubles = 0
        self.trouble = ""
        """What the last attempt failed with; empty while all is well."""
        self.asked_s = float("inf")
        """When the call under way was asked first, by trio's clock; infinite without one."""
        self.answered_s: float | None = None
        """When the last call was answered, by trio's clock."""
        self.task: trio.lowlevel.Task | None = None
        """The task that waits for the call under way."""

    async def ask(self, call: Call[T]) -> T:
        """Ask until answered. Raises UnknownWorker, InvalidInput, LimitExceeded."""
        return await self.answer(Asked(call=call))

    async def send(self, *calls: Asked[Any]) -> None:
        """Send calls behind those that are under way, as far as that can be had.

        What is in trouble meanwhile is sent again when its answer is asked for.
        """
        try:
            with trio.fail_after(CALL_TIMEOUT_S):
                await send_ahead(await self.connected(), *calls)
        except Exception as error:  # noqa: BLE001  # whatever it is, no call is given up
            await self.aclose()
            await self.had_trouble(calls[0].call.action, error)
        except BaseException:
            await self.aclose()
            raise

    async def answer(self, asked: Asked[T]) -> T:
        """Wait for the answer to a call, which may have been sent; ask until answered, as `ask`."""

        async def send(conn: TrioConnection[Any]) -> T:
            return await answer_of(conn, asked)

        return await self._until_answered(asked.call.action, send)

    async def reach(self) -> bool:
        """Be connected; if that fails, say so after a pause. One attempt."""
        if self._conn is not None:
            return True
        try:
            with trio.fail_after(CALL_TIMEOUT_S):
                await self.connected()
        except Exception as error:  # noqa: BLE001  # whatever it is, it may be over soon
            await self.had_trouble("connecting", error)
            return False
        except BaseException:
            await self.aclose()
            raise
        return True

    async def lasts(self) -> bool:
        """Whether sessions last here, or are those of a pooler; asked until answered."""

        async def look(conn: TrioConnection[Any]) -> bool:
            return await sessions_last(conn, self._conninfo)

        return await self._until_answered("self-test", look)

    async def aclose(self) -> None:
        """Close the connection, if there is one."""
        self._conn = None
        stack, self._stack = self._stack, AsyncExitStack()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1.0):
            await stack.aclose()

    async def connected(self) -> TrioConnection[Any]:
        """The connection, made if there is none. Raises what the attempt raises."""
        if self._conn is None:
            conn = await self._stack.enter_async_context(
                open_connection(self._conninfo, settings=self._settings, lasting=self._lasting)
            )
            try:
                for call in self._hello:
                    await run_trio(conn, call)
            except BaseException:
                # Nobody would use it again: the next attempt opens another one.
                conn.discard()
                raise
            self._conn = conn
        return self._conn

    async def _until_answered(
        self, action: str, send: Callable[[TrioConnection[Any]], Awaitable[T]]
    ) -> T:
        self.asked_s, self.task = trio.current_time(), trio.lowlevel.current_task()
        try:
            return await self._again_and_again(action, send)
        finally:
            self.asked_s, self.task = float("inf"), None

    async def _again_and_again(
        self, action: str, send: Callable[[TrioConnection[Any]], Awaitable[T]]
    ) -> T:
        while True:
            try:
                with trio.fail_after(CALL_TIMEOUT_S):
                    answer = await send(await self.connected())
            except self._final:
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, the call is not given up
                await self.had_trouble(action, error)
            except BaseException:
                # Cancelled in the middle: the connection may owe an answer to somebody else.
                await self.aclose()
                raise
            else:
                self.is_fine()
                self.answered_s = trio.current_time()
                return answer

    def is_fine(self) -> None:
        """The connection works (again)."""
        if self._troubles:
            _log.info("the %s connection works again", self.name)
        self._troubles = 0
        self.trouble = ""

    async def had_trouble(self, action: str, error: BaseException) -> None:
        """Report it, drop what may be broken, and pause before the next attempt."""
        self._troubles += 1
        self.trouble = brief(error)
        retry_s = pause_s(
            tries=self._troubles,
            least_s=RECONNECT_MIN_S,
            most_s=RECONNECT_MAX_S,
            jitter=jitter(),
        )
        _log.warning(
            "%s: %s failed, trying again in %.2f s: %s", self.name, action, retry_s, brief(error)
        )
        if not isinstance(error, ServerBusy):
            await self.aclose()
        await trio.sleep(retry_s)


def is_servers_limit(error: Exception) -> bool:
    """Whether a limit of the server's was met, which may be one of what it can do just now."""
    cause = error.__cause__
    return isinstance(cause, psycopg.Error) and (cause.sqlstate or "").startswith("54")


def brief(error: BaseException) -> str:
    """Name and first line of an error, for a line of the log."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
