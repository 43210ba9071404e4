"""Where a command works: the options --database-url and --schema, before or after its name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from awa.sync import Client

SCHEMA_DEFAULT = "awa"
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What was said so far; None where nothing was."""

    url: str | None
    schema: str | None

    def client(self) -> Client:
        """A client of this place. Raises ConfigurationError when no database is named."""
        return Client(self.url, schema=self.schema_name())

    def schema_name(self) -> str:
        """The schema's name, or its default."""
        return self.schema or SCHEMA_DEFAULT


def place_options(command: CommandT) -> CommandT:
    """Add --database-url and --schema."""
    command = click.option(
        "--database-url",
        envvar="DATABASE_URL",
        metavar="URL",
        help="postgresql://... or embedded://NAME.  [env: DATABASE_URL]",
    )(command)
    return click.option(
        "--schema", envvar="AWA_SCHEMA", help="Where Awa lives; default awa.  [env: AWA_SCHEMA]"
    )(command)


def with_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its Place as first argument; its own options win over the group's."""

    @wraps(command)
    def run(*args: Any, database_url: str | None, schema: str | None, **options: Any) -> Any:
        said = click.get_current_context().obj
        outer = said if isinstance(said, Place) else Place(url=None, schema=None)
        place = Place(url=database_url or outer.url, schema=schema or outer.schema)
        return command(place, *args, **options)

    return place_options(run)


def json_option(command: CommandT) -> CommandT:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
