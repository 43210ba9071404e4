"""Drive psycopg's generators by trio: each yields what it waits for and is sent what is ready."""

# ruff: noqa: SLF001  # the driver's part of psycopg's insides

from __future__ import annotations

import select
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
import trio
from psycopg.errors import _WaitTimeout
from psycopg.generators import fetch_many
from psycopg.waiting import Ready, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg._pipeline_base import BasePipeline
    from psycopg.abc import RV, PQGen, PQGenConn

    from awa._storage.ahead import AheadCursor

Pipeline = TypeVar("Pipeline", bound="BasePipeline")

_READ: Final = int(Wait.R)
_WRITE: Final = int(Wait.W)


class Lock:
    """A trio lock that is no checkpoint while it is free.

    A checkpoint there would make cleaning up in a cancelled scope impossible.
    """

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    def locked(self) -> bool:
        """Whether a task holds it."""
        return self._lock.locked()


async def drive(gen: PQGen[RV], fileno: int, ready: Ready | None) -> RV:
    """Run a generator from its start (`ready` None), or on from where a cancel found it (NONE)."""
    try:
        want = gen.send(ready)  # type: ignore[arg-type]  # None is how a generator is started
        while True:
            want = gen.send(await _wait_for(fileno, want))
    except StopIteration as stop:
        value: RV = stop.value
        return value
    except (OSError, trio.ClosedResourceError) as error:
        raise psycopg.OperationalError("the connection's socket was closed") from error


def take_ready(gen: PQGen[RV], fileno: int) -> RV:
    """Run a generator on what is there already. Raises psycopg's time-out when it wants more."""
    try:
        want = next(gen)
        while ready := _ready_now(fileno) & want:
            want = gen.send(ready)
    except StopIteration as stop:
        value: RV = stop.value
        return value
    raise _WaitTimeout("wait timeout expired")


@contextmanager
def in_one_piece(pipeline: BasePipeline) -> Iterator[None]:
    """What the block executes is not sent before its Sync is: both leave in one piece, later.

    The server keeps a statement's locks until it has read a Sync. Who is frozen, or cut off, after
    the one and before the other would keep them from everybody, for as long as that lasts.
    """
    send = "_communicate_gen"
    setattr(pipeline, send, lambda: iter(()))
    try:
        yield
    finally:
        delattr(pipeline, send)
    pipeline._enqueue_sync()
    pieces = tuple(pipeline.command_queue)
    pipeline.command_queue.clear()

    def send_all() -> None:
        for piece in pieces:
            piece()

    pipeline.command_queue.append(send_all)


def entered(pipeline: Pipeline) -> Pipeline:
    """Begin a pipeline on a connection with nothing under way, so that it waits for nothing."""
    deque(pipeline._enter_gen(), maxlen=0)
    return pipeline


def answered_gen(pipeline: BasePipeline, cursor: AheadCursor) -> PQGen[None]:
    """Send what was not sent, and wait until this cursor has its answer. Raises its error."""
    yield from pipeline._communicate_gen()
    while not cursor.has_answer and pipeline.result_queue:
        results = yield from fetch_many(pipeline.pgconn)
        pipeline._process_results(pipeline.result_queue.popleft(), results)
    if cursor.failure is not None:
        # From here, so that whoever cancels learns that the statement did not end.
        raise cursor.failure


def left_gen(pipeline: BasePipeline) -> PQGen[None]:
    """Wait for all answers, and end the pipeline: what psycopg's own end sends beside is there."""
    while pipeline.result_queue:
        results = yield from fetch_many(pipeline.pgconn)
        # An error is its own cursor's. Whether a statement is prepared is learnt here as well.
        with suppress(psycopg.Error):
            pipeline._process_results(pipeline.result_queue.popleft(), results)
    pipeline._exit(None)


async def drive_connecting(gen: PQGenConn[RV]) -> RV:
    """The same for generators that name their socket each time: libpq tries several."""
    try:
        fileno, want = next(gen)
        while True:
            fileno, want = gen.send(await _wait_for(fileno, want))
    except StopIteration as stop:
        value: RV = stop.value
        return value
    except (OSError, trio.ClosedResourceError) as error:
        raise psycopg.OperationalError("the connection's socket was closed") from error


async def _wait_for(fileno: int, want: Wait) -> int:
    if want == _READ:
        await trio.lowlevel.wait_readable(fileno)
        return Ready.R
    if want == _WRITE:
        await trio.lowlevel.wait_writable(fileno)
        return Ready.W
    return _ready_now(fileno) or await _either(fileno)


def _ready_now(fileno: int) -> int:
    """What needs no waiting: a socket can nearly always be written."""
    poll = select.poll()
    poll.register(fileno, select.POLLIN | select.POLLOUT)
    ready = 0
    for _, event in poll.poll(0):
        if event & select.POLLOUT:
            ready |= Ready.W
        if event & ~select.POLLOUT:
            ready |= Ready.R
    return ready


async def _either(fileno: int) -> int:
    """Wait for both at once: waiting for one alone can wait for ever on a full socket."""
    ready = 0

    async def watch(wait: Any, what: Ready) -> None:
        nonlocal ready
        # The generator meets a broken socket itself and says so.
        with suppress(OSError, trio.ClosedResourceError):
            await wait(fileno)
        ready |= what
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, trio.lowlevel.wait_readable, Ready.R)
        nursery.start_soon(watch, trio.lowlevel.wait_writable, Ready.W)
    return ready
