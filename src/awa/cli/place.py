"""What commands share: --database-url and --schema, before or after their name, and --json."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar

import click

from awa.sync import Client

SCHEMA_DEFAULT = "awa"
CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_JSON: Final = "awa.json"
_SAID: Final[dict[str, dict[str, Any]]] = {
    "--database-url": {
        "metavar": "URL",
        "help": "postgresql://... or embedded://NAME.  [env: DATABASE_URL]",
    },
    "--schema": {"help": "Where Awa lives; default awa.  [env: AWA_SCHEMA]"},
}


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
    """Add --database-url and --schema to the group: there the environment speaks where they do not.

    A command has them too, without the environment: what was said on the line, wherever on it,
    wins over what was set around it.
    """
    command = _option("--database-url", envvar="DATABASE_URL")(command)
    return _option("--schema", envvar="AWA_SCHEMA")(command)


def with_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its Place as first argument; its own options win over the group's."""

    @wraps(command)
    def run(*args: Any, database_url: str | None, schema: str | None, **options: Any) -> Any:
        said = click.get_current_context().obj
        outer = said if isinstance(said, Place) else Place(url=None, schema=None)
        place = Place(url=database_url or outer.url, schema=schema or outer.schema)
        return command(place, *args, **options)

    return _option("--schema")(_option("--database-url")(run))


def _option(name: str, *, envvar: str | None = None) -> Callable[[CommandT], CommandT]:
    return click.option(name, envvar=envvar, **_SAID[name])


def json_option(command: CommandT) -> CommandT:
    """Add --json."""
    option = click.option(
        "--json", "as_json", is_flag=True, callback=_remember_json, help="Print JSON."
    )
    return option(command)


def remember_words(ctx: click.Context, words: Sequence[str]) -> None:
    """Keep what was typed: a command line that cannot be read may ask for JSON all the same."""
    ctx.meta[_JSON] = "--json" in words


def asked_for_json(ctx: click.Context) -> bool:
    """Whether the command that runs was given --json, or its environment variable."""
    return bool(ctx.meta.get(_JSON))


def _remember_json(ctx: click.Context, _param: click.Parameter, value: Any) -> Any:
    ctx.meta[_JSON] = value
    return value
