"""`awa trace`: record what the SQL functions do, for replay through the specification."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO, Final

import click
import psycopg

from awa._client.urls import target_of
from awa._storage.executors import run_sync
from awa._storage.functions import Storage
from awa._storage.install import require_version
from awa._storage.tracing import TraceSlot
from awa.cli.place import Place, with_place
from awa.errors import ServerUnreachable

READ_INTERVAL_S: Final = 0.2
SLOT_DEFAULT: Final = "awa_trace"

_slot_option = click.option("--slot", default=SLOT_DEFAULT, show_default=True, help="Its name.")
_output_option = click.option(
    "--output",
    "-o",
    type=click.File("w", lazy=False),
    default="-",
    help="Where to; default standard output.",
)


@click.group()
def trace() -> None:
    """Record events as lines of JSON, in the order of their commits.

    The server needs wal_level=logical, and the user REPLICATION and ownership of the database.
    Only sessions opened while recording emit events.
    """


@trace.command()
@_slot_option
@_output_option
@with_place
def record(place: Place, *, slot: str, output: IO[str]) -> None:
    """Record until SIGINT, SIGTERM or SIGHUP, end with a census of each lane, and drop the slot."""
    stopping = _Stopping()
    with _connection(place) as conn:
        require_version(
            run_sync(conn, Storage(place.schema_name()).schema_version()), place.schema_name()
        )
        source = TraceSlot(conn, slot=slot, schema=place.schema_name())
        source.create()
        click.echo("recording; Ctrl-C ends it", err=True)
        try:
            count = 0
            while not stopping.is_set:
                count += _write_all(source, output)
                time.sleep(READ_INTERVAL_S)
            count += _write_all(source, output)
            _write(source.census(), output)
        finally:
            _drop(source, slot)
    click.echo(f"{count} events", err=True)


@trace.command()
@_slot_option
@_output_option
@with_place
def export(place: Place, *, slot: str, output: IO[str]) -> None:
    """Write what a slot that exists holds now, and leave the slot to go on."""
    with _connection(place) as conn:
        source = TraceSlot(conn, slot=slot, schema=place.schema_name())
        count = _write_all(source, output)
    click.echo(f"{count} events", err=True)


class _Stopping:
    """Set by the first signal; the loop looks at it."""

    def __init__(self) -> None:
        self.is_set = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._set)

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True


def _drop(source: TraceSlot, slot: str) -> None:
    try:
        source.drop()
    except psycopg.OperationalError as error:
        raise ServerUnreachable(
            f"the connection broke, so the slot is there still and keeps the server's log: drop it"
            f" with `select pg_drop_replication_slot('{slot}')`, and end recording with"
            f" `alter database ... reset awa.trace`"
        ) from error


def _write(lines: list[str], output: IO[str]) -> int:
    for line in lines:
        output.write(line + "\n")
    output.flush()
    return len(lines)


def _write_all(source: TraceSlot, output: IO[str]) -> int:
    count, more = 0, True
    while more:
        lines, more = source.read()
        count += _write(lines, output)
    return count


@contextmanager
def _connection(place: Place) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    conninfo, server = target_of(place.url).open()
    try:
        with psycopg.connect(conninfo, autocommit=True) as conn:
            conn.execute("set awa.trace = 'off'")  # the recorder is no part of what it records
            yield conn
    except psycopg.OperationalError as error:
        raise ServerUnreachable(str(error)) from error
    finally:
        if server is not None:
            server.close()
