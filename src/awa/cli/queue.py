"""`awa queue`: look at queues, pause, drain and configure them."""

from typing import TYPE_CHECKING

import click

from awa._storage.views import QueueStats
from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import reason_option, show_bulk, show_json, show_table
from awa.cli.whoami import user

if TYPE_CHECKING:
    from awa._client.queue_admin import DeadLetters

_COUNTS = ("queue", "available", "running", "completed", "deferred", "final", "dead")
_SETTINGS = ("deadline_s", "aging_s", "enqueue_shards", "dead_letters", "paused_at", "paused_by")


@click.group()
def queue() -> None:
    """Look at queues, pause, drain and configure them."""


@queue.command()
@json_option
@with_place
def stats(place: Place, *, as_json: bool) -> None:
    """Count each queue's jobs by where they are, and name kinds that no worker can run."""
    found = _show(place, _COUNTS, as_json=as_json)
    for one in found:
        for kind in one.unknown_kinds:
            click.echo(f"awa: no capable worker: kind {kind!r} in queue {one.queue!r}", err=True)


@queue.command("list")
@json_option
@with_place
def list_queues(place: Place, *, as_json: bool) -> None:
    """List queues with their settings, and who paused them."""
    _show(place, ("queue", *_SETTINGS), as_json=as_json)


@queue.command()
@click.argument("name")
@click.option("--by", help="Who pauses it; default the user of this machine.")
@json_option
@with_place
def pause(place: Place, name: str, *, by: str | None, as_json: bool) -> None:
    """Let nothing of a queue be claimed; what runs goes on."""
    with place.client() as client:
        new = client.pause_queue(name, paused_by=by or user())
    _tell(name, "paused", new=new, as_json=as_json)


@queue.command()
@click.argument("name")
@json_option
@with_place
def resume(place: Place, name: str, *, as_json: bool) -> None:
    """Let a queue be claimed from again."""
    with place.client() as client:
        new = client.resume_queue(name)
    _tell(name, "resumed", new=new, as_json=as_json)


@queue.command()
@click.argument("name")
@reason_option
@json_option
@with_place
def drain(place: Place, name: str, *, reason: str | None, as_json: bool) -> None:
    """Cancel all that is available, scheduled or retryable in a queue; what runs goes on."""
    with place.client() as client:
        done = client.drain_queue(name, reason=reason)
    show_bulk(done, "cancelled", as_json=as_json)


@queue.command("set")
@click.argument("name")
@click.option("--deadline-s", type=float, help="How long an attempt may take; 0 for no limit.")
@click.option("--aging-s", type=float, help="Waiting that lifts a job by a priority; 0: never.")
@click.option(
    "--dead-letters",
    type=click.Choice(["yes", "no", "default"]),
    help="Whether failed jobs become dead letters.",
)
@click.option("--enqueue-shards", type=int, help="Over how many lanes new jobs are spread.")
@json_option
@with_place
def set_queue(
    place: Place,
    name: str,
    *,
    deadline_s: float | None,
    aging_s: float | None,
    dead_letters: str | None,
    enqueue_shards: int | None,
    as_json: bool,
) -> None:
    """Change a queue's settings; it is made if it does not exist."""
    policies: dict[str, DeadLetters] = {"yes": True, "no": False, "default": "default"}
    with place.client() as client:
        client.configure_queue(
            name,
            deadline=deadline_s,
            aging=aging_s,
            dead_letters=None if dead_letters is None else policies[dead_letters],
            enqueue_shards=enqueue_shards,
        )
        (found,) = [one for one in client.queue_stats() if one.queue == name]
    if as_json:
        show_json(found)
    else:
        columns = ("queue", *_SETTINGS)
        show_table(columns, [[getattr(found, column) for column in columns]])


@queue.command()
@click.option(
    "--dead-letters", type=click.Choice(["yes", "no"]), help="Whether failed jobs become so."
)
@json_option
@with_place
def defaults(place: Place, *, dead_letters: str | None, as_json: bool) -> None:
    """Show, or set, what holds in queues that do not say otherwise."""
    with place.client() as client:
        if dead_letters is not None:
            client.configure_defaults(dead_letters=dead_letters == "yes")
        found = client.storage_status()["dead_letters"]
    if as_json:
        show_json({"dead_letters": found})
    else:
        show_table(("dead_letters",), [[found]])


def _show(place: Place, columns: tuple[str, ...], *, as_json: bool) -> tuple[QueueStats, ...]:
    with place.client() as client:
        found = client.queue_stats()
    if as_json:
        show_json(found)
    else:
        show_table(columns, [[getattr(one, column) for column in columns] for one in found])
    return found


def _tell(name: str, verb: str, *, new: bool, as_json: bool) -> None:
    if as_json:
        show_json({"queue": name, verb: new})
    else:
        click.echo(f"queue {name} {f'is {verb}' if new else f'was {verb} before'}")
