"""`awa queue`: look at queues."""

import click

from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import show_json, show_table

_COLUMNS = ("queue", "available", "running", "completed", "deferred", "final")


@click.group()
def queue() -> None:
    """Look at queues."""


@queue.command()
@json_option
@with_place
def stats(place: Place, *, as_json: bool) -> None:
    """Count each queue's jobs by where they are."""
    with place.client() as client:
        found = client.queue_stats()
    if as_json:
        show_json(found)
    else:
        show_table(_COLUMNS, [[getattr(one, column) for column in _COLUMNS] for one in found])
