"""How the work goes, as the database shows it: for probes and for people at night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from awa._client.steps import ask
from awa._core.options import checked_duration_s
from awa._runtime.limits import HEARTBEAT_TIMEOUT_S
from awa._storage import vitals
from awa._storage.history import storage_status
from awa._storage.install import require_version

if TYPE_CHECKING:
    from awa._client.steps import Steps
    from awa._core.capability import UnknownKind
    from awa._storage.functions import Storage

PROMOTE_LAG_MAX_S: Final = 10.0
"""A leader promotes within a quarter of a second; so late, none is at work."""
OWNERS: Final = ("leader_age_s", "last_claim_age_s", "last_settle_age_s", "oldest_available_s")
"""What only the owner of the schema may know: it is read from the tables themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerVitals:
    """A worker as its row shows it."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    beat_age_s: float
    alive: bool
    """Whether a session of it holds its liveness lock."""
    poll_only: bool
    """It goes through a pooler in transaction mode: without that lock, and never woken."""
    leads: bool
    role: str
    """all; dispatch: it never leads; maintenance: it only leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Ages in seconds; None where there is nothing to show, or where it is `hidden`."""

    workers: tuple[WorkerVitals, ...]
    leader: str | None
    """The name of the worker that leads; None when nobody does."""
    leader_age_s: float | None
    last_claim_age_s: float | None
    last_settle_age_s: float | None
    oldest_available_s: float | None
    """How long the job has waited that waits longest to be claimed."""
    promote_lag_s: float
    """For how long the deferred job that is due longest has been due; 0 when none is."""
    hidden: tuple[str, ...]
    """Fields that are None because only the schema's owner may know them, and this role is not."""
    unknown_kinds: tuple[UnknownKind, ...]
    """Kinds that workers meet and none of them has a handler for: no capable worker."""

    def problems(self, *, waiting_max_s: float | None = None) -> tuple[str, ...]:
        """What is wrong, in words; empty when the work goes on. `awa health` says the same.

        `waiting_max_s`: how long a job may wait to be claimed; without it, for ever.
        Raises InvalidInput.
        """
        problems = []
        if not self.workers:
            problems.append("there is no worker")
        elif self.leader is None:
            problems.append("no worker leads: nothing is promoted or rescued" + _why(self.workers))
        problems += [
            f"worker {one.name} on {one.host} has not beaten for {one.beat_age_s:.0f} s"
            for one in self.workers
            if one.beat_age_s > HEARTBEAT_TIMEOUT_S
        ]
        if self.promote_lag_s > PROMOTE_LAG_MAX_S:
            problems.append(
                f"a job has been due for {self.promote_lag_s:.0f} s and is not promoted"
            )
        problems += [
            f"no capable worker: kind {one.kind!r} in queue {one.queue!r},"
            f" put off {_times(one.times)}"
            for one in self.unknown_kinds
        ]
        if waiting_max_s is not None:
            problems += self._waits(checked_duration_s("waiting_max_s", waiting_max_s))
        return tuple(problems)

    def _waits(self, most_s: float) -> list[str]:
        waits_s = self.oldest_available_s
        if "oldest_available_s" in self.hidden:
            return ["how long a job waits is not known: it needs the rights of the owner"]
        if waits_s is None or waits_s <= most_s:
            return []
        return [f"a job has waited for {waits_s:.0f} s to be claimed"]


def vitals_steps(storage: Storage) -> Steps[Vitals]:
    """Ask for all of it. Raises SchemaMissing, SchemaNewer, SchemaOlder."""
    require_version((yield from ask(storage.schema_version())), storage.schema)
    status = yield from ask(storage_status(schema=storage.schema))
    lags = yield from ask(vitals.lags(schema=storage.schema))
    ages = vitals.no_ages()
    if lags.may_look:
        ages = yield from ask(vitals.ages(schema=storage.schema))
    unknown = yield from ask(vitals.unknown_kinds(schema=storage.schema))
    workers = tuple(_worker(one) for one in status["workers"])
    return Vitals(
        workers=workers,
        leader=next((one.name for one in workers if one.leads), None),
        leader_age_s=ages.leader_s,
        last_claim_age_s=ages.last_claim_s,
        last_settle_age_s=ages.last_settle_s,
        oldest_available_s=ages.oldest_available_s,
        promote_lag_s=lags.promote_lag_s,
        hidden=() if lags.may_look else OWNERS,
        unknown_kinds=unknown,
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _why(workers: tuple[WorkerVitals, ...]) -> str:
    behind_pools = all(one.poll_only for one in workers)
    return "; all go through a pooler, and one has to go directly" if behind_pools else ""


def _worker(row: dict[str, Any]) -> WorkerVitals:
    return WorkerVitals(
        name=row["name"],
        host=row["host"],
        pid=row["pid"],
        queues=tuple(row["queues"]),
        beat_age_s=float(row["beat_age_s"]),
        alive=row["alive"],
        poll_only=row["poll_only"],
        leads=row["leads"],
        role=row["role"],
    )
