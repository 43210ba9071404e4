"""psycopg on trio: the only file that touches psycopg's internals.

psycopg's protocol is written as generators that yield what they wait for, so waiting is all there
is to replace. What is replaced, and pinned by the seam test:

* `wait`: drives a generator by trio's `wait_readable` and `wait_writable`
* `connect`: the attempts at several hosts, name resolution and the timeout, by trio
* `lock`: a trio lock that is no checkpoint while it is free
* `cancel_safe`: the same cancel request, waited for by trio
* `transaction`, `commit`, `pipeline`, `close`, `cursor().copy`: what a cancelled scope means there

What a cancelled scope does:

* before a statement is sent: nothing is sent, Cancelled is raised;
* while a statement runs: the server is asked to cancel it. A statement that ended before the
  request came answers as usual (Cancelled follows at the next checkpoint); otherwise Cancelled is
  raised and the connection is usable. No answer within CANCEL_GRACE_S closes the connection;
* inside `transaction()`: the transaction is rolled back and the connection is usable;
* during COMMIT: no cancel is sent. Its answer is awaited for COMMIT_GRACE_S, and when it comes it
  counts as usual. Otherwise the connection is closed and `outcome_unknown` is True;
* inside `pipeline()`: as for a statement, if every answer can be had; else the connection is
  closed;
* inside COPY: the connection is closed.

A connection that breaks during COMMIT raises OutcomeUnknown. A closed connection is never usable
again: `closed` tells.
"""

# ruff: noqa: SLF001  # this is the place

from __future__ import annotations

from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import psycopg
import trio
from psycopg import pq
from psycopg.errors import _WaitTimeout
from psycopg.waiting import Ready

from awa._core.limits import CANCEL_GRACE_S, COMMIT_GRACE_S
from awa._storage.attempts import attempts_of, connect_timeout_s
from awa._storage.waiting import (
    Lock,
    answered_gen,
    drive,
    drive_connecting,
    entered,
    in_one_piece,
    left_gen,
    take_ready,
)
from awa.errors import OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from psycopg.abc import RV, AdaptContext, ConnParam, Params, PQGen, Query
    from psycopg.rows import AsyncRowFactory

    from awa._storage.ahead import AheadCursor

_RESEND_CANCEL_S: Final = 1.0
"""A cancel request may overtake the statement it is meant for and then does nothing."""

_LIBPQ_WITH_CANCEL: Final = 170000
"""From here on libpq can ask for a cancel without blocking."""

Row = TypeVar("Row")


class TrioCursor(psycopg.AsyncCursor[Row]):
    """A cursor whose COPY is all or nothing under cancellation."""

    @asynccontextmanager
    async def copy(
        self,
        statement: Query,
        params: Params | None = None,
        *,
        writer: psycopg.copy.AsyncWriter | None = None,
    ) -> AsyncIterator[psycopg.AsyncCopy]:
        """As psycopg's; when it is cancelled the connection is closed."""
        connection = self.connection
        assert isinstance(connection, TrioConnection)
        with connection.copying():
            async with super().copy(statement, params, writer=writer) as copy:
                yield copy


