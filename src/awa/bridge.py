"""Jobs in somebody else's transaction: asyncpg, psycopg, SQLAlchemy and Django connections.

The job is stored by the caller's connection, inside the caller's transaction: it exists exactly
when that transaction commits, and nothing is committed here.

A lane nobody has used yet is made inside that transaction as well, and the lane's other producers
wait for its end. A worker makes the lanes of its queues when it starts; `ensure_lane` does so too.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from awa._client.producing import JobHandle, handle_of
from awa._core.options import new_job
from awa._core.unique import OnConflict, UniqueOpts
from awa._storage.executors import run_foreign, run_foreign_sync
from awa._storage.functions import Storage

__all__ = ["insert_job", "insert_job_sync"]


async def insert_job(
    connection: Any,
    args: object,
    *,
    kind: str | None = None,
    queue: str | None = None,
    priority: int | None = None,
    max_attempts: int | None = None,
    deadline: timedelta | float | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    run_at: datetime | None = None,
    delay: timedelta | float | None = None,
    ordering_key: str | bytes | None = None,
    unique: UniqueOpts | Mapping[str, Any] | bool | None = None,
    on_conflict: OnConflict | None = None,
    schema: str = "awa",
) -> JobHandle:
    """Store one job over an asynchronous connection; options as in `AsyncClient.insert`.

    Raises InvalidInput before anything is sent, ConfigurationError for what is no connection.
    """
    options = {
        "kind": kind,
        "queue": queue,
        "priority": priority,
        "max_attempts": max_attempts,
        "deadline": deadline,
        "tags": tags,
        "metadata": metadata,
        "run_at": run_at,
        "delay": delay,
        "ordering_key": ordering_key,
        "unique": unique,
        "on_conflict": on_conflict,
    }
    call = Storage(schema).enqueue(new_job(args, options))
    return handle_of(await run_foreign(connection, call))


def insert_job_sync(
    connection: Any,
    args: object,
    *,
    kind: str | None = None,
    queue: str | None = None,
    priority: int | None = None,
    max_attempts: int | None = None,
    deadline: timedelta | float | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    run_at: datetime | None = None,
    delay: timedelta | float | None = None,
    ordering_key: str | bytes | None = None,
    unique: UniqueOpts | Mapping[str, Any] | bool | None = None,
    on_conflict: OnConflict | None = None,
    schema: str = "awa",
) -> JobHandle:
    """Store one job over a synchronous connection; otherwise as `insert_job`."""
    options = {
        "kind": kind,
        "queue": queue,
        "priority": priority,
        "max_attempts": max_attempts,
        "deadline": deadline,
        "tags": tags,
        "metadata": metadata,
        "run_at": run_at,
        "delay": delay,
        "ordering_key": ordering_key,
        "unique": unique,
        "on_conflict": on_conflict,
    }
    call = Storage(schema).enqueue(new_job(args, options))
    return handle_of(run_foreign_sync(connection, call))
