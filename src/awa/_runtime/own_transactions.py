"""Handlers' own transactions: what a handler writes and the end of its job commit together.

The completion is the last statement before COMMIT. It holds the claim's lock from there on, so that
nobody else ends the attempt meanwhile, and where somebody has, everything is rolled back. When the
answer to COMMIT is lost the transaction is not sent again, because what the handler did would be
missing from it: the database is asked whether it happened.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import psycopg
import trio
from psycopg.pq import TransactionStatus

from awa._core.entries import Answer, Result, SettleItem, Settlement
from awa._core.outcomes import OUTCOMES, Completed
from awa._core.ranges import Ranges
from awa._core.transacting import CommitAnswer, OwnCompletion, OwnEnd
from awa._runtime.backoff import pause_s
from awa._runtime.chance import jitter
from awa._runtime.handlers import encode_result
from awa._runtime.ledger import Held
from awa._runtime.limits import (
    BUSY_RETRY_MAX_S,
    BUSY_RETRY_MIN_S,
    CALL_TIMEOUT_S,
    RECONNECT_MAX_S,
    RECONNECT_MIN_S,
)
from awa._runtime.noting import Notes
from awa._runtime.own_blocks import Block, require_thread, require_trio
from awa._runtime.reconnecting import brief
from awa._runtime.settings import WorkerSettings
from awa._storage.calls import Call
from awa._storage.connecting import Connection
from awa._storage.driver import TrioConnection
from awa._storage.executors import run_foreign, run_foreign_sync, run_trio
from awa._storage.functions import Storage
from awa._storage.pool import Pool
from awa._storage.tokens import draw_token
from awa.errors import (
    AttemptCompleted,
    ConfigurationError,
    InternalError,
    OutcomeUnknown,
    StaleAttempt,
    TransactionLost,
    WrongTransaction,
)
from awa.handler import Job

T = TypeVar("T")

_log: Final = logging.getLogger("awa.worker")


class Opened(Protocol):
    """The surface of an open transaction."""

    result: bytes | None
    """What is stored as the job's result, as JSON text."""


Transact: TypeAlias = Callable[[Connection], Opened]
"""Make that surface for a connection. The client does, because it knows how jobs are stored."""


