"""A handler's own transaction as it sees it: a client's that also completes the job."""

from collections.abc import Callable, Iterable
from typing import Any

from awa._client.producing import JobHandle, checked_jobs
from awa._client.transactions import Transaction
from awa._runtime.handlers import encode_result


class JobTransaction(Transaction):
    """What `async with job.transaction() as tx` gives."""

    result: bytes | None = None

    def complete(self, result: object = None) -> None:
        """Say what is stored as the job's result when the block commits. Raises InvalidInput."""
        self.result = None if result is None else encode_result(result)

    def in_thread(self, on_the_loop: Callable[..., Any]) -> "SyncJobTransaction":
        """The same for a thread: each call is made on the loop, and waited for."""
        return SyncJobTransaction(self, on_the_loop)


class SyncJobTransaction:
    """What `with job.transaction() as tx` gives a handler in a thread."""

    def __init__(self, transaction: JobTransaction, on_the_loop: Callable[..., Any]) -> None:
        self._transaction = transaction
        self._on_the_loop = on_the_loop

    def execute(self, query: str, *params: Any) -> int:
        """Run one statement with `$1`, `$2` ... as placeholders; answers the count of rows."""
        count: int = self._on_the_loop(self._transaction.execute, query, *params)
        return count

    def fetch_all(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run one query with `$1`, `$2` ... as placeholders; answers its rows."""
        rows: list[tuple[Any, ...]] = self._on_the_loop(self._transaction.fetch_all, query, *params)
        return rows

    def insert(self, args: object, **options: Any) -> JobHandle:
        """Store one job, seen by workers when the block commits. Options as in the client's."""
        handle: JobHandle = self._on_the_loop(self._transaction.insert, args, **options)
        return handle

    def insert_many(self, jobs: Iterable[object], **options: Any) -> list[JobHandle]:
        """Store jobs, seen by workers when the block commits. Options as in the client's."""
        handles: list[JobHandle] = self._on_the_loop(
            self._transaction.insert_many, [*checked_jobs(jobs)], **options
        )
        return handles

    def complete(self, result: object = None) -> None:
        """Say what is stored as the job's result when the block commits. Raises InvalidInput."""
        self._transaction.complete(result)
