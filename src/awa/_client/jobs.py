"""Jobs: looking at them, and an operator's acts on them. Twins: asynchronous and synchronous."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from awa._client.acts import (
    LIST_LIMIT,
    BulkAct,
    JobAct,
    act_on_pages,
    checked_before,
    checked_choice,
    checked_id,
    checked_limit,
    checked_reason,
)
from awa._client.administering import Administering, AsyncAdministering
from awa._client.job_steps import (
    JobDump,
    RunDump,
    cancel_steps,
    dump_run_steps,
    dump_steps,
    retry_ended_steps,
    retry_steps,
)
from awa._client.steps import Steps, ask
from awa._core.arguments import encode_args
from awa._core.entries import JobState
from awa._core.limits import ATTEMPTS_MAX
from awa._core.options import checked_int, checked_name
from awa._core.unique import UniqueOpts, checked_unique, unique_key
from awa._storage import codec, history, views

if TYPE_CHECKING:
    from datetime import timedelta

    from awa._storage.calls import Call
    from awa._storage.functions import Storage


class AsyncJobs(AsyncAdministering):
    """What the asynchronous client does with jobs."""

    async def get_job(self, job_id: int) -> views.JobRecord | None:
        """One job, or None when there is none of this id; dead letters: `get_dlq_job`."""
        return await self._run(views.get_job(checked_id(job_id), schema=self._storage.schema))

    async def list_jobs(
        self,
        *,
        state: str | None = None,
        queue: str | None = None,
        kind: str | None = None,
        before_id: int | None = None,
        limit: int = LIST_LIMIT,
    ) -> tuple[views.JobRecord, ...]:
        """Jobs, newest first; each filter narrows. `limit`: at most 10,000.

        The next page has `before_id`, the last id of this one; an empty page is the end.
        """
        call = _page(
            self._storage, state=state, queue=queue, kind=kind, before_id=before_id, limit=limit
        )
        return await self._run(call)

    async def cancel(self, job_id: int, *, reason: str | None = None) -> JobAct:
        """Cancel a job, pending or running; a handler that runs is cancelled by its worker.

        Answers what happened: `settled` when it is cancelled by this call, else its state.
        """
        steps = cancel_steps(self._storage, checked_id(job_id), checked_reason(reason))
        return await self._follow(steps)

    async def cancel_by_unique_key(
        self,
        kind: str,
        *,
        args: object | None = None,
        queue: str | None = None,
        period: timedelta | float | None = None,
        by_period: int | None = None,
        reason: str | None = None,
    ) -> JobAct | None:
        """Cancel the job that holds a unique key, as `cancel`; None when nobody holds it.

        The key is derived as at the insert: give `args`, `queue` and the period exactly when the
        job's `UniqueOpts` counted them; `period` means the one that is now.
        """
        call = _holder(self._storage, kind, args, queue, period=period, by_period=by_period)
        return await self._follow(_cancel_holder(self._storage, call, checked_reason(reason)))

    async def retry(self, job_id: int) -> JobAct:
        """Let a job run now, and again.

        One that waits for a time becomes available; one that failed or was cancelled, and a dead
        letter, get a new life with all their attempts. Others are answered `stale`.
        """
        return await self._follow(retry_steps(self._storage, checked_id(job_id)))

    async def retry_failed(
        self, *, queue: str | None = None, kind: str | None = None, everything: bool = False
    ) -> BulkAct:
        """Give the failed jobs of a queue or kind a new life; dead letters: `dlq_retry_many`."""
        steps = _retry_failed(self._storage, queue=queue, kind=kind, everything=everything)
        return await self._follow(steps)

    async def dump_job(self, job_id: int) -> JobDump | None:
        """Everything that is known about a job or a dead letter; None when there is none."""
        return await self._follow(dump_steps(self._storage.schema, checked_id(job_id)))

    async def dump_run(self, job_id: int, attempt: int | None = None) -> RunDump | None:
        """Everything about one attempt, by default the last; None when nothing is known of it."""
        chosen = _checked_attempt(attempt)
        return await self._follow(dump_run_steps(self._storage.schema, checked_id(job_id), chosen))


class Jobs(Administering):
    """What the synchronous client does with jobs; each as its twin in `AsyncClient`."""

    def get_job(self, job_id: int) -> views.JobRecord | None:
        """As `AsyncClient.get_job`."""
        return self._run(views.get_job(checked_id(job_id), schema=self._storage.schema))

    def list_jobs(
        self,
        *,
        state: str | None = None,
        queue: str | None = None,
        kind: str | None = None,
        before_id: int | None = None,
        limit: int = LIST_LIMIT,
    ) -> tuple[views.JobRecord, ...]:
        """As `AsyncClient.list_jobs`."""
        call = _page(
            self._storage, state=state, queue=queue, kind=kind, before_id=before_id, limit=limit
        )
        return self._run(call)

    def cancel(self, job_id: int, *, reason: str | None = None) -> JobAct:
        """As `AsyncClient.cancel`."""
        steps = cancel_steps(self._storage, checked_id(job_id), checked_reason(reason))
        return self._follow(steps)

    def cancel_by_unique_key(
        self,
        kind: str,
        *,
        args: object | None = None,
        queue: str | None = None,
        period: timedelta | float | None = None,
        by_period: int | None = None,
        reason: str | None = None,
    ) -> JobAct | None:
        """As `AsyncClient.cancel_by_unique_key`."""
        call = _holder(self._storage, kind, args, queue, period=period, by_period=by_period)
        return self._follow(_cancel_holder(self._storage, call, checked_reason(reason)))

    def retry(self, job_id: int) -> JobAct:
        """As `AsyncClient.retry`."""
        return self._follow(retry_steps(self._storage, checked_id(job_id)))

    def retry_failed(
        self, *, queue: str | None = None, kind: str | None = None, everything: bool = False
    ) -> BulkAct:
        """As `AsyncClient.retry_failed`."""
        steps = _retry_failed(self._storage, queue=queue, kind=kind, everything=everything)
        return self._follow(steps)

    def dump_job(self, job_id: int) -> JobDump | None:
        """As `AsyncClient.dump_job`."""
        return self._follow(dump_steps(self._storage.schema, checked_id(job_id)))

    def dump_run(self, job_id: int, attempt: int | None = None) -> RunDump | None:
        """As `AsyncClient.dump_run`."""
        chosen = _checked_attempt(attempt)
        return self._follow(dump_run_steps(self._storage.schema, checked_id(job_id), chosen))


def _page(
    storage: Storage,
    *,
    state: str | None,
    queue: str | None,
    kind: str | None,
    before_id: int | None,
    limit: int,
) -> Call[tuple[views.JobRecord, ...]]:
    return views.list_jobs(
        state=state,
        queue=queue,
        kind=kind,
        before_id=checked_before(before_id),
        limit=checked_limit(limit),
        schema=storage.schema,
    )


def _holder(
    storage: Storage,
    kind: str,
    args: object | None,
    queue: str | None,
    *,
    period: timedelta | float | None,
    by_period: int | None,
) -> Call[int | None]:
    name = checked_name("kind", kind)
    if queue is not None:
        checked_name("queue", queue)
    wish = UniqueOpts(
        by_args=args is not None, by_queue=queue is not None, period=period, by_period=by_period
    )
    chosen = checked_unique(wish)
    data = None if args is None else encode_args(args)
    if data is not None:
        # For its errors: the server derives the key, because its clock counts the periods.
        unique_key(name, args=codec.json_value(data))
    return history.key_holder(
        name,
        args=data,
        queue=queue,
        bucket=chosen.by_period,
        period_s=chosen.period_s,
        schema=storage.schema,
    )


def _cancel_holder(
    storage: Storage, call: Call[int | None], reason: str | None
) -> Steps[JobAct | None]:
    job_id = yield from ask(call)
    if job_id is None:
        return None
    return (yield from cancel_steps(storage, job_id, reason))


def _retry_failed(
    storage: Storage, *, queue: str | None, kind: str | None, everything: bool
) -> Steps[BulkAct]:
    checked_choice(queue=queue, kind=kind, everything=everything)
    return act_on_pages(
        failed_pages(storage, queue=queue, kind=kind), partial(retry_ended_steps, storage)
    )


def failed_pages(storage: Storage, *, queue: str | None, kind: str | None) -> views.Pages:
    """The failed jobs, page by page. Raises InvalidInput."""
    return views.id_pages(JobState.FAILED, queue=queue, kind=kind, schema=storage.schema)


def _checked_attempt(attempt: object) -> int | None:
    if attempt is None:
        return None
    return checked_int("attempt", attempt, low=1, high=ATTEMPTS_MAX)
