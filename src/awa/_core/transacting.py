"""What a handler's own transaction looks like from its handler, and what becomes of its attempt.

The runtime opens it; these are the shapes that both sides know.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from awa._core.entries import EnqueueAnswer, JobState


class OwnEnd(Enum):
    """What is known of an attempt whose handler completes its job in a transaction of its own."""

    OPEN = "nothing has ended it"
    DOUBT = "a transaction that completes it may have happened"
    DONE = "a transaction that completes it has happened"
    STALE = "somebody else has ended it"


class CommitAnswer(StrEnum):
    """What `settled_by` knows of a handler's own transaction whose COMMIT was not answered."""

    SETTLED = "settled"
    """It happened."""
    OPEN = "open"
    """It did not, and never will."""
    STALE = "stale"
    """It did not: somebody else has ended the attempt."""
    BUSY = "busy"
    """It may be under way: ask again."""
    ENDED = "ended"
    """The claim's segment was emptied: nobody can tell any more."""


@dataclass(slots=True, kw_only=True)
class OwnCompletion:
    """An attempt's own transaction: the last that was begun, and how it ended."""

    end: OwnEnd = OwnEnd.OPEN
    settle_id: int = 0
    """Under which its completion was sent; 0 before the first."""
    elsewhere: bool = False
    """It is a transaction of the handler's own connection: only the database tells how it ends."""
    inside: bool = False
    """The handler is in a block of `job.transaction()`."""


class InsertedJob(Protocol):
    """A job that was stored; a `JobHandle`."""

    @property
    def id(self) -> int:
        """The job's id; 0 when it was skipped."""

    @property
    def state(self) -> JobState | None:
        """None when it was skipped."""

    @property
    def duplicate(self) -> bool:
        """Whether an older job stands for it."""

    @property
    def answer(self) -> EnqueueAnswer:
        """inserted, existing, replaced or skipped."""


class JobTransaction(Protocol):
    """The handler's own transaction, open; its end completes the job and commits."""

    async def execute(self, query: str, *params: Any) -> int:
        """Run one statement with `$1`, `$2` ... as placeholders; answers the count of rows."""

    async def fetch_all(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run one query with `$1`, `$2` ... as placeholders; answers its rows."""

    async def insert(self, args: object, **options: Any) -> InsertedJob:
        """Store one job, seen by workers when the block commits."""

    async def insert_many(self, jobs: Iterable[object], **options: Any) -> list[Any]:
        """Store jobs, seen by workers when the block commits."""

    def complete(self, result: object = None) -> None:
        """Say what is stored as the job's result when the block commits. Raises InvalidInput."""


class SyncJobTransaction(Protocol):
    """The same for a handler in a thread."""

    def execute(self, query: str, *params: Any) -> int:
        """Run one statement with `$1`, `$2` ... as placeholders; answers the count of rows."""

    def fetch_all(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run one query with `$1`, `$2` ... as placeholders; answers its rows."""

    def insert(self, args: object, **options: Any) -> InsertedJob:
        """Store one job, seen by workers when the block commits."""

    def insert_many(self, jobs: Iterable[object], **options: Any) -> list[Any]:
        """Store jobs, seen by workers when the block commits."""

    def complete(self, result: object = None) -> None:
        """Say what is stored as the job's result when the block commits. Raises InvalidInput."""


class OwnTransaction(Protocol):
    """What `job.transaction()` gives: entered with `async with`, or in a thread with `with`."""

    async def __aenter__(self) -> JobTransaction:
        """Begin."""

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        """Complete the job and commit; or roll back."""

    def __enter__(self) -> SyncJobTransaction:
        """Begin."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        """Complete the job and commit; or roll back."""


class Desk(Protocol):
    """Where a job's handler turns to for what only its worker can do."""

    def transaction(self, job: Any) -> OwnTransaction:
        """Open a transaction of the handler's own, which completes the job at its end."""

    async def complete_in(self, job: Any, connection: Any, result: object) -> None:
        """Complete the job in the transaction that is open on this connection."""

    def complete_in_sync(self, job: Any, connection: Any, result: object) -> None:
        """The same for a handler in a thread."""

    def note(self, job: Any, number: int, text: bytes) -> None:
        """Take over what the job's progress is now, as JSON text."""

    async def flush_progress(self, job: Any) -> None:
        """Return when the database has it."""

    def flush_progress_sync(self, job: Any) -> None:
        """The same for a handler in a thread."""
