"""`awa worker`: run the handlers of a client."""

import gc
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn

import click
import trio

from awa._client.bursts import MAX_WORKERS_DEFAULT, WorkDone, burst_of
from awa._client.health import ANSWER_MIN_S, PORT_MAX
from awa._client.holding import SHUTDOWN_TIMEOUT_MS
from awa._client.worker_options import POLL_INTERVAL_MS, TIMEOUT_MS_MAX
from awa._client.working import work, work_in_burst
from awa._runtime.draining import Burst
from awa._runtime.limits import DEADLINE_GRACE_S, TRANSACTION_CONNECTIONS
from awa._runtime.settings import DEFAULT_RETENTION, HEALTH_HOST, Retention
from awa._storage.install import SCHEMA_VERSION
from awa._version import VERSION
from awa.cli.logs import configure_logs
from awa.cli.place import Place, json_option
from awa.cli.showing import show_fields, show_json
from awa.cli.target import ChosenQueues, chosen_client, chosen_queues
from awa.client import AsyncClient
from awa.errors import ConfigurationError

_log = logging.getLogger("awa.worker")
HURRIED = 1
NOT_DRAINED = 1
OVERSTAYED = 1
_RETENTION: Final = {
    "keep_completed_s": "completed_s",
    "keep_failed_s": "finals_s",
    "keep_dead_letters_s": "dead_letters_s",
    "slot_s": "slot_s",
    "slot_entries": "slot_entries",
}
"""Options, and the fields of `Retention` that they are."""


