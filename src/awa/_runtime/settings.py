"""What a worker is told before it starts."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from awa._core import limits
from awa._core.entries import WorkerInfo
from awa._core.options import checked_duration_s, checked_int
from awa._core.tuning import Tuning
from awa._core.watching import Patience
from awa._runtime.limits import (
    BUSY_STALL_S,
    CALM_LOOK_INTERVAL_S,
    DEADLINE_GRACE_S,
    GLANCE_S,
    HEARTBEAT_INTERVAL_S,
    HEARTBEAT_TIMEOUT_S,
    IDLE_SESSION_TIMEOUT_S,
    LIVENESS_GRACE_S,
    LOOK_INTERVAL_S,
    LOOP_LAG_S,
    POLL_DEAF_S,
    STALL_S,
    TRANSACTION_CONNECTIONS,
)

Role: TypeAlias = Literal["all", "dispatch", "maintenance"]
"""Whether a worker runs jobs, leads when nobody else does, or both."""

HEALTH_HOST: Final = "127.0.0.1"
"""Nobody else is told anything, unless it is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long a worker that leads keeps what has ended. All workers that may lead get the same.

    Raises InvalidInput.
    """

    completed_s: float = limits.COMPLETED_KEEP_S
    """Of completed jobs; or until the ring is full, whichever comes first."""
    slot_s: float = limits.ROTATE_AGE_S
    slot_entries: int = limits.ROTATE_ENTRIES
    """The ring turns when its current slot is so old, or holds so many entries."""
    finals_s: float = limits.FINALS_KEEP_S
    """Of failed and cancelled jobs."""
    dead_letters_s: float = limits.DLQ_KEEP_S

    def __post_init__(self) -> None:
        for name in ("completed_s", "slot_s", "finals_s", "dead_letters_s"):
            checked_duration_s(name, getattr(self, name))
        checked_int("slot_entries", self.slot_entries, low=1, high=2**62)


DEFAULT_RETENTION: Final = Retention()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Where a worker works, on which queues, and how many handlers of each may run at once."""

    conninfo: str
    schema: str
    queues: tuple[tuple[str, int], ...]
    """Each with the handlers that may run at once, at the most."""
    version: str
    tunings: Mapping[str, Tuning] = field(default_factory=dict)
    """What else was said of a queue."""
    global_max_workers: int | None = None
    """The queues share so many handlers; None: each has its own."""
    declared: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What is stored with a queue when the worker starts."""
    direct_conninfo: str | None = None
    """Where to listen and to lead, if `conninfo` is a pooler's."""
    name: str = field(default_factory=lambda: f"{platform.node()}:{os.getpid()}")
    poll_s: float = POLL_DEAF_S
    """How often an empty queue is asked for while there is no listener."""
    heartbeat_s: float = HEARTBEAT_INTERVAL_S
    """What has to do with liveness keeps its proportion to this: the same for all workers."""
    lead: bool = True
    """Whether this worker leads when nobody else does."""
    hurries: bool = False
    """It ends by itself, so it does not wait for its turn to look whether somebody leads."""
    jobs_max: int | None = None
    """After so many jobs it claims no more; None for no limit."""
    retention: Retention = field(default_factory=Retention)
    grace_s: float = DEADLINE_GRACE_S
    """How long an attempt that was cancelled may clean up."""

    transaction_connections: int = TRANSACTION_CONNECTIONS
    """How many handlers may be in a transaction of their own at once."""

    health_host: str = HEALTH_HOST
    health_port: int | None = None
    """Where it answers whether it is well; None for nowhere, 0 for any free port."""
    stall_s: float = STALL_S
    """After so long without an answer a claim, a settle or a beat is called a stall."""
    busy_stall_s: float = BUSY_STALL_S
    """After so long without an end handlers that hold all permits of a queue are called one."""
    handler_stall_s: float | None = None
    """... and after so long it makes /healthz fail, if no deadline will end it; None for never."""
    loop_lag_s: float = LOOP_LAG_S

    @property
    def maintenance_only(self) -> bool:
        """Whether it has no queue: then it only leads."""
        return not self.queues

    @property
    def role(self) -> Role:
        """What it does: without queues it only leads."""
        if self.maintenance_only:
            return "maintenance"
        return "all" if self.lead else "dispatch"

    def info(self, *, poll_only: bool = False, kinds: tuple[str, ...] = ()) -> WorkerInfo:
        """How the worker introduces itself."""
        return WorkerInfo(
            name=self.name,
            host=platform.node(),
            pid=os.getpid(),
            queues=tuple(queue for queue, _ in self.queues),
            version=self.version,
            poll_only=poll_only,
            role=self.role,
            kinds=kinds,
        )

    @property
    def claimers(self) -> int:
        """Sessions that claim."""
        return max((tuning.claimers for tuning in self.tunings.values()), default=1)

    def tuning_of(self, queue: str) -> Tuning:
        """What the worker holds to in one of its queues."""
        return self.tunings.get(queue) or Tuning(max_workers=dict(self.queues)[queue])

    def look_s(self, *, calm: bool) -> float:
        """How often the leader looks at all workers; `calm` while none is absent."""
        return self._scaled(CALM_LOOK_INTERVAL_S if calm else LOOK_INTERVAL_S)

    def patience(self) -> Patience:
        """How much this worker, as a leader, has to see before it calls another one lost."""
        return Patience(
            timeout_s=self._scaled(HEARTBEAT_TIMEOUT_S),
            grace_s=self._scaled(LIVENESS_GRACE_S),
            beat_s=self.heartbeat_s,
            glance_s=self._scaled(GLANCE_S),
        )

    def _scaled(self, default_s: float) -> float:
        return default_s * self.heartbeat_s / HEARTBEAT_INTERVAL_S

    def session_settings(self) -> dict[str, str]:
        """What every connection of the worker sets, whatever its role's defaults are."""
        return {
            "application_name": f"awa worker {self.name}"[:63],
            "default_transaction_isolation": "read committed",
            "statement_timeout": "0",
            "lock_timeout": "0",
            "idle_in_transaction_session_timeout": "0",
            "idle_session_timeout": "0",
        }

    def pinging_settings(self) -> dict[str, str]:
        """A listener or leader that was cut off must not keep its locks.

        It says something every few seconds, or the server ends its session.
        """
        timeout = {"idle_session_timeout": f"{IDLE_SESSION_TIMEOUT_S:g}s"}
        return {**self.session_settings(), **timeout}
