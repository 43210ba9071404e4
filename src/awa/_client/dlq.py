"""Dead letters: failed jobs that wait for an operator. Twins: asynchronous and synchronous."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from awa._client.acts import (
    LIST_LIMIT,
    Acting,
    BulkAct,
    JobAct,
    act,
    act_on_one,
    act_on_pages,
    checked_before,
    checked_choice,
    checked_id,
    checked_limit,
    checked_reason,
)
from awa._client.administering import Administering, AsyncAdministering
from awa._client.jobs import failed_pages
from awa._core import limits
from awa._core.options import checked_duration_s, checked_int, checked_name
from awa._storage import history

if TYPE_CHECKING:
    from datetime import timedelta

    from awa._client.steps import Steps
    from awa._storage.calls import Call
    from awa._storage.functions import Storage


class AsyncDlq(AsyncAdministering):
    """What the asynchronous client does with dead letters."""

    async def list_dlq(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        before_id: int | None = None,
        limit: int = LIST_LIMIT,
    ) -> tuple[history.DeadLetter, ...]:
        """Dead letters by descending id; each filter narrows. `limit`: at most 10,000.

        The next page has `before_id`, the last id of this one; an empty page is the end.
        """
        call = _page(self._storage, queue, kind, tag, before_id, limit)
        return await self._run(call)

    async def get_dlq_job(self, job_id: int) -> history.DeadLetter | None:
        """One dead letter, or None when there is none of this id."""
        return await self._run(history.dead_letter(checked_id(job_id), schema=self._storage.schema))

    async def dlq_depth(self) -> dict[str, int]:
        """How many dead letters each queue has; queues without any are left out."""
        return await self._run(history.dead_depth(schema=self._storage.schema))

    async def dlq_retry(
        self,
        job_id: int,
        *,
        to_queue: str | None = None,
        priority: int | None = None,
        delay: timedelta | float | None = None,
    ) -> JobAct:
        """Give a dead letter a new life: the same id, and all its attempts again.

        It returns to where it was, or to another queue or priority; after `delay`, if there is one.
        `duplicate`: another job holds its unique key by now.
        """
        acting = _retrying(self._storage, to_queue, priority, delay)
        return await self._follow(act_on_one(acting, checked_id(job_id)))

    async def dlq_retry_many(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        everything: bool = False,
        to_queue: str | None = None,
        priority: int | None = None,
        delay: timedelta | float | None = None,
    ) -> BulkAct:
        """The same for all dead letters that the filters leave; without one: `everything`."""
        acting = _retrying(self._storage, to_queue, priority, delay)
        steps = _many(self._storage, acting, queue, kind, tag, everything=everything)
        return await self._follow(steps)

    async def dlq_move(self, job_id: int, *, reason: str | None = None) -> JobAct:
        """Put a failed or cancelled job with the dead letters."""
        acting = partial(self._storage.dlq_move, reason=checked_reason(reason))
        return await self._follow(act_on_one(acting, checked_id(job_id)))

    async def dlq_move_many(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        everything: bool = False,
        reason: str | None = None,
    ) -> BulkAct:
        """Put the failed jobs of a queue or kind with the dead letters, or `everything` failed."""
        steps = _move_many(self._storage, queue, kind, reason, everything=everything)
        return await self._follow(steps)

    async def dlq_purge(self, job_id: int) -> JobAct:
        """Delete a dead letter."""
        return await self._follow(act_on_one(self._storage.dlq_purge, checked_id(job_id)))

    async def dlq_purge_many(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        everything: bool = False,
    ) -> BulkAct:
        """Delete all dead letters that the filters leave; without one: `everything`."""
        acting = self._storage.dlq_purge
        steps = _many(self._storage, acting, queue, kind, tag, everything=everything)
        return await self._follow(steps)


class Dlq(Administering):
    """What the synchronous client does with dead letters; each as its twin in `AsyncClient`."""

    def list_dlq(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        before_id: int | None = None,
        limit: int = LIST_LIMIT,
    ) -> tuple[history.DeadLetter, ...]:
        """As `AsyncClient.list_dlq`."""
        return self._run(_page(self._storage, queue, kind, tag, before_id, limit))

    def get_dlq_job(self, job_id: int) -> history.DeadLetter | None:
        """As `AsyncClient.get_dlq_job`."""
        return self._run(history.dead_letter(checked_id(job_id), schema=self._storage.schema))

    def dlq_depth(self) -> dict[str, int]:
        """As `AsyncClient.dlq_depth`."""
        return self._run(history.dead_depth(schema=self._storage.schema))

    def dlq_retry(
        self,
        job_id: int,
        *,
        to_queue: str | None = None,
        priority: int | None = None,
        delay: timedelta | float | None = None,
    ) -> JobAct:
        """As `AsyncClient.dlq_retry`."""
        acting = _retrying(self._storage, to_queue, priority, delay)
        return self._follow(act_on_one(acting, checked_id(job_id)))

    def dlq_retry_many(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        everything: bool = False,
        to_queue: str | None = None,
        priority: int | None = None,
        delay: timedelta | float | None = None,
    ) -> BulkAct:
        """As `AsyncClient.dlq_retry_many`."""
        acting = _retrying(self._storage, to_queue, priority, delay)
        steps = _many(self._storage, acting, queue, kind, tag, everything=everything)
        return self._follow(steps)

    def dlq_move(self, job_id: int, *, reason: str | None = None) -> JobAct:
        """As `AsyncClient.dlq_move`."""
        acting = partial(self._storage.dlq_move, reason=checked_reason(reason))
        return self._follow(act_on_one(acting, checked_id(job_id)))

    def dlq_move_many(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        everything: bool = False,
        reason: str | None = None,
    ) -> BulkAct:
        """As `AsyncClient.dlq_move_many`."""
        steps = _move_many(self._storage, queue, kind, reason, everything=everything)
        return self._follow(steps)

    def dlq_purge(self, job_id: int) -> JobAct:
        """As `AsyncClient.dlq_purge`."""
        return self._follow(act_on_one(self._storage.dlq_purge, checked_id(job_id)))

    def dlq_purge_many(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        everything: bool = False,
    ) -> BulkAct:
        """As `AsyncClient.dlq_purge_many`."""
        acting = self._storage.dlq_purge
        steps = _many(self._storage, acting, queue, kind, tag, everything=everything)
        return self._follow(steps)


def _page(  # noqa: PLR0917  # its callers' own keywords, in their order
    storage: Storage,
    queue: str | None,
    kind: str | None,
    tag: str | None,
    before_id: int | None,
    limit: int,
) -> Call[tuple[history.DeadLetter, ...]]:
    return history.dead_letters(
        queue=queue,
        kind=kind,
        tag=tag,
        before_id=checked_before(before_id),
        limit=checked_limit(limit),
        schema=storage.schema,
    )


def _retrying(
    storage: Storage, to_queue: str | None, priority: int | None, delay: timedelta | float | None
) -> Acting:
    if priority is not None:
        checked_int("priority", priority, low=limits.PRIORITY_FIRST, high=limits.PRIORITY_LAST)
    return partial(
        storage.dlq_retry,
        queue=None if to_queue is None else checked_name("to_queue", to_queue),
        priority=priority,
        delay_s=None if delay is None else checked_duration_s("delay", delay),
    )


def _many(
    storage: Storage,
    acting: Acting,
    queue: str | None,
    kind: str | None,
    tag: str | None,
    *,
    everything: bool,
) -> Steps[BulkAct]:
    checked_choice(queue=queue, kind=kind, tag=tag, everything=everything)
    pages = history.dead_pages(queue=queue, kind=kind, tag=tag, schema=storage.schema)
    return act_on_pages(pages, partial(act, acting))


def _move_many(
    storage: Storage,
    queue: str | None,
    kind: str | None,
    reason: str | None,
    *,
    everything: bool,
) -> Steps[BulkAct]:
    checked_choice(queue=queue, kind=kind, everything=everything)
    acting = partial(storage.dlq_move, reason=checked_reason(reason))
    return act_on_pages(failed_pages(storage, queue=queue, kind=kind), partial(act, acting))
