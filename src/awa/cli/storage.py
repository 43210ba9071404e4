"""`awa storage`: what the tables hold and who works on them."""

from typing import Any

import click

from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import show_json, show_table

_LANE = ("lane", "queue", "priority", "shard", "next", "last", "pending", "holes")
_WORKER = ("worker", "name", "host", "pid", "version", "beat_age_s", "alive", "leads")

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1024


@click.group()
def storage() -> None:
    """Look at the storage below the queues."""


@storage.command()
@json_option
@with_place
def status(place: Place, *, as_json: bool) -> None:
    """Print slots and sizes, lanes with their holes, workers and who leads."""
    with place.client() as client:
        found = client.storage_status()
    if as_json:
        show_json(found)
        return
    click.echo(f"schema {place.schema_name()}, version {found['schema_version']}")
    for title, columns, rows in (
        ("slots in use", ("slot", "current", "size", "opened_at"), _slots(found)),
        ("tables", ("table", "size"), [(n, _size(b)) for n, b in found["bytes"].items()]),
        ("lanes", _LANE, [[one[name] for name in _LANE] for one in found["lanes"]]),
        ("workers", _WORKER, [[one[name] for name in _WORKER] for one in found["workers"]]),
    ):
        click.echo(f"\n{title}")
        show_table(columns, rows)


def _slots(found: dict[str, Any]) -> list[list[Any]]:
    """The current slot and those that hold something; the others are empty files."""
    return [
        [one["slot"], "yes" if one["current"] else "", _size(one["bytes"]), one["opened_at"]]
        for one in found["slots"]
        if one["live"] or one["current"]
    ]


def _size(count: int) -> str:
    size, units = float(count), list(_UNITS)
    while size >= _STEP and len(units) > 1:
        size /= _STEP
        units.pop(0)
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"
