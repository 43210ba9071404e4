"""`awa job`: look at jobs, cancel them, run them again."""

import click

from awa._client.acts import LIST_LIMIT, LIST_LIMIT_MAX
from awa._core.entries import JobState
from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import (
    fail_with,
    reason_option,
    show_act,
    show_bulk,
    show_fields,
    show_json,
    show_table,
)
from awa.errors import InvalidInput

_COLUMNS = ("id", "kind", "queue", "priority", "state", "attempt", "enqueued_at")
_ATTEMPTS = ("attempt", "run_lease", "worker", "claimed_at", "outcome", "closed_at")
_ACTS = ("act", "at", "state", "reason")


@click.group()
def job() -> None:
    """Look at jobs, cancel them, run them again."""


@job.command("list")
@click.option("--state", type=click.Choice([state.value for state in JobState]))
@click.option("--queue")
@click.option("--kind")
@click.option("--before-id", type=int, help="Only jobs with smaller ids: the next page.")
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
    before_id: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List jobs, newest first."""
    with place.client() as client:
        jobs = client.list_jobs(
            state=state, queue=queue, kind=kind, before_id=before_id, limit=limit
        )
    if as_json:
        show_json(jobs)
    else:
        show_table(_COLUMNS, [[getattr(one, column) for column in _COLUMNS] for one in jobs])


@job.command()
@click.argument("job_id", type=int)
@json_option
@with_place
def dump(place: Place, job_id: int, *, as_json: bool) -> None:
    """Print everything known about one job: its attempts, its errors, what was done to it."""
    with place.client() as client:
        found = client.dump_job(job_id)
    if found is None:
        fail_with(f"there is no job {job_id}")
    if as_json:
        show_json(found)
        return
    if found.dead_letter is not None:
        click.echo("a dead letter")
    show_fields(found.job or found.dead_letter)
    for title, columns, rows in (
        ("attempts", _ATTEMPTS, found.attempts),
        ("acts of operators", _ACTS, found.acts),
    ):
        if rows:
            click.echo(f"\n{title}")
            show_table(columns, [[getattr(one, column) for column in columns] for one in rows])


@job.command("dump-run")
@click.argument("job_id", type=int)
@click.option("--attempt", type=click.IntRange(1), help="Which attempt; default the last.")
@json_option
@with_place
def dump_run(place: Place, job_id: int, *, attempt: int | None, as_json: bool) -> None:
    """Print everything known about one attempt at a job."""
    with place.client() as client:
        found = client.dump_run(job_id, attempt)
    if found is None:
        which = "attempt" if attempt is None else f"attempt {attempt}"
        fail_with(f"no {which} at job {job_id} is known")
    if as_json:
        show_json(found)
        return
    show_fields(found, without=("runs",))
    if found.runs:
        click.echo()
        rows = [[getattr(one, column) for column in _ATTEMPTS] for one in found.runs]
        show_table(_ATTEMPTS, rows)


@job.command()
@click.argument("job_id", type=int)
@reason_option
@json_option
@with_place
def cancel(place: Place, job_id: int, *, reason: str | None, as_json: bool) -> None:
    """Cancel a job, pending or running; the exit code is 1 when it was not."""
    with place.client() as client:
        show_act(client.cancel(job_id, reason=reason), "cancelled", as_json=as_json)


@job.command()
@click.argument("job_id", type=int)
@json_option
@with_place
def retry(place: Place, job_id: int, *, as_json: bool) -> None:
    """Run a job now: one that waits for a time, that failed or was cancelled, or a dead letter."""
    with place.client() as client:
        show_act(client.retry(job_id), "retried", as_json=as_json)


@job.command("retry-failed")
@click.option("--queue")
@click.option("--kind")
@click.option("--all", "everything", is_flag=True, help="All that failed, whatever queue or kind.")
@json_option
@with_place
def retry_failed(
    place: Place, *, queue: str | None, kind: str | None, everything: bool, as_json: bool
) -> None:
    """Give the failed jobs of a queue or kind a new life."""
    if not (queue or kind or everything):
        raise InvalidInput("--all", "is needed where neither --queue nor --kind says which jobs")
    with place.client() as client:
        done = client.retry_failed(queue=queue, kind=kind, everything=everything)
    show_bulk(done, "retried", as_json=as_json)
