"""What producers call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from awa._core import entries, limits
from awa._storage import codec
from awa._storage.calling import Calling, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awa._core.copying import CopyAnswer
    from awa._core.options import NewJob
    from awa._storage.calls import Call

_STORED: Final = "id, state, duplicate, answer"
_COUNTS: Final = ", ".join(
    f"count(*) filter (where answer = '{answer}')" for answer in entries.EnqueueAnswer
)


class Producers(Calling):
    """Lanes and new jobs."""

    def ensure_lane(
        self, queue: str, *, priority: int = limits.PRIORITY_DEFAULT, shard: int = 0
    ) -> Call[int]:
        """The lane of (queue, priority, shard), made if it is missing. Answers its number."""
        return self._call(
            "ensure_lane", "%s::text, %s::int, %s::int", (queue, priority, shard), codec.scalar(int)
        )

    def enqueue(self, job: NewJob) -> Call[entries.Enqueued]:
        """Store one job in the caller's transaction.

        The executor raises UniqueConflict when its unique key is held and it asks for that.
        """
        return self._call(
            "enqueue",
            "%s::text, %s::text::jsonb, %s::text::jsonb",
            (job.kind, job.args.decode(), job.opts.decode()),
            codec.enqueued_one,
            columns=_STORED,
        )

    def enqueue_many(self, jobs: Sequence[NewJob]) -> Call[tuple[entries.Enqueued, ...]]:
        """Store jobs in the caller's transaction; answers in their order.

        At most ENQUEUE_JOBS_MAX at once (LimitExceeded); see `awa._core.batches` for cutting.
        """
        within("jobs", len(jobs), limits.ENQUEUE_JOBS_MAX)
        return self._call(
            "enqueue_many",
            "%s::text::jsonb",
            (codec.jobs_document(jobs),),
            codec.enqueued,
            columns=_STORED,
        )

    def enqueue_many_counted(self, jobs: Sequence[NewJob]) -> Call[CopyAnswer]:
        """`enqueue_many`, answered by numbers: a row for each job would be work on both sides."""
        call: Call[Any] = self.enqueue_many(jobs)
        sql = f"select {_COUNTS} from ({call.sql}) answers"
        return replace(call, sql=sql, decode=codec.copy_answer)