class _Transaction(psycopg.AsyncTransaction):
    """A transaction block that a cancelled scope rolls back, and whose COMMIT is seen through."""

    _conn: TrioConnection[Any]

    async def __aenter__(self) -> Self:
        depth = self._conn._num_transactions
        try:
            return await super().__aenter__()
        except BaseException:
            # Half begun: only the server's end of the session undoes it surely.
            if self._conn._num_transactions != depth:
                self._conn.discard()
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        if exc_val is not None or self.force_rollback:
            return await self._roll_back(exc_type, exc_val, exc_tb)
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
        except trio.Cancelled as cancelled:
            await self._roll_back(trio.Cancelled, cancelled, None)
            raise
        with self._conn.committing():
            return await super().__aexit__(None, None, None)

    async def _roll_back(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        with trio.move_on_after(CANCEL_GRACE_S, shield=True):
            return await super().__aexit__(exc_type, exc_val, exc_tb)
        self._conn.discard()
        return False


class TrioConnection(psycopg.AsyncConnection[Row]):
    """psycopg's AsyncConnection under trio. The module's docstring tells what cancelling does.

    Hold async generators (`notifies`) in `contextlib.aclosing`: an abandoned one keeps the lock.
    """

    pooled: bool = False
    """Its transactions may each be another session's. Nothing is prepared then, and no pipelines:
    PgBouncer 1.18 lost answers in them, and gave some to others."""
    outcome_unknown: bool = False
    """True when a COMMIT was sent and its answer never came."""

    def __init__(self, pgconn: pq.abc.PGconn, row_factory: Any = psycopg.rows.tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self.lock = Lock()  # type: ignore[assignment]  # psycopg only enters and leaves it
        self.cursor_factory = TrioCursor
        self._commit_sent = False
        self._copying = False

    @classmethod
    async def connect(
        cls,
        conninfo: str = "",
        *,
        autocommit: bool = False,
        prepare_threshold: int | None = 5,
        context: AdaptContext | None = None,
        row_factory: AsyncRowFactory[Row] | None = None,
        cursor_factory: type[psycopg.AsyncCursor[Row]] | None = None,
        **kwargs: ConnParam,
    ) -> Self:
        """Try the hosts in order, each for `connect_timeout` seconds, resolving names in threads.

        Raises psycopg.OperationalError, which lists every failure, when none of them answers.
        """
        params = await cls._get_connection_params(conninfo, **kwargs)
        failures: list[str] = []
        async with aclosing(attempts_of(params, failures)) as attempts:
            async for attempt in attempts:
                made = await cls._attempt(attempt, connect_timeout_s(params), failures)
                if made is not None:
                    made._autocommit = autocommit
                    made.prepare_threshold = prepare_threshold
                    made.row_factory = row_factory or made.row_factory
                    made.cursor_factory = cursor_factory or made.cursor_factory
                    if context is not None:
                        made._adapters = psycopg.adapt.AdaptersMap(context.adapters)
                    return made
        raise psycopg.OperationalError("no host accepted the connection: " + "; ".join(failures))

    @classmethod
    async def _attempt(
        cls, attempt: dict[str, Any], timeout_s: float, failures: list[str]
    ) -> Self | None:
        gen = cls._connect_gen(psycopg.conninfo.make_conninfo("", **attempt))
        try:
            with trio.move_on_after(timeout_s):
                return await drive_connecting(gen)
            problem = f"no answer within {timeout_s:g} s"
        except psycopg.OperationalError as error:
            problem = str(error)
        finally:
            gen.close()
        failures.append(f"{attempt.get('host') or 'local socket'}: {problem.strip()}")
        return None

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = 0.0,  # noqa: ARG002  # psycopg's signature; trio can interrupt
        timeout: float | None = None,  # noqa: ASYNC109  # psycopg's signature
    ) -> RV:
        """Drive a generator of psycopg to its end."""
        if self._copying or self.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
            await trio.lowlevel.checkpoint_if_cancelled()
        if timeout is None:
            return await self._wait(gen)
        if timeout <= 0:
            # A scope without time is cancelled before it looks; psycopg means one look.
            return take_ready(gen, self.pgconn.socket)
        with trio.move_on_after(timeout):
            return await self._wait(gen)
        raise _WaitTimeout("wait timeout expired")

    async def _wait(self, gen: PQGen[RV]) -> RV:
        try:
            return await drive(gen, self.pgconn.socket, None)
        except trio.Cancelled:
            if self.closed or self.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
                raise  # nothing is under way on the server
            ended = await self._end(gen)
            if not ended:
                raise
            return ended[0]

    async def _end(self, gen: PQGen[RV]) -> tuple[RV] | tuple[()]:
        """Get the last word on a statement whose caller was cancelled: its value, or nothing."""
        if self._copying:
            self.discard()
            return ()
        with trio.move_on_after(COMMIT_GRACE_S if self._commit_sent else CANCEL_GRACE_S) as grace:
            grace.shield = True
            try:
                return (await self._drive_cancelling(gen),)
            except psycopg.Error:
                if not self.closed:
                    return ()
        self.outcome_unknown = self._commit_sent
        self.discard()
        return ()

    async def _drive_cancelling(self, gen: PQGen[RV]) -> RV:
        while True:
            if self._commit_sent:
                return await drive(gen, self.pgconn.socket, Ready.NONE)
            await self._try_cancel(timeout=CANCEL_GRACE_S)
            with trio.move_on_after(_RESEND_CANCEL_S):
                return await drive(gen, self.pgconn.socket, Ready.NONE)

    async def cancel_safe(self, *, timeout: float = CANCEL_GRACE_S) -> None:  # noqa: ASYNC109
        """Ask the server to cancel what it does. Raises psycopg's CancellationTimeout."""
        if not self._should_cancel():
            return
        with trio.move_on_after(timeout):
            if pq.version() < _LIBPQ_WITH_CANCEL:
                await trio.to_thread.run_sync(self.cancel, abandon_on_cancel=True)
            else:
                await drive_connecting(self._cancel_gen())
            return
        raise psycopg.errors.CancellationTimeout("cancellation timeout expired")

    @asynccontextmanager
    async def transaction(
        self,
        savepoint_name: str | None = None,
        force_rollback: bool = False,  # noqa: FBT001, FBT002  # psycopg's signature
    ) -> AsyncIterator[psycopg.AsyncTransaction]:
        """As psycopg's. Raises OutcomeUnknown when the connection breaks during COMMIT."""
        block = _Transaction(self, savepoint_name, force_rollback)
        if self._pipeline:
            async with self.pipeline(), block, self.pipeline():
                yield block
        else:
            async with block:
                yield block

    async def commit(self) -> None:
        """As psycopg's. Raises OutcomeUnknown when the connection breaks meanwhile."""
        with self.committing():
            await super().commit()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """While a COMMIT is under way it is not cancelled, and losing its answer has a name."""
        self._commit_sent = True
        try:
            yield
        except psycopg.OperationalError as error:
            if not self.closed:
                raise
            self.outcome_unknown = True
            raise OutcomeUnknown(
                "the connection broke during COMMIT: the transaction may or may not have happened"
            ) from error
        finally:
            self._commit_sent = False

    @contextmanager
    def copying(self) -> Iterator[None]:
        """While a COPY is under way: what leaves it half done closes the connection."""
        self._copying = True
        try:
            yield
        finally:
            self._copying = False
            if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                self.discard()

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[psycopg.AsyncPipeline]:
        """As psycopg's; a pipeline that cannot be left cleanly closes the connection."""
        try:
            async with super().pipeline() as pipeline:
                yield pipeline
        except psycopg.OperationalError:
            # psycopg lets "cannot exit pipeline mode" take the place of the cancellation.
            await trio.lowlevel.checkpoint_if_cancelled()
            raise
        finally:
            stuck = self.pgconn.pipeline_status != pq.PipelineStatus.OFF
            if self._pipeline is None and stuck and not self.closed:
                self.discard()

    def in_one_piece(self) -> AbstractContextManager[None]:
        """In a pipeline: what the block executes commits, and keeps no lock if we are frozen."""
        assert self._pipeline is not None
        return in_one_piece(self._pipeline)

    def separate(self) -> None:
        """In a pipeline: what was sent so far commits, whatever becomes of what follows."""
        assert self._pipeline is not None
        self._pipeline._enqueue_sync()

    async def send_pipeline(self) -> None:
        """In a pipeline: send what was executed, and take in what was answered meanwhile."""
        assert self._pipeline is not None
        async with self.lock:
            await self.wait(self._pipeline._communicate_gen())

    async def answered(self, cursor: AheadCursor) -> None:
        """In a pipeline: wait for this cursor's answer, and for none that is behind it.

        Raises its error.
        """
        async with self.lock:
            assert self._pipeline is not None
            await self.wait(answered_gen(self._pipeline, cursor))

    @property
    def open_pipeline(self) -> psycopg.AsyncPipeline | None:
        """The pipeline that calls are in just now."""
        return self._pipeline

    def enter_pipeline(self) -> psycopg.AsyncPipeline:
        """As `pipeline`, but until `leave_pipeline`. Nothing may be under way. No checkpoint."""
        self._pipeline = entered(psycopg.AsyncPipeline(self))
        return self._pipeline

    async def leave_pipeline(self) -> None:
        """Wait for all answers that are missing, whatever they say. Sends nothing."""
        assert self._pipeline is not None
        async with self.lock:
            await self.wait(left_gen(self._pipeline))
        self._pipeline = None

    async def close(self) -> None:
        """Close the connection; an open transaction is rolled back by the server. No checkpoint."""
        self.discard()

    def discard(self) -> None:
        """Close the connection at once; tasks that wait on it get psycopg.OperationalError."""
        if self.closed:
            return
        self._closed = True
        if trio.lowlevel.in_trio_run():
            trio.lowlevel.notify_closing(self.pgconn.socket)
        self.pgconn.finish()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None and not self.closed:
                await self.commit()
        finally:
            self.discard()
