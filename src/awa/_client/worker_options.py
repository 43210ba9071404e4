"""What a worker may be told by keyword: one place for the client, the program and the commands."""

from collections.abc import Iterable
from functools import partial
from typing import TypedDict

from awa._client.health import checked_patience_s, checked_port
from awa._client.problems import Problems
from awa._client.queues import QueueChoice, collected_queues, no_queues
from awa._core.options import checked_duration_s, checked_flag, checked_int, checked_text
from awa._runtime.limits import DEADLINE_GRACE_S, POLL_DEAF_S, TRANSACTION_CONNECTIONS
from awa._runtime.settings import DEFAULT_RETENTION, HEALTH_HOST, Retention, WorkerSettings
from awa._version import VERSION

POLL_INTERVAL_MS = int(POLL_DEAF_S * 1000)
TIMEOUT_MS_MAX = 86_400_000
CONNECTIONS_MAX = 1_000


class WorkerOptions(TypedDict, total=False):
    """The keywords of `start`, `run_worker` and `awa worker`; each has a default."""

    global_max_workers: int | None
    """The queues share so many handlers, by their min_workers, weight and max_workers; default:
    each queue has max_workers of its own."""
    poll_interval_ms: int
    """How often an empty queue is asked for while the worker cannot be woken; default 200."""
    grace_s: float
    """How long a handler that was cancelled, by its deadline or by somebody, may clean up before
    its job goes on without it; default 5."""
    lead: bool
    """Whether it may do what one worker does for all: rescue, promote, retire; default True."""
    maintenance_only: bool
    """Whether it does nothing else: it has no queue and runs no job; default False."""
    retention: Retention
    """How long it then keeps what has ended."""
    health_port: int | None
    """Where it answers /healthz and /readyz by HTTP; 0 for any free port, default nowhere."""
    health_host: str
    """The address of that port; default 127.0.0.1."""
    transaction_connections: int
    """How many handlers may be in `job.transaction()` at once; default 10."""
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
    timeout_ms: int = 0,
) -> WorkerSettings:
    """What a worker is told, checked: one InvalidInput tells all that is wrong.

    `timeout_ms`: what its end will be told; a worker must not begin that could not end.
    """
    problems = Problems()
    problems.check(partial(checked_timeout_ms, timeout_ms), 0)
    number = partial(_number, dict(options), problems)
    _find_unknown(options, problems)
    pool = options.get("global_max_workers")
    choose = partial(collected_queues, global_max_workers=pool)
    chosen = (no_queues if _only_leads(options, problems) else choose)(queues, problems=problems)
    grace_s = options.get("grace_s", DEADLINE_GRACE_S)
    patience_s = options.get("handler_stall_s")
    settings = WorkerSettings(
        conninfo=conninfo,
        direct_conninfo=direct_conninfo,
        schema=schema,
        queues=chosen.workers(),
        tunings=chosen.tunings,
        declared=chosen.declared,
        global_max_workers=pool,
        version=VERSION,
        poll_s=number("poll_interval_ms", POLL_INTERVAL_MS, TIMEOUT_MS_MAX) / 1000,
        grace_s=problems.check(partial(checked_duration_s, "grace_s", grace_s), 0.0),
        lead=options.get("lead", True),
        retention=_retention(options, problems),
        health_host=_health_host(options, problems),
        transaction_connections=number(
            "transaction_connections", TRANSACTION_CONNECTIONS, CONNECTIONS_MAX
        ),
        health_port=problems.check(partial(checked_port, options.get("health_port")), None),
        handler_stall_s=problems.check(partial(checked_patience_s, patience_s), None),
    )
    problems.tell()
    return settings


def checked_timeout_ms(timeout_ms: object) -> int:
    """How long handlers may finish at the end. Raises InvalidInput."""
    return checked_int("timeout_ms", timeout_ms, low=0, high=TIMEOUT_MS_MAX)


def _number(
    options: dict[str, object], problems: Problems, name: str, usual: int, high: int
) -> int:
    return problems.check(
        partial(checked_int, name, options.get(name, usual), low=1, high=high), usual
    )


def _retention(options: WorkerOptions, problems: Problems) -> Retention:
    retention: object = options.get("retention", DEFAULT_RETENTION)
    if isinstance(retention, Retention):
        return retention
    problems.add("retention", f"must be an awa.Retention, not {retention!r}")
    return DEFAULT_RETENTION


def _health_host(options: WorkerOptions, problems: Problems) -> str:
    host = options.get("health_host", HEALTH_HOST)
    return problems.check(partial(checked_text, "health_host", host), HEALTH_HOST)


def _find_unknown(options: WorkerOptions, problems: Problems) -> None:
    known = WorkerOptions.__annotations__
    for option in sorted(options.keys() - known.keys()):
        problems.add(option, f"is no option of a worker; there are {', '.join(sorted(known))}")


def _only_leads(options: WorkerOptions, problems: Problems) -> bool:
    only, lead = options.get("maintenance_only", False), options.get("lead", True)
    for name, said in (("maintenance_only", only), ("lead", lead)):
        problems.check(partial(checked_flag, name, said), said)
    if only and not lead:
        problems.add("maintenance_only", "is True and lead is not: that leaves nothing to do")
    if only and options.get("global_max_workers") is not None:
        problem = "is what queues share: a worker with maintenance_only has none"
        problems.add("global_max_workers", problem)
    return only
