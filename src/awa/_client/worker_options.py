"""What a worker may be told by keyword: one place for the client, the program and the commands."""

from collections.abc import Iterable
from typing import TypedDict

from awa._client.health import checked_patience_s, checked_port
from awa._client.queues import QueueChoice, checked_queues
from awa._core.options import checked_duration_s, checked_int
from awa._runtime.limits import DEADLINE_GRACE_S, POLL_DEAF_S
from awa._runtime.settings import DEFAULT_RETENTION, HEALTH_HOST, Retention, WorkerSettings
from awa._version import VERSION
from awa.errors import InvalidInput

POLL_INTERVAL_MS = int(POLL_DEAF_S * 1000)
TIMEOUT_MS_MAX = 86_400_000


class WorkerOptions(TypedDict, total=False):
    """The keywords of `start`, `run_worker` and `awa worker`; each has a default."""

    poll_interval_ms: int
    """How often an empty queue is asked for while the worker cannot be woken; default 200."""
    grace_s: float
    """How long a handler that was cancelled, by its deadline or by somebody, may clean up before
    its job goes on without it; default 5."""
    lead: bool
    """Whether it may do what one worker does for all: rescue, promote, retire; default True."""
    retention: Retention
    """How long it then keeps what has ended."""
    health_port: int | None
    """Where it answers /healthz and /readyz by HTTP; 0 for any free port, default nowhere."""
    health_host: str
    """The address of that port; default 127.0.0.1."""
    handler_stall_s: float | None
    """After so long handlers that hold all permits of a queue, and that no deadline will end, make
    /healthz fail; default never."""


def settings_of(
    queues: Iterable[QueueChoice],
    options: WorkerOptions,
    *,
    conninfo: str,
    direct_conninfo: str | None,
    schema: str,
) -> WorkerSettings:
    """What a worker is told, checked. Raises InvalidInput."""
    unknown = sorted(options.keys() - WorkerOptions.__annotations__.keys())
    if unknown:
        known = ", ".join(sorted(WorkerOptions.__annotations__))
        raise InvalidInput(unknown[0], f"is no option of a worker; there are {known}")
    poll_ms = options.get("poll_interval_ms", POLL_INTERVAL_MS)
    return WorkerSettings(
        conninfo=conninfo,
        direct_conninfo=direct_conninfo,
        schema=schema,
        queues=checked_queues(queues),
        version=VERSION,
        poll_s=checked_int("poll_interval_ms", poll_ms, low=1, high=TIMEOUT_MS_MAX) / 1000,
        grace_s=checked_duration_s("grace_s", options.get("grace_s", DEADLINE_GRACE_S)),
        lead=options.get("lead", True),
        retention=options.get("retention", DEFAULT_RETENTION),
        health_host=options.get("health_host", HEALTH_HOST),
        health_port=checked_port(options.get("health_port")),
        handler_stall_s=checked_patience_s(options.get("handler_stall_s")),
    )
