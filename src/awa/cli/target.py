"""Which client a command works for, and on which queues."""

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from awa._client.queues import QueueChoice, QueueConfig, checked_queues
from awa.cli.place import Place
from awa.client import AsyncClient
from awa.errors import ConfigurationError, InvalidInput
from awa.sync import Client


def chosen_client(place: Place, target: str | None, *, maintenance_only: bool) -> AsyncClient:
    """The client that is named; who only maintains needs none. Raises ConfigurationError."""
    if target is not None:
        client = load_client(target)
        check_place(place, client)
        return client
    if not maintenance_only:
        raise ConfigurationError("name the client whose handlers are to run: package.module:client")
    return AsyncClient(place.url, schema=place.schema_name())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenQueues:
    """The queues as `start` takes them, and how many handlers each may have at the most."""

    choices: Sequence[QueueChoice]
    workers: Sequence[tuple[str, int]]


def chosen_queues(
    client: AsyncClient, given: tuple[str, ...], max_workers: int, options: Mapping[str, Any]
) -> ChosenQueues:
    """The queues of the command line, else those of the handlers. Raises InvalidInput.

    What is wrong is told before a server is started, or asked.
    """
    if options.get("maintenance_only") and not given:
        return ChosenQueues(choices=(), workers=())
    shared = options.get("global_max_workers")
    own = max_workers if shared is None else None
    choices = _choices(given, client.handled_queues(), own)
    checked = checked_queues(choices, global_max_workers=shared)
    return ChosenQueues(choices=choices, workers=checked.workers())


def _choices(
    given: tuple[str, ...], handled: tuple[str, ...], max_workers: int | None
) -> list[QueueChoice]:
    if not given and not handled:
        raise ConfigurationError("the client has no handlers; register one, or give --queue NAME")
    chosen: list[QueueChoice] = []
    for text in given or handled:
        name, equals, workers = text.rpartition("=") if given else (text, "", "")
        if given and text.startswith("{"):
            chosen.append(_queue_of_json(text, max_workers))
        elif not equals:
            chosen.append(QueueConfig(name=text, max_workers=max_workers))
        elif workers.isdecimal():
            chosen.append((name, int(workers)))
        else:
            raise InvalidInput("queue", f"{text!r} is not NAME or NAME=WORKERS")
    return chosen


def _queue_of_json(text: str, max_workers: int | None) -> QueueChoice:
    try:
        found = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidInput("queue", f"{text!r} is no JSON object: {error}") from error
    return found if max_workers is None else {"max_workers": max_workers, **found}


_FORM = "package.module:client"


def load_client(target: str) -> AsyncClient:
    """Import `module:client`. Raises ConfigurationError, with a line that says where and why."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"{target!r} is not of the form {_FORM}")
    if module_name.endswith(".py"):
        raise ConfigurationError(f"{module_name!r} is a file: give its module, as in {_FORM}")
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
    if not hasattr(module, attribute):
        raise ConfigurationError(f"{module_name} has no {attribute!r}: {_FORM}")
    found = getattr(module, attribute)
    if isinstance(found, Client):
        return found.asynchronous()
    if not isinstance(found, AsyncClient):
        kind = type(found).__name__
        raise ConfigurationError(f"{target} is of type {kind}, not awa.AsyncClient or awa.Client")
    return found


def _place_of(error: Exception) -> str:
    """The line of the user's that an import failed at; empty where the import system failed."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next(frame for frame in reversed(frames) if not frame.filename.startswith("<frozen"))
    return "" if last.filename == importlib.__file__ else f" ({last.filename}:{last.lineno})"


def check_place(place: Place, client: AsyncClient) -> None:
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
