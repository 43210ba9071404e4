"""What operators do to jobs and queues.

Acts on jobs answer for each job in the order given. Repeated with the same settle id, each answers
`already` for what its first execution did. At most ACT_JOBS_MAX jobs a call (LimitExceeded).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from awa._core import entries, limits
from awa._core.tuning import QueueOverrides
from awa._storage import codec
from awa._storage.calling import Calling, within
from awa._storage.calls import Call, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Acted: TypeAlias = Call[tuple[entries.Act, ...]]

_ACTED: Final = "item, answer, state"
_JOBS: Final = "%s::bigint, %s::bigint[]"


class Acts(Calling):
    """Jobs taken back, dead letters, and queues paused and resumed."""

    def cancel_pending(
        self, settle_id: int, job_ids: Sequence[int], *, reason: str | None = None
    ) -> Acted:
        """Cancel jobs that wait to be claimed, now or later.

        The executor raises WrongTransaction inside a larger transaction.
        """
        return self._act("cancel_pending", settle_id, job_ids, "%s::text", reason)

    def dlq_move(
        self, settle_id: int, job_ids: Sequence[int], *, reason: str | None = None
    ) -> Acted:
        """Put failed and cancelled jobs with the dead letters."""
        return self._act("dlq_move", settle_id, job_ids, "%s::text", reason)

    def dlq_retry(
        self,
        settle_id: int,
        job_ids: Sequence[int],
        *,
        queue: str | None = None,
        priority: int | None = None,
        delay_s: float | None = None,
    ) -> Acted:
        """Give dead letters a new life: all their attempts again; where they were, or elsewhere."""
        chosen = {"queue": queue, "priority": priority, "delay_s": delay_s}
        options = codec.options_document(chosen)
        return self._act("dlq_retry", settle_id, job_ids, "%s::text::jsonb", options)

    def dlq_purge(self, settle_id: int, job_ids: Sequence[int]) -> Acted:
        """Delete dead letters."""
        return self._act("dlq_purge", settle_id, job_ids)

    def pause_queue(self, queue: str, *, by: str | None = None) -> Call[bool]:
        """Let nothing of this queue be claimed; answers whether that is new."""
        return self._call("pause_queue", "%s::text, %s::text", (queue, by), codec.scalar(bool))

    def resume_queue(self, queue: str) -> Call[bool]:
        """Let the queue be claimed from again; answers whether it was paused."""
        return self._call("resume_queue", "%s::text", (queue,), codec.scalar(bool))

    def override_queue(
        self, queue: str, overrides: Mapping[str, object] | None, *, by: str | None = None
    ) -> Call[QueueOverrides]:
        """Set what is given, take back what is None, and all with None; answers what is set now."""
        document = None if overrides is None else codec.settings_document(overrides)
        return self._call(
            "override_queue",
            "%s::text, %s::text::jsonb, %s::text",
            (queue, document, by),
            _overrides,
            columns="override_queue::text",
        )

    def configure_queue(self, queue: str, settings: Mapping[str, object]) -> Call[None]:
        """Set some of deadline_s, aging_s, enqueue_shards, dead_letters; makes the queue too."""
        return self._call(
            "configure_queue",
            "%s::text, %s::text::jsonb",
            (queue, codec.settings_document(settings)),
            codec.nothing,
        )

    def configure_defaults(self, settings: Mapping[str, object]) -> Call[None]:
        """Set dead_letters for every queue that does not say otherwise."""
        return self._call(
            "configure_defaults",
            "%s::text::jsonb",
            (codec.settings_document(settings),),
            codec.nothing,
        )

    def _act(
        self, action: str, settle_id: int, job_ids: Sequence[int], place: str = "", *more: object
    ) -> Acted:
        within("jobs", len(job_ids), limits.ACT_JOBS_MAX)
        return self._call(
            action,
            f"{_JOBS}, {place}" if place else _JOBS,
            (settle_id, list(job_ids), *more),
            codec.acts,
            columns=_ACTED,
        )


def _overrides(rows: Rows) -> QueueOverrides:
    ((document,),) = rows
    return QueueOverrides.of(msgspec.json.decode(document))
