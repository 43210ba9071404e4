"""`awa job`: look at jobs."""

import sys

import click

from awa._client.acts import LIST_LIMIT, LIST_LIMIT_MAX
from awa._core.entries import JobState
from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import as_json as to_json
from awa.cli.showing import show_json, show_table

_COLUMNS = ("id", "kind", "queue", "priority", "state", "attempt", "enqueued_at")
NOT_FOUND = 1


@click.group()
def job() -> None:
    """Look at jobs."""


@job.command("list")
@click.option("--state", type=click.Choice([state.value for state in JobState]))
@click.option("--queue")
@click.option("--kind")
@click.option(
    "--limit", type=click.IntRange(1, LIST_LIMIT_MAX), default=LIST_LIMIT, show_default=True
)
@json_option
@with_place
def list_jobs(
    place: Place,
    *,
    state: str | None,
    queue: str | None,
    kind: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List jobs, newest first."""
    with place.client() as client:
        jobs = client.list_jobs(state=state, queue=queue, kind=kind, limit=limit)
    if as_json:
        show_json(jobs)
    else:
        show_table(_COLUMNS, [[getattr(one, column) for column in _COLUMNS] for one in jobs])


@job.command()
@click.argument("job_id", type=int)
@json_option
@with_place
def dump(place: Place, job_id: int, *, as_json: bool) -> None:
    """Print everything known about one job."""
    with place.client() as client:
        found = client.get_job(job_id)
    if found is None:
        click.echo(f"awa: there is no job {job_id}", err=True)
        sys.exit(NOT_FOUND)
    if as_json:
        show_json(found)
        return
    for name in found.__dataclass_fields__:
        value = getattr(found, name)
        text = to_json(value) if isinstance(value, dict | list | tuple) else value
        click.echo(f"{name:13} {'' if text is None else text}")
