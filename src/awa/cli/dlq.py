"""`awa dlq`: dead letters, the failed jobs that wait for an operator."""

from collections.abc import Callable
from typing import Any, TypeGuard

import click

from awa._client.acts import LIST_LIMIT, LIST_LIMIT_MAX
from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import reason_option, show_act, show_bulk, show_json, show_table
from awa.errors import InvalidInput

_COLUMNS = ("id", "kind", "queue", "attempt", "dead_at", "reason", "error")


@click.group()
def dlq() -> None:
    """Look after dead letters: failed jobs that wait for an operator."""


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --queue, --kind and --all."""
    for option in (
        click.option("--all", "everything", is_flag=True, help="Whatever queue or kind."),
        click.option("--kind"),
        click.option("--queue"),
    ):
        command = option(command)
    return command


@dlq.command("list")
@click.option("--queue")
@click.option("--kind")
@click.option("--tag")
@click.option("--before-id", type=int, help="Only those with smaller ids: the next page.")
@click.option(
    "--limit", type=click.IntRange(1, LIST_LIMIT_MAX), default=LIST_LIMIT, show_default=True
)
@json_option
@with_place
def list_dlq(place: Place, *, as_json: bool, **chosen: Any) -> None:
    """List dead letters, newest first."""
    with place.client() as client:
        found = client.list_dlq(**chosen)
    if as_json:
        show_json(found)
        return
    rows = [
        [*(getattr(one, column) for column in _COLUMNS[:-1]), _last_error(one.errors)]
        for one in found
    ]
    show_table(_COLUMNS, rows)


@dlq.command()
@json_option
@with_place
def depth(place: Place, *, as_json: bool) -> None:
    """Count the dead letters of each queue."""
    with place.client() as client:
        found = client.dlq_depth()
    if as_json:
        show_json({"total": sum(found.values()), "by_queue": found})
    else:
        show_table(("queue", "dead"), [*found.items(), ("total", sum(found.values()))])


@dlq.command()
@click.argument("job_id", type=int, required=False)
@filters
@click.option("--tag")
@click.option("--to-queue", help="Let it run in another queue.")
@click.option("--priority", type=int, help="Let it run with another priority, 1 (first) to 4.")
@click.option("--delay-s", type=float, help="Not before so many seconds.")
@json_option
@with_place
def retry(
    place: Place,
    job_id: int | None,
    *,
    to_queue: str | None,
    priority: int | None,
    delay_s: float | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Give dead letters a new life.

    JOB_ID, or all that the filters leave.
    """
    how: dict[str, Any] = {"to_queue": to_queue, "priority": priority, "delay": delay_s}
    with place.client() as client:
        if _is_one(job_id, chosen):
            show_act(client.dlq_retry(job_id, **how), "retried", as_json=as_json)
        else:
            show_bulk(client.dlq_retry_many(**chosen, **how), "retried", as_json=as_json)


@dlq.command()
@click.argument("job_id", type=int, required=False)
@filters
@reason_option
@json_option
@with_place
def move(
    place: Place, job_id: int | None, *, reason: str | None, as_json: bool, **chosen: Any
) -> None:
    """Put failed jobs with the dead letters.

    JOB_ID, or all that the filters leave.
    """
    with place.client() as client:
        if _is_one(job_id, chosen):
            show_act(client.dlq_move(job_id, reason=reason), "moved", as_json=as_json)
        else:
            show_bulk(client.dlq_move_many(**chosen, reason=reason), "moved", as_json=as_json)


@dlq.command()
@click.argument("job_id", type=int, required=False)
@filters
@click.option("--tag")
@json_option
@with_place
def purge(place: Place, job_id: int | None, *, as_json: bool, **chosen: Any) -> None:
    """Delete dead letters for good.

    JOB_ID, or all that the filters leave.
    """
    with place.client() as client:
        if _is_one(job_id, chosen):
            show_act(client.dlq_purge(job_id), "deleted", as_json=as_json)
        else:
            show_bulk(client.dlq_purge_many(**chosen), "deleted", as_json=as_json)


def _is_one(job_id: int | None, chosen: dict[str, Any]) -> TypeGuard[int]:
    if job_id is not None and any(chosen.values()):
        raise InvalidInput("job_id", "contradicts the filters: give one of them")
    if job_id is None and not any(chosen.values()):
        raise InvalidInput("job_id", "is missing: give it, a filter, or --all")
    return job_id is not None


def _last_error(errors: tuple[dict[str, Any], ...]) -> str:
    return str(errors[-1].get("error", "")).partition("\n")[0] if errors else ""
