"""The ways to the database: one for the work, and one for what lives in a session.

Through a pooler in transaction mode nothing lives in a session: LISTEN, the liveness lock, the
flags of sleepers and the leader's lock would be left in one that serves somebody else the next
moment. So whether sessions last is found out at each start, and where they do not, none of these is
used: the worker polls, cannot lead, and is called lost for its silence only.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from awa._runtime.limits import HEARTBEAT_INTERVAL_S, HEARTBEAT_TIMEOUT_S
from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from awa._runtime.settings import WorkerSettings

_log: Final = logging.getLogger("awa.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A connection string, and whether the sessions made with it last."""

    conninfo: str
    lasting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """How a worker goes: to claim and settle, and to listen and lead."""

    work: Route
    direct: Route

    @property
    def poll_only(self) -> bool:
        """Whether the worker cannot be woken, and holds no lock that shows that it lives."""
        return not self.direct.lasting

    def leads(self, settings: WorkerSettings) -> bool:
        """Whether a worker with these settings may lead: a leader needs a session."""
        return settings.lead and self.direct.lasting

    def require_a_use(self, settings: WorkerSettings) -> None:
        """Refuse a worker that is only to lead and cannot. Raises ConfigurationError."""
        if settings.role == "maintenance" and not self.leads(settings):
            raise ConfigurationError(
                "a worker that only leads needs sessions that last, and these go through a pooler"
                " in transaction mode: give its client direct_url=... with the server's own address"
            )


def warn_of_poolers(routes: Routes, settings: WorkerSettings) -> None:
    """Say once what a pooler costs this worker."""
    if routes.poll_only:
        silent_s = HEARTBEAT_TIMEOUT_S * settings.heartbeat_s / HEARTBEAT_INTERVAL_S
        _log.warning(
            "this worker's connections go through a pooler in transaction mode, where no session"
            " lasts: it asks for jobs every %g s instead of being woken, is called lost only after"
            " %g s of silence, and cannot lead. At least one worker must reach the server directly:"
            " give this one, or another, direct_url=... in its client",
            settings.poll_s,
            silent_s,
            extra={"event": "poll_only", "poll_s": settings.poll_s},
        )
    elif not routes.work.lasting:
        _log.info("claims and settles go through a pooler in transaction mode; the rest does not")
