"""`awa worker`: run the handlers of a client."""

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from typing import Any

import click
import msgspec
import trio
from click.core import ParameterSource

from awa._client.health import PORT_MAX
from awa._client.holding import SHUTDOWN_TIMEOUT_MS
from awa._client.queues import QueueChoice, QueueConfig, checked_queues
from awa._client.worker_options import POLL_INTERVAL_MS
from awa._client.working import work
from awa._runtime.limits import DEADLINE_GRACE_S, TRANSACTION_CONNECTIONS
from awa._runtime.settings import DEFAULT_RETENTION, HEALTH_HOST, Retention
from awa._storage.install import SCHEMA_VERSION
from awa._version import VERSION
from awa.cli.logs import configure_logs
from awa.cli.place import Place
from awa.client import AsyncClient
from awa.errors import ConfigurationError, InvalidInput
from awa.sync import Client

_log = logging.getLogger("awa.worker")
MAX_WORKERS_DEFAULT = 10
HURRIED = 1


@click.command()
@click.pass_obj
@click.argument("target", metavar="MODULE:CLIENT")
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
    help="The queues share so many handlers, by their min_workers and weight.",
)
@click.option(
    "--timeout-ms",
    type=click.IntRange(0),
    default=SHUTDOWN_TIMEOUT_MS,
    show_default=True,
    help="How long running handlers may finish after the first signal.",
)
@click.option(
    "--poll-interval-ms",
    type=click.IntRange(1),
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
    target: str,
    *,
    queues: tuple[str, ...],
    max_workers: int,
    keep_completed_s: float,
    keep_failed_s: float,
    keep_dead_letters_s: float,
    log_format: str,
    log_level: str,
    **options: Any,
) -> None:
    """Run the handlers registered with a client, named as in `package.module:client`.

    The client says which database and schema; a client without a URL takes DATABASE_URL.
    SIGTERM or SIGINT: no new jobs, running handlers may finish, the rest is given back. A second
    signal cancels the handlers at once.
    """
    configure_logs(log_format=log_format, level=log_level)
    client = load_client(target)
    _check_place(place, client)
    shares = options["global_max_workers"] is not None
    own_workers = None if shares else max_workers
    chosen = chosen_queues(queues, client.handled_queues(), own_workers)
    # What is wrong is told before a server is started, or asked.
    checked = checked_queues(chosen, global_max_workers=options["global_max_workers"])
    retention = Retention(
        completed_s=keep_completed_s, finals_s=keep_failed_s, dead_letters_s=keep_dead_letters_s
    )
    # The other options are those of `work`, by their names.
    if trio.run(partial(_work, client, chosen, checked.workers(), retention=retention, **options)):
        sys.exit(HURRIED)


def chosen_queues(
    given: tuple[str, ...], handled: tuple[str, ...], max_workers: int | None
) -> list[QueueChoice]:
    """The queues of the command line, else those of the handlers. Raises InvalidInput.

    `max_workers`: of a queue that does not say it; None where the queues share handlers.
    """
    if not given and not handled:
        raise ConfigurationError("the client has no handlers; register one, or give --queue NAME")
    chosen: list[QueueChoice] = []
    for text in given or handled:
        name, equals, workers = text.rpartition("=") if given else (text, "", "")
        if given and text.startswith("{"):
            chosen.append(_queue_of_json(text))
        elif not equals:
            chosen.append(QueueConfig(name=text, max_workers=max_workers))
        elif workers.isdecimal():
            chosen.append((name, int(workers)))
        else:
            raise InvalidInput("queue", f"{text!r} is not NAME or NAME=WORKERS")
    return chosen


def _queue_of_json(text: str) -> QueueChoice:
    try:
        found: QueueChoice = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidInput("queue", f"{text!r} is no JSON object: {error}") from error
    return found


def load_client(target: str) -> AsyncClient:
    """Import `module:client`. Raises ConfigurationError, with a line that says where and why."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"{target!r} is not of the form package.module:client")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  # import paths are strings
    try:
        module = importlib.import_module(module_name)
    except ConfigurationError:
        raise
    except Exception as error:
        where = _place_of(error)
        raise ConfigurationError(
            f"cannot import {module_name}: {type(error).__name__}: {error}{where}"
        ) from error
    found = getattr(module, attribute, None)
    if isinstance(found, Client):
        return found.asynchronous()
    if not isinstance(found, AsyncClient):
        what = "nothing" if found is None else f"a {type(found).__name__}"
        raise ConfigurationError(f"{target} is {what}, not an awa.AsyncClient or awa.Client")
    return found


def _place_of(error: Exception) -> str:
    """The line of the user's that an import failed at; empty where the import system failed."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next(frame for frame in reversed(frames) if not frame.filename.startswith("<frozen"))
    return "" if last.filename == importlib.__file__ else f" ({last.filename}:{last.lineno})"


def _check_place(place: Place, client: AsyncClient) -> None:
    """Refuse what the client would not follow. Raises ConfigurationError."""
    group = click.get_current_context().find_root()
    if group.get_parameter_source("database_url") is ParameterSource.COMMANDLINE:
        raise ConfigurationError(
            "a worker takes its database from its client: leave out --database-url, and set"
            " DATABASE_URL for a client without a URL"
        )
    if place.schema is not None and place.schema != client.schema:
        raise ConfigurationError(
            f"schema {place.schema!r} was asked for (--schema or AWA_SCHEMA), but the client is of"
            f" {client.schema!r}: give it schema={place.schema!r}"
        )


async def _work(
    client: AsyncClient,
    queues: Sequence[QueueChoice],
    workers: Sequence[tuple[str, int]],
    **options: Any,
) -> bool:
    async with client:
        return await work(
            client,
            queues,
            **options,
            started=partial(_banner, client, workers),
        )


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
        named,
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
