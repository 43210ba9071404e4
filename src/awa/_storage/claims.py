"""What workers call to live, to take entries, and to know what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from awa._core import entries, limits
from awa._storage import arrays, codec
from awa._storage.calling import Calling, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awa._core.bodies import Bodies
    from awa._core.capability import UnknownKind
    from awa._core.ranges import Ranges
    from awa._storage.calls import Call

_CLAIMED: Final = (
    "queue, answer, slot, part, lane, seqs::text, deadline, convert_to(bodies, 'UTF8')"
)
# bytea, not text: the worker decodes JSON from bytes, and would have to encode each text again.
_BODIES: Final = (
    "slot, part, lane, seqs, job_ids, run_leases, attempts, max_attempts, losses, kinds, "
    "convert_to(args, 'UTF8'), convert_to(extras, 'UTF8'), enqueued_s"
)


class Claims(Calling):
    """A worker's life, and its claims."""

    def worker_start(self, worker: int, info: entries.WorkerInfo) -> Call[entries.StartAnswer]:
        """A worker process appears. `worker` is drawn at random by the caller."""
        return self._call(
            "worker_start",
            "%s::bigint, %s::text::jsonb",
            (worker, codec.worker_document(info)),
            codec.enum_of(entries.StartAnswer),
        )

    def tell_unknown(self, worker: int, kinds: Sequence[UnknownKind]) -> Call[None]:
        """The worker meets these kinds and has no handler for them; those told before are gone."""
        return self._call(
            "tell_unknown",
            "%s::bigint, %s::text::jsonb",
            (worker, codec.unknown_document(kinds)),
            codec.nothing,
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
            columns="answer, released, busy, extract(epoch from clock_timestamp())::float8",
        )

    def worker_stop(self, worker: int) -> Call[entries.StopAnswer]:
        """A worker process leaves."""
        return self._call("worker_stop", "%s::bigint", (worker,), codec.enum_of(entries.StopAnswer))

    def claim(
        self,
        worker: int,
        *,
        call: int,
        token: int,
        asks: Sequence[entries.Ask],
        bodies_max: int = 0,
    ) -> Call[entries.ClaimAnswer]:
        """Take entries of several queues, at most CLAIM_ENTRIES_MAX in all (LimitExceeded).

        Repeated with the same token it answers what is still open of what that claim took.
        Up to `bodies_max` entries bring their bodies with them when these are small.
        """
        within("entries", sum(ask.limit for ask in asks), limits.CLAIM_ENTRIES_MAX)
        queues = arrays.words(ask.queue for ask in asks)
        asked = arrays.integers(ask.limit for ask in asks)
        return self._call(
            "claim",
            "%s::bigint, %s::bigint, %s::bigint, %s::text::text[], %s::text::int[], %s::int",
            (worker, call, token, queues, asked, bodies_max),
            codec.claim_answer,
            columns=_CLAIMED,
        )

    def bodies(self, token: int, *, guess: Sequence[int] = ()) -> Call[tuple[Bodies, ...]]:
        """The entries that are still open of the claim with this token, with all they carry.

        With a guess only those in these slots, which costs less than to look which slots are live.
        """
        params = (token, arrays.integers(guess) if guess else None)
        return self._call(
            "bodies", "%s::bigint, %s::text::smallint[]", params, codec.bodies, columns=_BODIES
        )

    def ended_elsewhere(
        self, worker: int, *, calls: Ranges
    ) -> Call[tuple[entries.EndedElsewhere, ...]]:
        """Of these claim calls of the worker, the attempts that somebody else has ended."""
        return self._call(
            "ended_elsewhere",
            "%s::bigint, %s::text::int8multirange",
            (worker, str(calls)),
            codec.ended_elsewhere,
            columns="token, part, seqs::text, outcome",
        )
