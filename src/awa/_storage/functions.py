"""One method per SQL function, each of the same name, each making a Call and doing nothing.

Values travel as text wherever drivers disagree on a type (multiranges, JSON), with the casts
written out: so the same Call runs on psycopg, asyncpg and SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from awa._core import entries, limits
from awa._storage import codec
from awa._storage.calls import Call, Rows
from awa._storage.names import SCHEMA_DEFAULT, checked_schema, quoted
from awa.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awa._core.options import NewJob
    from awa._core.ranges import Ranges

T = TypeVar("T")

_SETTLED = "item, answer, numbers::text"
_CLAIMED = "queue, answer, slot, part, lane, seqs::text, deadline"
# bytea, not json: a cast to json reads the whole text again to see whether it is JSON.
_BODY = (
    "slot, part, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, "
    "convert_to(args::text, 'UTF8'), convert_to(extra::text, 'UTF8'), "
    "extract(epoch from enqueued_at)::float8"
)
_ITEMS = "%s::smallint[], %s::bigint[], %s::smallint[], %s::text[]::int8multirange[]"
_RESULTS = "%s::int[], %s::bigint[], %s::text[]::jsonb[]"


class Storage:
    """The SQL contract of one schema. Immutable, cheap, shared by every task and thread."""

    def __init__(self, schema: str = SCHEMA_DEFAULT) -> None:
        self.schema = checked_schema(schema)
        # A percent sign in the name must not look like a placeholder.
        self._prefix = quoted(self.schema).replace("%", "%%")
        self._sql: dict[str, str] = {}

    def ensure_lane(
        self, queue: str, *, priority: int = limits.PRIORITY_DEFAULT, shard: int = 0
    ) -> Call[int]:
        """The lane of (queue, priority, shard), made if it is missing. Answers its number."""
        return self._call(
            "ensure_lane", "%s::text, %s::int, %s::int", (queue, priority, shard), codec.scalar(int)
        )

    def enqueue(self, job: NewJob) -> Call[entries.Enqueued]:
        """Store one job in the caller's transaction."""
        return self._call(
            "enqueue",
            "%s::text, %s::text::jsonb, %s::text::jsonb",
            (job.kind, job.args.decode(), job.opts.decode()),
            codec.enqueued_one,
            columns="id, state, duplicate",
        )

    def enqueue_many(self, jobs: Sequence[NewJob]) -> Call[tuple[entries.Enqueued, ...]]:
        """Store jobs in the caller's transaction; answers in their order.

        At most ENQUEUE_JOBS_MAX at once (LimitExceeded); see `awa._core.batches` for cutting.
        """
        _within("jobs", len(jobs), limits.ENQUEUE_JOBS_MAX)
        return self._call(
            "enqueue_many",
            "%s::text::jsonb",
            (codec.jobs_document(jobs),),
            codec.enqueued,
            columns="id, state, duplicate",
        )

    def worker_start(self, worker: int, info: entries.WorkerInfo) -> Call[entries.StartAnswer]:
        """A worker process appears. `worker` is drawn at random by the caller."""
        return self._call(
            "worker_start",
            "%s::bigint, %s::text::jsonb",
            (worker, codec.worker_document(info)),
            codec.enum_of(entries.StartAnswer),
        )

    def heartbeat(
        self, worker: int, *, beat: int, upto: int, open_calls: Ranges
    ) -> Call[entries.Beat]:
        """The worker lives, and still knows `open_calls` of its claim calls up to `upto`.

        Whatever else is open of the calls up to `upto` is released as a loss.
        """
        return self._call(
            "heartbeat",
            "%s::bigint, %s::bigint, %s::bigint, %s::text::int8multirange",
            (worker, beat, upto, str(open_calls)),
            codec.beat,
            columns="answer, released",
        )

    def worker_stop(self, worker: int) -> Call[entries.StopAnswer]:
        """A worker process leaves."""
        return self._call("worker_stop", "%s::bigint", (worker,), codec.enum_of(entries.StopAnswer))

    def claim(
        self, worker: int, *, call: int, token: int, asks: Sequence[entries.Ask]
    ) -> Call[entries.ClaimAnswer]:
        """Take entries of several queues, at most CLAIM_ENTRIES_MAX in all (LimitExceeded).

        Repeated with the same token it answers what is still open of what that claim took.
        """
        _within("entries", sum(ask.limit for ask in asks), limits.CLAIM_ENTRIES_MAX)
        queues = [ask.queue for ask in asks]
        return self._call(
            "claim",
            "%s::bigint, %s::bigint, %s::bigint, %s::text[], %s::int[]",
            (worker, call, token, queues, [ask.limit for ask in asks]),
            codec.claim_answer,
            columns=_CLAIMED,
        )

    def complete(
        self,
        worker: int,
        settle_id: int,
        items: Sequence[entries.SettleItem],
        results: Sequence[entries.Result] = (),
    ) -> Call[tuple[entries.Settlement, ...]]:
        """Close entries with success. Repeated with the same settle id it answers `already`.

        At most SETTLE_ITEMS_MAX items (LimitExceeded).
        """
        return self._call(
            "complete",
            f"%s::bigint, %s::bigint, {_ITEMS}, {_RESULTS}",
            (
                worker,
                settle_id,
                *_item_columns(items),
                [result.item for result in results],
                [result.seq for result in results],
                [result.value.decode() for result in results],
            ),
            codec.settlements,
            columns=_SETTLED,
        )

    def release(
        self, worker: int, settle_id: int, items: Sequence[entries.SettleItem]
    ) -> Call[tuple[entries.Settlement, ...]]:
        """Close entries unused: their jobs are available again, the attempt does not count."""
        return self._call(
            "release",
            f"%s::bigint, %s::bigint, {_ITEMS}",
            (worker, settle_id, *_item_columns(items)),
            codec.settlements,
            columns=_SETTLED,
        )

    def bodies(self, token: int) -> Call[list[entries.Body]]:
        """The entries that are still open of the claim with this token, with all they carry."""
        return self._call("bodies", "%s::bigint", (token,), codec.bodies, columns=_BODY)

    def check(self) -> Call[tuple[entries.Violation, ...]]:
        """Every property that does not hold in the database as it is; empty when all is well."""
        return self._call("check", "", (), codec.violations, columns="property, detail")

    def census(self, lane: int) -> Call[str]:
        """All that the database knows about one lane, as the JSON text that replay compares."""
        return self._call("census", "%s::int", (lane,), codec.scalar(str), columns="census::text")

    def schema_version(self) -> Call[int]:
        """The version of the installed schema. The executor raises SchemaMissing without one."""
        return self._call("schema_version", "", (), codec.scalar(int))

    def hold_alive(self, worker: int) -> Call[None]:
        """This session bears witness that the worker lives, until it ends."""
        return self._call("hold_alive", "%s::bigint", (worker,), codec.nothing)

    def sleep_on(self, queues: Sequence[str], *, wait_ms: int) -> Call[frozenset[str]]:
        """Become the sleeper of these queues; answers those that had none. Held by the session."""
        return self._call("sleep_on", "%s::text[], %s::int", (list(queues), wait_ms), codec.names)

    def wake_up(self) -> Call[None]:
        """Stop being anybody's sleeper."""
        return self._call("wake_up", "", (), codec.nothing)

    def inflight(self, queues: Sequence[str]) -> Call[bool]:
        """Whether a producer's transaction is open in one of the lanes of these queues."""
        return self._call("inflight", "%s::text[]", (list(queues),), codec.scalar(bool))

    def pass_on(self, queues: Sequence[str]) -> Call[None]:
        """Wake another worker for each of these queues: this one has no room."""
        return self._call("pass_on", "%s::text[]", (list(queues),), codec.nothing)

    def _call(
        self,
        action: str,
        places: str,
        params: tuple[object, ...],
        decode: Callable[[Rows], T],
        *,
        columns: str = "*",
    ) -> Call[T]:
        sql = self._sql.get(action)
        if sql is None:
            # `check` is a reserved word; quoting costs the others nothing.
            sql = f'select {columns} from {self._prefix}."{action}"({places})'
            assert places.count("%s") == len(params), f"{action}: one place for each parameter"
            self._sql[action] = sql
        return Call(action=action, sql=sql, params=params, decode=decode, schema=self.schema)


def _item_columns(
    items: Sequence[entries.SettleItem],
) -> tuple[list[int], list[int], list[int], list[str]]:
    _within("items", len(items), limits.SETTLE_ITEMS_MAX)
    return (
        [item.slot for item in items],
        [item.token for item in items],
        [item.part for item in items],
        [str(item.seqs) for item in items],
    )


def _within(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise LimitExceeded(f"{count} {what} in one call; the limit is {limit}")
