"""Queues: their counts and settings, pausing and draining. Twins: asynchronous and synchronous."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from awa._client.acts import BulkAct, act, act_on_pages, checked_reason, sum_of
from awa._client.overriding import (
    AsyncOverriding,
    Overriding,
    checked_author,
    no_such_queue,
)
from awa._client.steps import ask
from awa._client.vitals import vitals_steps
from awa._core.entries import JobState
from awa._core.limits import ENQUEUE_SHARDS_MAX
from awa._core.options import checked_int, checked_name, checked_span_s
from awa._storage import views
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import timedelta

    from awa._client.steps import Steps
    from awa._client.vitals import Vitals
    from awa._storage.calls import Call
    from awa._storage.functions import Storage

DeadLetters: TypeAlias = bool | Literal["default"]


class AsyncQueues(AsyncOverriding):
    """What the asynchronous client does with queues."""

    async def queue_stats(self) -> tuple[views.QueueStats, ...]:
        """All queues with their counts and settings, by name."""
        return await self._run(views.queue_stats(schema=self._storage.schema))

    async def vitals(self) -> Vitals:
        """How the work goes, as the database shows it: workers, leader, and what waits how long."""
        return await self._follow(vitals_steps(self._storage))

    async def pause_queue(self, queue: str, *, paused_by: str | None = None) -> bool:
        """Let nothing of this queue be claimed; what runs goes on. Answers whether that is new.

        Raises InvalidInput when there is no such queue.
        """
        return await self._run(_pause(self._storage, queue, paused_by))

    async def resume_queue(self, queue: str) -> bool:
        """Let the queue be claimed from again; answers whether it was paused."""
        return await self._run(self._storage.resume_queue(checked_name("queue", queue)))

    async def drain_queue(self, queue: str, *, reason: str | None = None) -> BulkAct:
        """Cancel all that is available, scheduled or retryable in a queue; what runs goes on.

        Jobs that are enqueued meanwhile stay: pause the queue and its producers before.
        """
        return await self._follow(drain_steps(self._storage, queue, reason))

    async def configure_queue(
        self,
        queue: str,
        *,
        deadline: timedelta | float | None = None,
        aging: timedelta | float | None = None,
        dead_letters: DeadLetters | None = None,
        enqueue_shards: int | None = None,
    ) -> None:
        """Set what is given; the queue is made if it does not exist.

        `deadline`: how long an attempt may take (0: no limit). `aging`: how long a job waits to be
        claimed like those of the next priority (0: never). `dead_letters`: whether failed jobs
        become dead letters, or "default". `enqueue_shards`: over how many lanes new jobs are
        spread, 1 to 64.
        """
        settings = _settings(deadline, aging, dead_letters, enqueue_shards)
        await self._run(self._storage.configure_queue(checked_name("queue", queue), settings))

    async def configure_defaults(self, *, dead_letters: bool) -> None:
        """Set what holds in every queue that does not say otherwise.

        `dead_letters`: whether failed jobs become dead letters; at first they do not.
        """
        await self._run(self._storage.configure_defaults(_defaults(dead_letters)))


class Queues(Overriding):
    """What the synchronous client does with queues; each as its twin in `AsyncClient`."""

    def queue_stats(self) -> tuple[views.QueueStats, ...]:
        """As `AsyncClient.queue_stats`."""
        return self._run(views.queue_stats(schema=self._storage.schema))

    def vitals(self) -> Vitals:
        """As `AsyncClient.vitals`."""
        return self._follow(vitals_steps(self._storage))

    def pause_queue(self, queue: str, *, paused_by: str | None = None) -> bool:
        """As `AsyncClient.pause_queue`."""
        return self._run(_pause(self._storage, queue, paused_by))

    def resume_queue(self, queue: str) -> bool:
        """As `AsyncClient.resume_queue`."""
        return self._run(self._storage.resume_queue(checked_name("queue", queue)))

    def drain_queue(self, queue: str, *, reason: str | None = None) -> BulkAct:
        """As `AsyncClient.drain_queue`."""
        return self._follow(drain_steps(self._storage, queue, reason))

    def configure_queue(
        self,
        queue: str,
        *,
        deadline: timedelta | float | None = None,
        aging: timedelta | float | None = None,
        dead_letters: DeadLetters | None = None,
        enqueue_shards: int | None = None,
    ) -> None:
        """As `AsyncClient.configure_queue`."""
        settings = _settings(deadline, aging, dead_letters, enqueue_shards)
        self._run(self._storage.configure_queue(checked_name("queue", queue), settings))

    def configure_defaults(self, *, dead_letters: bool) -> None:
        """As `AsyncClient.configure_defaults`."""
        self._run(self._storage.configure_defaults(_defaults(dead_letters)))


def drain_steps(storage: Storage, queue: str, reason: str | None) -> Steps[BulkAct]:
    """Cancel page by page: first what waits for a time, because it could become available."""
    checked_name("queue", queue)
    return _drain(storage, queue, checked_reason(reason))


def _drain(storage: Storage, queue: str, reason: str | None) -> Steps[BulkAct]:
    known = yield from ask(views.queue_exists(queue, schema=storage.schema))
    if not known:
        raise no_such_queue(queue)
    cancelling = partial(storage.cancel_pending, reason=reason)
    parts: list[BulkAct] = []
    for state in (JobState.SCHEDULED, JobState.RETRYABLE, JobState.AVAILABLE):
        pages = views.id_pages(state, queue=queue, kind=None, schema=storage.schema)
        parts.append((yield from act_on_pages(pages, partial(act, cancelling))))
    return sum_of(parts)


def _pause(storage: Storage, queue: str, paused_by: str | None) -> Call[bool]:
    by = checked_author("paused_by", paused_by)
    return storage.pause_queue(checked_name("queue", queue), by=by)


def _settings(
    deadline: timedelta | float | None,
    aging: timedelta | float | None,
    dead_letters: DeadLetters | None,
    enqueue_shards: int | None,
) -> dict[str, object]:
    settings: dict[str, object] = {}
    if deadline is not None:
        settings["deadline_s"] = checked_span_s("deadline", deadline)
    if aging is not None:
        settings["aging_s"] = checked_span_s("aging", aging)
    if dead_letters is not None:
        if dead_letters != "default" and not isinstance(dead_letters, bool):
            raise InvalidInput("dead_letters", 'must be True, False or "default"')
        settings["dead_letters"] = None if dead_letters == "default" else dead_letters
    if enqueue_shards is not None:
        high = ENQUEUE_SHARDS_MAX
        settings["enqueue_shards"] = checked_int("enqueue_shards", enqueue_shards, low=1, high=high)
    if not settings:
        raise InvalidInput(
            "settings", "are empty: give deadline, aging, dead_letters or enqueue_shards"
        )
    return settings


def _defaults(dead_letters: bool) -> dict[str, object]:  # noqa: FBT001  # a value to check
    if not isinstance(dead_letters, bool):
        raise InvalidInput("dead_letters", "must be True or False")
    return {"dead_letters": dead_letters}
