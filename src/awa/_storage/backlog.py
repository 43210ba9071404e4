"""Reads of what waits in some queues, for whoever works until nothing does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from awa._storage.calls import Call
from awa._storage.names import SCHEMA_DEFAULT, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awa._storage.calls import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What some queues hold just now."""

    available: int
    deferred: int
    """Scheduled and retryable."""
    due_in_s: float | None
    """In how many seconds the first of these is due; None when there is none."""


# Only what waits for a time has one, so the ring's part of the view is left out by the planner.
_DUE: Final = """
select extract(epoch from min(j.run_at) - now())::float8
from {0}.jobs j where j.run_at <= now() + make_interval(secs => %s) and j.queue = any(%s::text[])
"""
_BACKLOG: Final = """
select coalesce(sum(q.available), 0)::bigint, coalesce(sum(q.deferred), 0)::bigint,
       (select extract(epoch from min(j.run_at) - now())::float8
        from {0}.jobs j where j.run_at <= 'infinity' and j.queue = any(%s::text[]))
from {0}.queues q where q.queue = any(%s::text[])
"""


def due_in_s(
    queues: Sequence[str], within_s: float, *, schema: str = SCHEMA_DEFAULT
) -> Call[float | None]:
    """In how many seconds the first deferred job is due; None when none is within so long."""
    return Call(
        action="jobs",
        sql=_DUE.format(quoted(schema).replace("%", "%%")),
        params=(within_s, list(queues)),
        decode=_seconds,
        schema=schema,
    )


def backlog(queues: Sequence[str], *, schema: str = SCHEMA_DEFAULT) -> Call[Backlog]:
    """What these queues hold."""
    return Call(
        action="queues",
        sql=_BACKLOG.format(quoted(schema).replace("%", "%%")),
        params=(list(queues), list(queues)),
        decode=_backlog,
        schema=schema,
    )


def _seconds(rows: Rows) -> float | None:
    ((seconds,),) = rows
    return None if seconds is None else float(seconds)


def _backlog(rows: Rows) -> Backlog:
    ((available, deferred, due_s),) = rows
    return Backlog(available=available, deferred=deferred, due_in_s=due_s)
