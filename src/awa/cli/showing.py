"""Records for people, as a table, or for programs, as JSON."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table


def as_json(value: object) -> str:
    """Any of Awa's values as JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def show_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(as_json(value))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows as a table, or say that there are none."""
    if not rows:
        click.echo("nothing to show")
        return
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)
