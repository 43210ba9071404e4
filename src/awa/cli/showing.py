"""Records for people, as a table, or for programs, as JSON."""

import sys
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from awa._client.acts import BulkAct, JobAct
from awa._core.entries import ActAnswer
from awa.cli.place import asked_for_json

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
NOT_DONE = 1
"""What was asked for could not be done, or is not there; the call itself was right."""

_SHOWN = "awa.shown"
_WHY = {
    ActAnswer.UNKNOWN: "there is no such job",
    ActAnswer.BUSY: "somebody else is at work on it: try again",
    ActAnswer.DUPLICATE: "another job holds its unique key by now",
}


def as_json(value: object) -> str:
    """Any of Awa's values as JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def show_json(value: object) -> None:
    """Print a value as JSON."""
    click.get_current_context().meta[_SHOWN] = True
    click.echo(as_json(value))


def show_error(kind: str, message: str, *, field: str | None = None) -> None:
    """Print an error as JSON, unless the command has printed its object before it failed."""
    if not click.get_current_context().meta.get(_SHOWN):
        about = {} if field is None else {"field": field}
        show_json({"error": {"type": kind, "message": message, **about}})


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows as a table, or say that there are none."""
    if not rows:
        click.echo("nothing to show")
        return
    table = Table(box=None, pad_edge=False)
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        heading = column.replace("_", " ")
        least = _width_min(heading, values)
        # Text gets what the others leave.
        is_text = any(isinstance(value, str) for value in values)
        width = None if is_text else least
        table.add_column(heading, overflow="fold", min_width=least, width=width)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    # What users wrote is no markup.
    Console(markup=False, highlight=False).print(table)


def show_fields(value: Any, *, without: Collection[str] = ()) -> None:
    """Print a value's fields, one to a line."""
    for name in value.__dataclass_fields__:
        if name in without:
            continue
        field = getattr(value, name)
        text = as_json(field) if isinstance(field, dict | list | tuple) else _cell(field)
        click.echo(f"{name:13} {text}")


def show_act(done: JobAct, verb: str, *, as_json: bool) -> None:
    """Print what was done with one job; exit with 1 when it was not done."""
    if as_json:
        show_json(done)
    elif done.done:
        click.echo(f"job {done.job_id} {verb}: it is {done.state or 'gone'} now")
    if not done.done:
        why = _WHY.get(done.answer, f"it is {done.state}")
        fail_with(f"job {done.job_id} was not {verb}: {why}")


def show_bulk(done: BulkAct, verb: str, *, as_json: bool) -> None:
    """Print what was done with many jobs; exit with 1 when some were held by somebody else."""
    if as_json:
        show_json(done)
    else:
        click.echo(f"{done.done} of {done.matched} jobs {verb}")
    if done.duplicate:
        click.echo(f"awa: of {done.duplicate} another job holds the unique key by now", err=True)
    if done.busy:
        fail_with(f"somebody else is at work on {done.busy}: try again")


def fail_with(why: str) -> NoReturn:
    """Say why it was not done, and leave."""
    if asked_for_json(click.get_current_context()):
        show_error("NotDone", why)
    click.echo(f"awa: {why}", err=True)
    sys.exit(NOT_DONE)


def reason_option(command: CommandT) -> CommandT:
    """Add --reason."""
    return click.option("--reason", help="Why; kept with the job.")(command)


def _width_min(heading: str, values: Sequence[object]) -> int:
    """The width at which a heading, times and numbers break between words only."""
    whole = [_cell(value) for value in values if isinstance(value, datetime | int | float)]
    return max(len(word) for text in (heading, *whole) for word in text.split())


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.astimezone().isoformat(" ", "seconds")
    return "" if value is None else str(value)
