"""What the leader calls: it promotes, rescues, retires and turns the ring. All of it may repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from awa._core import entries, limits, rescues
from awa._storage import codec
from awa._storage.calling import Calling
from awa._storage.calls import Call

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_SINCE: Final = "coalesce(%s::timestamptz, '-infinity')"


class Upkeep(Calling):
    """Standing work, done by one worker at a time; safety never depends on there being one."""

    def lead(self) -> Call[bool]:
        """Try to become the leader, for as long as the session lives; whether it is."""
        return self._call("lead", "", (), codec.scalar(bool))

    def led(self) -> Call[bool]:
        """Whether some session is the leader."""
        return self._call("led", "", (), codec.scalar(bool))

    def observe(self) -> Call[tuple[entries.Observed, ...]]:
        """Every worker as it is now."""
        return self._call("observe", "", (), codec.observed, columns="worker, beat, alive, beaten")

    def look_on(self) -> Call[tuple[tuple[entries.Observed, ...], bool]]:
        """What a follower asks at once: every worker as it is now, and whether somebody leads."""
        led, observe = (f'{self._prefix}."{function}"()' for function in ("led", "observe"))
        return Call(
            action="observe",
            sql="select o.worker, o.beat, o.alive, o.beaten, l.led "  # names of ours, quoted
            f"from {led} l (led) left join {observe} o on true",
            params=(),
            decode=codec.looked_on,
            schema=self.schema,
        )

    def strays(self) -> Call[tuple[int, ...]]:
        """Workers that hold claims and have no row."""
        return self._call("strays", "", (), codec.integers)

    def rescue_worker(
        self,
        worker: int,
        *,
        beat: int | None,
        max_claims: int = limits.RESCUE_CLAIMS_MAX,
        kinds: Sequence[str] = (),
    ) -> Call[rescues.Rescue]:
        """End the open attempts of a worker whose counter is still `beat` (None: it has no row).

        Those of these kinds are named.
        """
        return self._call(
            "rescue_worker",
            "%s::bigint, %s::bigint, %s::int, %s::text[]",
            (worker, beat, max_claims, list(kinds)),
            codec.rescue,
            columns="answer, released, ended, busy, rescued::text",
        )

    def rescue_deadline(
        self,
        *,
        max_claims: int = limits.RESCUE_CLAIMS_MAX,
        since: datetime | None = None,
        grace_s: float = 0.0,
        kinds: Sequence[str] = (),
    ) -> Call[rescues.DeadlineRescue]:
        """End attempts whose deadline lies after `since` and passed `grace_s` ago or earlier.

        Those of these kinds are named.
        """
        return self._call(
            "rescue_deadline",
            f"%s::int, {_SINCE}, %s::double precision, %s::text[]",
            (max_claims, since, float(grace_s), list(kinds)),
            codec.deadline_rescue,
            columns="released, ended, busy, next_at, rescued::text",
        )

    def arm_timer(self) -> Call[bool]:
        """The leader looks now; whoever defers a job meanwhile tells it. Whether nobody does."""
        return self._call("arm_timer", "", (), codec.scalar(bool))

    def promote(
        self,
        *,
        max_jobs: int = limits.PROMOTE_JOBS_MAX,
        since: datetime | None = None,
        job_ids: Sequence[int] | None = None,
    ) -> Call[entries.Promotion]:
        """Make due jobs available; with `job_ids` these, whatever their time."""
        return self._call(
            "promote",
            f"%s::int, {_SINCE}, %s::bigint[]",
            (max_jobs, since, None if job_ids is None else list(job_ids)),
            codec.promotion,
            columns="promoted, next_at",
        )

    def set_timer(self, at: datetime | None) -> Call[None]:
        """The leader looks again at this time; it need not be told of later ones."""
        return self._call(
            "set_timer", "coalesce(%s::timestamptz, 'infinity')", (at,), codec.nothing
        )

    def retire(
        self,
        *,
        max_jobs: int = limits.RETIRE_JOBS_MAX,
        keep_s: float = limits.FINALS_KEEP_S,
        dlq_keep_s: float = limits.DLQ_KEEP_S,
    ) -> Call[entries.Retirement]:
        """Forget failed and cancelled jobs and dead letters whose retention is over."""
        return self._call(
            "retire",
            "%s::int, %s::double precision, %s::double precision",
            (max_jobs, float(keep_s), float(dlq_keep_s)),
            codec.retirement,
            columns="finals, dead_letters",
        )

    def rotate(
        self,
        *,
        max_age_s: float = limits.ROTATE_AGE_S,
        max_entries: int = limits.ROTATE_ENTRIES,
    ) -> Call[entries.Rotation]:
        """Begin another slot when the current one is old or large and another is empty."""
        return self._call(
            "rotate",
            "%s::double precision, %s::bigint",
            (float(max_age_s), max_entries),
            codec.rotation,
            columns="answer, slot",
        )

    def prune(self, slot: int, *, keep_s: float = limits.COMPLETED_KEEP_S) -> Call[entries.Pruning]:
        """Empty a slot in which everything has ended, and longer than `keep_s` ago."""
        return self._call(
            "prune",
            "%s::smallint, %s::double precision",
            (slot, float(keep_s)),
            codec.pruning,
            columns="answer, freed_bytes, reappended",
        )

    def evacuate(
        self, slot: int, *, max_entries: int = limits.EVACUATE_ENTRIES_MAX
    ) -> Call[entries.Evacuation]:
        """Carry what still lives in a slot to the current one, so that it can be emptied."""
        return self._call(
            "evacuate",
            "%s::smallint, %s::int",
            (slot, max_entries),
            codec.evacuation,
            columns="answer, moved",
        )
