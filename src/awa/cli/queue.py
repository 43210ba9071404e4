"""`awa queue`: look at queues, pause, drain and configure them."""

from typing import TYPE_CHECKING, Any

import click

from awa._client.overriding import no_such_queue
from awa._storage.views import QueueStats
from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import reason_option, show_bulk, show_json, show_table
from awa.cli.whoami import user
from awa.errors import InvalidInput

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
@click.argument("name")
@click.option("--max-workers", type=int, help="Handlers that may run at once in each worker.")
@click.option("--weight", type=int, help="Its share where queues share handlers.")
@click.option("--claim-batch-size", type=int, help="Jobs of one claim, at the most.")
@click.option("--poll-interval-ms", type=int, help="Between looks of a worker that hears nothing.")
@click.option("--rate", type=float, help="Jobs per second that each worker claims.")
@click.option("--burst", type=int, help="Jobs at once; only with --rate. Default: of a second.")
@click.option("--deadline-s", type=float, help="How long an attempt may take; 0 for no limit.")
@click.option("--aging-s", type=float, help="Waiting that lifts a job by a priority; 0: never.")
@click.option("--clear", is_flag=True, help="Take back what is not given here.")
@click.option("--by", help="Who overrides; default the user of this machine.")
@json_option
@with_place
def override(
    place: Place,
    name: str,
    *,
    rate: float | None,
    burst: int | None,
    deadline_s: float | None,
    aging_s: float | None,
    by: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Let workers hold to these for now, in place of what their programs say.

    Running workers hear of it at once. Without any option but --json: show what is overridden.
    """
    said = {**given, "rate_limit": _rate(rate, burst), "deadline": deadline_s, "aging": aging_s}
    with place.client() as client:
        # By identity: 0 is a deadline, and equal to False.
        if any(value is not None and value is not False for value in said.values()):
            client.override_queue(name, **said, by=by or user())
        found = [one for one in client.queue_stats() if one.queue == name]
    if not found:
        raise no_such_queue(name)
    _show_overrides(found[0], as_json=as_json)


def _rate(rate: float | None, burst: int | None) -> float | tuple[float, int] | None:
    if burst is None:
        return rate
    if rate is None:
        raise InvalidInput("burst", "needs --rate: it is how many jobs may come at once")
    return rate, burst


def _show_overrides(found: QueueStats, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    said = found.overrides
    columns = (*said.__slots__, "overridden_by")
    show_table(
        ("queue", *columns),
        [[found.queue, *(getattr(said, name) for name in said.__slots__), found.overridden_by]],
    )


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
