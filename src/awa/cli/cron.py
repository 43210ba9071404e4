"""`awa cron`: look at schedules, pause and resume them, trigger one, remove one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from awa._client.schedules import no_such_schedule
from awa._core.limits import NAMESPACE_DEFAULT
from awa._core.schedules import Schedule, TriggerAnswer
from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import fail_with, show_fields, show_json, show_table
from awa.cli.whoami import user

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_COLUMNS = ("namespace", "name", "when", "kind", "next_at", "last_fired_at", "fires", "paused_by")


def _named(command: CommandT) -> CommandT:
    """Add NAME and --namespace."""
    namespace = click.option(
        "--namespace",
        default=NAMESPACE_DEFAULT,
        show_default=True,
        help="Whose schedule it is.",
    )
    return click.argument("name")(namespace(command))


@click.group()
def cron() -> None:
    """Look at schedules, pause and resume them, trigger one, remove one."""


@cron.command("list")
@click.option("--namespace", help="Only those of one namespace.")
@json_option
@with_place
def list_schedules(place: Place, *, namespace: str | None, as_json: bool) -> None:
    """List schedules with when they fire next and fired last."""
    with place.client() as client:
        found = client.list_schedules(namespace=namespace)
    if as_json:
        show_json(found)
    else:
        show_table(_COLUMNS, [[_cell(one, column) for column in _COLUMNS] for one in found])


@cron.command()
@_named
@json_option
@with_place
def show(place: Place, name: str, *, namespace: str, as_json: bool) -> None:
    """Show all that is known of a schedule."""
    with place.client() as client:
        found = client.get_schedule(name, namespace=namespace)
    if found is None:
        raise no_such_schedule(name, namespace)
    if as_json:
        show_json(found)
    else:
        show_fields(found)


@cron.command("next")
@_named
@click.option("--count", type=int, default=5, show_default=True, help="How many instants.")
@json_option
@with_place
def next_fires(place: Place, name: str, *, namespace: str, count: int, as_json: bool) -> None:
    """Print the next instants at which a schedule is due, without its jitter."""
    with place.client() as client:
        found = client.next_fires(name, namespace=namespace, count=count)
    if as_json:
        show_json(found)
    else:
        for at in found:
            click.echo(at.astimezone().isoformat(" ", "seconds"))


@cron.command()
@_named
@click.option("--by", help="Who pauses it; default the user of this machine.")
@json_option
@with_place
def pause(place: Place, name: str, *, namespace: str, by: str | None, as_json: bool) -> None:
    """Let a schedule not fire, until it is resumed."""
    with place.client() as client:
        new = client.pause_schedule(name, namespace=namespace, paused_by=by or user())
    _tell(name, "paused", new=new, as_json=as_json)


@cron.command()
@_named
@json_option
@with_place
def resume(place: Place, name: str, *, namespace: str, as_json: bool) -> None:
    """Let a schedule fire again from now on; what came in the pause is let go."""
    with place.client() as client:
        new = client.resume_schedule(name, namespace=namespace)
    _tell(name, "resumed", new=new, as_json=as_json)


@cron.command()
@_named
@click.option("--by", help="Who wants it; default the user of this machine.")
@json_option
@with_place
def trigger(place: Place, name: str, *, namespace: str, by: str | None, as_json: bool) -> None:
    """Store a job of a schedule now, whether it is paused or not."""
    with place.client() as client:
        done = client.trigger_schedule(name, namespace=namespace, by=by or user())
    if as_json:
        show_json(done)
    elif done.job_id is not None:
        click.echo(f"schedule {name}: job {done.job_id} is {done.state}")
    if done.answer is TriggerAnswer.SKIPPED:
        fail_with(f"schedule {name} was not triggered: a job of it is not finished")
    elif done.answer is TriggerAnswer.BUSY:
        fail_with(f"schedule {name} was not triggered: its older job is being settled, try again")


@cron.command()
@_named
@json_option
@with_place
def delete(place: Place, name: str, *, namespace: str, as_json: bool) -> None:
    """Remove a schedule; its jobs go on. A program that declares it brings it back."""
    with place.client() as client:
        there = client.delete_schedule(name, namespace=namespace)
    if not there:
        raise no_such_schedule(name, namespace)
    if as_json:
        show_json({"schedule": name, "deleted": True})
    else:
        click.echo(f"schedule {name} is deleted")


def _cell(one: Schedule, column: str) -> object:
    if column == "when":
        return f"{one.cron} {one.timezone}" if one.cron else f"every {one.every_s:g} s"
    return getattr(one, column)


def _tell(name: str, verb: str, *, new: bool, as_json: bool) -> None:
    if as_json:
        show_json({"schedule": name, verb: new})
    else:
        click.echo(f"schedule {name} {f'is {verb}' if new else f'was {verb} before'}")
