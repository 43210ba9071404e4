"""Overriding: what operators say of a queue for now, to all workers. Twins, as the other nouns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from awa._client.administering import Administering, AsyncAdministering
from awa._client.queues import POLL_MS_MAX, checked_rate
from awa._core.limits import CLAIM_ENTRIES_MAX, QUEUE_LENGTH_MAX
from awa._core.options import (
    checked_flag,
    checked_int,
    checked_name,
    checked_span_s,
    checked_text,
)
from awa._core.tuning import WEIGHT_MAX, WORKERS_MAX, QueueOverrides
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from awa._storage.calls import Call
    from awa._storage.functions import Storage


class AsyncOverriding(AsyncAdministering):
    """What the asynchronous client does with overrides."""

    async def override_queue(
        self,
        queue: str,
        *,
        max_workers: int | None = None,
        weight: int | None = None,
        claim_batch_size: int | None = None,
        poll_interval_ms: int | None = None,
        rate_limit: float | tuple[float, int] | None = None,
        deadline: timedelta | float | None = None,
        aging: timedelta | float | None = None,
        clear: bool = False,
        by: str | None = None,
    ) -> QueueOverrides:
        """Let all workers hold to these, in place of what their programs and the settings say.

        Each as in `QueueConfig` and `configure_queue`; where workers share handlers `max_workers`
        bounds the queue's part of them. `clear`: take back what is not given here. `by`: who does
        it. Answers what is overridden now. Running workers hear of it at once; those whose
        listener is away, with one of their next beats.
        Raises InvalidInput, also when there is no such queue.
        """
        given: dict[str, object] = {
            "max_workers": max_workers,
            "weight": weight,
            "claim_batch_size": claim_batch_size,
            "poll_interval_ms": poll_interval_ms,
            "rate_limit": rate_limit,
            "deadline": deadline,
            "aging": aging,
        }
        return await self._run(_override(self._storage, queue, given, clear=clear, by=by))


class Overriding(Administering):
    """What the synchronous client does with overrides."""

    def override_queue(
        self,
        queue: str,
        *,
        max_workers: int | None = None,
        weight: int | None = None,
        claim_batch_size: int | None = None,
        poll_interval_ms: int | None = None,
        rate_limit: float | tuple[float, int] | None = None,
        deadline: timedelta | float | None = None,
        aging: timedelta | float | None = None,
        clear: bool = False,
        by: str | None = None,
    ) -> QueueOverrides:
        """As `AsyncClient.override_queue`."""
        given: dict[str, object] = {
            "max_workers": max_workers,
            "weight": weight,
            "claim_batch_size": claim_batch_size,
            "poll_interval_ms": poll_interval_ms,
            "rate_limit": rate_limit,
            "deadline": deadline,
            "aging": aging,
        }
        return self._run(_override(self._storage, queue, given, clear=clear, by=by))


_NUMBERS: Final = {
    "max_workers": WORKERS_MAX,
    "weight": WEIGHT_MAX,
    "claim_batch_size": CLAIM_ENTRIES_MAX,
    "poll_interval_ms": POLL_MS_MAX,
}


def _override(
    storage: Storage, queue: str, given: Mapping[str, object], *, clear: bool, by: str | None
) -> Call[QueueOverrides]:
    name = checked_name("queue", queue)
    said = _checked({field: value for field, value in given.items() if value is not None})
    if not checked_flag("clear", clear) and not said:
        raise InvalidInput("overrides", f"are empty: give {', '.join(given)} or clear")
    if clear:
        said = {**dict.fromkeys(QueueOverrides.__slots__), **said}
    return storage.override_queue(name, said, by=checked_author("by", by))


def _checked(given: Mapping[str, object]) -> dict[str, object]:
    said: dict[str, object] = {
        field: checked_int(field, given[field], low=1, high=high)
        for field, high in _NUMBERS.items()
        if field in given
    }
    if "deadline" in given:
        said["deadline_s"] = checked_span_s("deadline", given["deadline"])
    if "aging" in given:
        said["aging_s"] = checked_span_s("aging", given["aging"])
    rate = checked_rate(given.get("rate_limit"))
    if rate is not None:
        said["rate"], said["burst"] = rate.per_s, rate.burst
    return said


def no_such_queue(queue: str) -> InvalidInput:
    """As the database says it; for acts that find it out by a look."""
    how = "configure_queue makes one, and so does its first job or worker"
    return InvalidInput("queue", f"there is no queue {queue!r}; {how}")


def checked_author(field: str, by: str | None) -> str | None:
    """Who does something to a queue; None for nobody in particular. Raises InvalidInput."""
    if by is not None and len(checked_text(field, by)) > QUEUE_LENGTH_MAX:
        raise InvalidInput(field, f"is longer than {QUEUE_LENGTH_MAX} characters")
    return by