@click.command()
@click.pass_obj
@click.argument("target", metavar="MODULE:CLIENT", required=False)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME[=WORKERS] | JSON",
    help="Work on this queue; may be repeated. Default: the queues of the handlers. JSON: an object"
    ' of the fields of awa.QueueConfig, as {"name": "email", "weight": 3}.',
)
@click.option(
    "--max-workers",
    type=click.IntRange(1),
    default=MAX_WORKERS_DEFAULT,
    show_default=True,
    help="Handlers of one queue that may run at once, where --queue does not say it.",
)
@click.option(
    "--global-max-workers",
    type=click.IntRange(1),
    help="The queues share so many handlers, by their min_workers, weight and max_workers.",
)
@click.option(
    "--timeout-ms",
    type=click.IntRange(0, TIMEOUT_MS_MAX),
    default=SHUTDOWN_TIMEOUT_MS,
    show_default=True,
    help="How long running handlers may finish after the first signal.",
)
@click.option(
    "--poll-interval-ms",
    type=click.IntRange(1, TIMEOUT_MS_MAX),
    default=POLL_INTERVAL_MS,
    show_default=True,
    help="How often an empty queue is asked for while the worker cannot be woken.",
)
@click.option(
    "--lead/--no-lead",
    default=True,
    show_default=True,
    help="Whether it may do what one worker does for all: rescue, promote, retire.",
)
@click.option(
    "--maintenance-only",
    is_flag=True,
    default=False,
    help="Do only that, and run no job; MODULE:CLIENT is not needed.",
)
@click.option(
    "--drain", is_flag=True, help="End when nothing is left; exit code 1 when it ended sooner."
)
@click.option(
    "--drain-timeout-s",
    type=click.FloatRange(ANSWER_MIN_S),
    help="With --drain: end after so long. Default: never.",
)
@click.option(
    "--due-within-s",
    type=click.FloatRange(0),
    help="With --drain: wait for jobs that are due within so long. Default: 0.",
)
@click.option(
    "--max-jobs", type=click.IntRange(1), help="With --drain: end after so many attempts."
)
@json_option
@click.option(
    "--grace-s",
    type=click.FloatRange(0),
    default=DEADLINE_GRACE_S,
    show_default=True,
    help="How long a cancelled handler may clean up before its job goes on without it.",
)
@click.option(
    "--keep-completed-s",
    type=click.FloatRange(0),
    default=DEFAULT_RETENTION.completed_s,
    show_default=True,
    help="How long completed jobs are kept at most, by the worker that leads.",
)
@click.option(
    "--keep-failed-s",
    type=click.FloatRange(0),
    default=DEFAULT_RETENTION.finals_s,
    show_default=True,
    help="How long failed and cancelled jobs are kept.",
)
@click.option(
    "--keep-dead-letters-s",
    type=click.FloatRange(0),
    default=DEFAULT_RETENTION.dead_letters_s,
    show_default=True,
    help="How long dead letters are kept.",
)
@click.option(
    "--slot-s",
    type=click.FloatRange(0),
    default=DEFAULT_RETENTION.slot_s,
    show_default=True,
    help="The ring of completed jobs turns when its current slot is so old,",
)
@click.option(
    "--slot-entries",
    type=click.IntRange(1),
    default=DEFAULT_RETENTION.slot_entries,
    show_default=True,
    help="or holds so many entries.",
)
@click.option(
    "--health-port",
    type=click.IntRange(0, PORT_MAX),
    help="Answer GET /healthz and /readyz at this port; 0 for any free one. Default: nowhere.",
)
@click.option(
    "--health-host",
    default=HEALTH_HOST,
    show_default=True,
    help="The address of the health port; 0.0.0.0 for probes from outside.",
)
@click.option(
    "--handler-stall-s",
    type=click.FloatRange(0, min_open=True),
    help="Fail /healthz when handlers without a deadline hold a queue for so long. Default: never.",
)
@click.option(
    "--transaction-connections",
    type=click.IntRange(1, 1000),
    default=TRANSACTION_CONNECTIONS,
    show_default=True,
    help="How many handlers may be in a transaction of their own at once.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
def worker(
    place: Place,
    /,
    target: str | None,
    *,
    queues: tuple[str, ...],
    max_workers: int,
    log_format: str,
    log_level: str,
    drain: bool,
    drain_timeout_s: float | None,
    due_within_s: float | None,
    max_jobs: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run the handlers registered with a client, named as in `package.module:client`.

    The client says which database and schema; a client without a URL takes DATABASE_URL.
    SIGTERM or SIGINT: no new jobs, running handlers may finish, the rest is given back. A second
    signal cancels the handlers at once.
    """
    configure_logs(log_format=log_format, level=log_level)
    limits = (drain_timeout_s, due_within_s, max_jobs)
    if not drain and (as_json or any(limit is not None for limit in limits)):
        raise ConfigurationError(
            "--drain-timeout-s, --due-within-s, --max-jobs and --json go with --drain"
        )
    client, chosen, options = choose(place, target, queues, max_workers, options)
    # What was imported stays to the end; to look for garbage in it held up all handlers for 30 ms.
    gc.freeze()
    # The other options are those of `work`, by their names.
    if drain:
        burst = burst_of(
            timeout_s=drain_timeout_s, due_within_s=due_within_s or 0.0, max_jobs=max_jobs
        )
        run_burst(client, chosen, burst, as_json=as_json, **options)
    elif trio.run(partial(_work, client, chosen, **options)):
        sys.exit(HURRIED)


def choose(
    place: Place,
    target: str | None,
    queues: tuple[str, ...],
    max_workers: int,
    options: Mapping[str, Any],
) -> tuple[AsyncClient, ChosenQueues, dict[str, Any]]:
    """Which client works on which queues, and its other options as `WorkerOptions` has them."""
    found = {name: said for name, said in options.items() if name not in _RETENTION}
    found["retention"] = Retention(
        **{field: options[option] for option, field in _RETENTION.items()}
    )
    client = chosen_client(place, target, maintenance_only=options.get("maintenance_only", False))
    chosen = chosen_queues(client, queues, max_workers, found)
    client._exit_now = _exit_now  # noqa: SLF001  # the process is this command's
    return client, chosen, found


def _exit_now() -> NoReturn:
    """End without handlers that do not: nothing of them, nor of the interpreter, is waited for."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(OVERSTAYED)


async def _work(client: AsyncClient, chosen: ChosenQueues, **options: Any) -> bool:
    async with client:
        started = partial(_banner, client, chosen.workers)
        return await work(client, chosen.choices, **options, started=started)


def run_burst(
    client: AsyncClient, chosen: ChosenQueues, burst: Burst, *, as_json: bool, **options: Any
) -> None:
    """Work until nothing is left, tell what was done, and exit with 1 when something is left."""

    async def run() -> WorkDone:
        async with client:
            started = partial(_banner, client, chosen.workers)
            return await work_in_burst(client, chosen.choices, burst, started=started, **options)

    done = trio.run(run)
    if as_json:
        show_json(done)
    else:
        show_fields(done)
    if not done.drained:
        sys.exit(NOT_DRAINED)


async def _banner(client: AsyncClient, queues: Sequence[tuple[str, int]]) -> None:
    server, database = await client.server_facts()
    named = ", ".join(f"{name}={workers}" for name, workers in queues)
    _log.info(
        "awa %s: worker %d on schema %s (version %d), queues %s, kinds %s, PostgreSQL %s,"
        " database %s",
        VERSION,
        os.getpid(),
        client.schema,
        SCHEMA_VERSION,
        named or "none",
        ", ".join(client.handled_kinds()) or "none",
        server,
        database,
        extra={
            "event": "started",
            "version": VERSION,
            "pid": os.getpid(),
            "schema": client.schema,
            "schema_version": SCHEMA_VERSION,
            "queues": dict(queues),
            "kinds": client.handled_kinds(),
            "server_version": server,
            "database": database,
        },
    )