class OwnTransactions:
    """Opens them for the handlers of one incarnation of a worker, and finds out how they ended."""

    def __init__(
        self,
        *,
        worker: int,
        storage: Storage,
        conninfo: str,
        settings: WorkerSettings,
        transact: Transact | None,
        notes: Notes,
    ) -> None:
        self._worker = worker
        self._storage = storage
        self._pool = Pool(
            conninfo,
            size=settings.transaction_connections,
            settings=settings.session_settings(),
        )
        self._transact = transact
        self._notes = notes
        self._token = trio.lowlevel.current_trio_token()

    def close(self) -> None:
        """No handler of this incarnation runs any more."""
        self._pool.close()

    # What handlers call ---------------------------------------------------------------------------

    def transaction(self, job: Job[Any]) -> Block:
        """What `job.transaction()` gives."""
        return Block(self._open(job), self._token)

    async def complete_in(self, job: Job[Any], connection: Any, result: object) -> None:
        """Complete the job in the transaction that is open on the handler's own connection."""
        encoded = _encoded(result)
        own = await self._begun(job)
        call = self._completion(job, self._send(job, own, elsewhere=True), encoded)
        try:
            answers = await run_foreign(connection, call)
        except BaseException:
            self._did_not_happen(job, own)
            raise
        self._judge(job, own, answers)

    def complete_in_sync(self, job: Job[Any], connection: Any, result: object) -> None:
        """The same for a handler in a thread."""
        require_thread("job.complete_in_sync()")
        encoded = _encoded(result)
        own = trio.from_thread.run(self._begun, job, trio_token=self._token)
        call = self._completion(job, self._in_loop(self._send, job, own, True), encoded)  # noqa: FBT003
        try:
            answers = run_foreign_sync(connection, call)
        except BaseException:
            self._in_loop(self._did_not_happen, job, own)
            raise
        self._in_loop(self._judge, job, own, answers)

    def _in_loop(self, function: Callable[..., T], *args: Any) -> T:
        return trio.from_thread.run_sync(function, *args, trio_token=self._token)

    def note(self, job: Job[Any], number: int, text: bytes) -> None:
        """Take over what the job's progress is now; it is sent soon."""
        self._notes.put(receipt_of(job), number, text)

    async def flush_progress(self, job: Job[Any]) -> None:
        """Return when the database has it. Raises StaleAttempt, and InvalidInput if it refuses."""
        bridged = "trio_asyncio.trio_as_aio(job.flush_progress)()"
        require_trio("job.flush_progress()", instead=bridged)
        if await self._notes.flush_now(receipt_of(job)):
            raise StaleAttempt

    def flush_progress_sync(self, job: Job[Any]) -> None:
        """The same for a handler in a thread."""
        require_thread("job.flush_progress_sync()")
        trio.from_thread.run(self.flush_progress, job, trio_token=self._token)

    # How one goes ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def _open(self, job: Job[Any]) -> AsyncIterator[Opened]:
        if self._transact is None:
            raise ConfigurationError("this worker was not started by a client, which has to help")
        own = await self._begun(job)
        with _inside(own):
            async with self._pool.connection() as conn:
                assert isinstance(conn, TrioConnection)
                # Whatever the role's default is: the completion is refused in an older snapshot.
                await conn.set_isolation_level(psycopg.IsolationLevel.READ_COMMITTED)
                try:
                    async with conn.transaction():
                        opened = self._transact(conn)
                        yield opened
                        await self._complete(conn, job, own, opened.result)
                    self._learn(job, own, CommitAnswer.SETTLED)
                except BaseException as error:
                    if not conn.outcome_unknown:
                        self._did_not_happen(job, own)
                        raise
                    if not isinstance(error, OutcomeUnknown):
                        raise  # cancelled: the runner settles what it may, the database judges it
        if own.end is OwnEnd.DOUBT:
            await self.find_out(job)
            _require_done(own)

    async def _begun(self, job: Job[Any]) -> OwnCompletion:
        own = job._own  # noqa: SLF001  # the runner's side of the handler's view
        if own is None:
            own = job._own = OwnCompletion()  # noqa: SLF001
        if own.inside:
            raise WrongTransaction(
                "a block of job.transaction() is open in this attempt: what is written there would "
                "not commit with the job's end here; do it all in that block"
            )
        await self.find_out(job)
        if own.end is OwnEnd.STALE:
            raise StaleAttempt
        if own.end is OwnEnd.DONE:
            raise AttemptCompleted
        return own

    async def _complete(
        self, conn: TrioConnection[Any], job: Job[Any], own: OwnCompletion, result: bytes | None
    ) -> None:
        if conn.info.transaction_status == TransactionStatus.IDLE:
            raise WrongTransaction(
                "a statement in the block ended its transaction: what was written before is "
                "committed, and the job is not completed; leave COMMIT and ROLLBACK to the block"
            )
        call = self._completion(job, self._send(job, own), result)
        self._judge(job, own, await run_trio(conn, call))

    def _send(self, job: Job[Any], own: OwnCompletion, elsewhere: bool = False) -> int:  # noqa: FBT001, FBT002
        own.settle_id = draw_token()
        own.end = OwnEnd.DOUBT
        own.elsewhere = elsewhere
        self._sent(job, own.settle_id)
        return own.settle_id

    def _completion(
        self, job: Job[Any], settle_id: int, result: bytes | None
    ) -> Call[tuple[Settlement, ...]]:
        held, seq = receipt_of(job)
        seqs = Ranges([(seq, seq + 1)])
        item = SettleItem(slot=held.slot, token=held.token, part=held.part, seqs=seqs)
        results = [] if result is None else [Result(item=1, seq=seq, value=result)]
        return self._storage.complete(self._worker, settle_id, [item], results, waits=True)

    def _judge(self, job: Job[Any], own: OwnCompletion, answers: tuple[Settlement, ...]) -> None:
        (settlement,) = answers
        if settlement.answer in {Answer.STALE, Answer.ENDED}:
            self._learn(job, own, CommitAnswer.STALE)
            raise StaleAttempt
        if settlement.answer is not Answer.SETTLED:
            raise InternalError(f"a handler's own completion was answered {settlement.answer}")

    # How it ended ---------------------------------------------------------------------------------

    async def find_out(self, job: Job[Any]) -> None:
        """Ask until it is known whether a transaction that is in doubt has happened."""
        own = job._own  # noqa: SLF001  # the runner's side of the handler's view
        tries = 0
        while own is not None and own.end is OwnEnd.DOUBT:
            tries += 1
            try:
                with trio.fail_after(CALL_TIMEOUT_S):
                    answer = await self._ask(job, own)
            except Exception as error:  # noqa: BLE001  # whatever it is, it has to be known
                what = "job %d: whether its own transaction happened is not known yet: %s"
                _log.warning(what, job.id, brief(error))
                await _pause(tries, RECONNECT_MIN_S, RECONNECT_MAX_S)
                continue
            if answer is CommitAnswer.BUSY:
                await _pause(tries, BUSY_RETRY_MIN_S, BUSY_RETRY_MAX_S)
            else:
                self._learn(job, own, answer)

    async def conclude(self, job: Job[Any], said: object) -> None:
        """The handler has returned: know how its own transaction ended.

        Raises TransactionLost where the handler takes its job for completed, and it is not.
        """
        await self.find_out(job)
        own = job._own  # noqa: SLF001  # the runner's side of the handler's view
        assert own is not None
        done = isinstance(said, Completed) or not isinstance(said, OUTCOMES)
        if own.end is OwnEnd.OPEN and own.elsewhere and done:
            raise TransactionLost("the transaction that was to complete the job was not committed")

    async def _ask(self, job: Job[Any], own: OwnCompletion) -> CommitAnswer:
        held, seq = receipt_of(job)
        call = self._storage.settled_by(own.settle_id, token=held.token, part=held.part, seq=seq)
        async with self._pool.connection() as conn:
            assert isinstance(conn, TrioConnection)
            return await run_trio(conn, call)

    def _learn(self, job: Job[Any], own: OwnCompletion, answer: CommitAnswer) -> None:
        match answer:
            case CommitAnswer.SETTLED:
                own.end = OwnEnd.DONE
                self._answered(job, own.settle_id, True)  # noqa: FBT003
            case CommitAnswer.OPEN:
                self._did_not_happen(job, own)
            case CommitAnswer.STALE | CommitAnswer.ENDED:
                own.end = OwnEnd.STALE
                self._found_stale(job)
            case CommitAnswer.BUSY:
                raise AssertionError("busy is no end")

    def _did_not_happen(self, job: Job[Any], own: OwnCompletion) -> None:
        if own.end is OwnEnd.DOUBT:
            own.end = OwnEnd.OPEN
            self._answered(job, own.settle_id, False)  # noqa: FBT003

    # For those who watch --------------------------------------------------------------------------

    def _sent(self, job: Job[Any], settle_id: int) -> None:
        """The completion of a transaction leaves."""

    def _answered(self, job: Job[Any], settle_id: int, done: bool) -> None:  # noqa: FBT001
        """It is known whether that transaction happened."""

    def _found_stale(self, job: Job[Any]) -> None:
        """Somebody else has ended the attempt."""


@contextmanager
def _inside(own: OwnCompletion) -> Iterator[None]:
    own.inside = True
    try:
        yield
    finally:
        own.inside = False


def receipt_of(job: Job[Any]) -> tuple[Held, int]:
    """The claims row of an attempt, and its number."""
    held = job._place  # noqa: SLF001  # the runner's side of the handler's view
    assert isinstance(held, Held)
    return held, job._body.seq  # noqa: SLF001


def _require_done(own: OwnCompletion) -> None:
    if own.end is OwnEnd.STALE:
        raise StaleAttempt
    if own.end is OwnEnd.OPEN:
        raise TransactionLost


def _encoded(result: object) -> bytes | None:
    return None if result is None else encode_result(result)


async def _pause(tries: int, least_s: float, most_s: float) -> None:
    await trio.sleep(pause_s(tries=tries, least_s=least_s, most_s=most_s, jitter=jitter()))
