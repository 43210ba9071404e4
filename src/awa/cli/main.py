"""The group of all commands, and what becomes of errors."""

import sys
from typing import Any

import click
import psycopg

from awa._version import VERSION
from awa.cli.bench import bench
from awa.cli.check import check
from awa.cli.cron import cron
from awa.cli.dev import dev
from awa.cli.dlq import dlq
from awa.cli.health import health
from awa.cli.job import job
from awa.cli.migrate import migrate
from awa.cli.place import Place, asked_for_json, place_options, remember_words
from awa.cli.queue import queue
from awa.cli.showing import show_error
from awa.cli.storage import storage
from awa.cli.tick import tick
from awa.cli.trace import trace
from awa.cli.worker import worker
from awa.errors import AwaError, CallerError, InvalidInput

CALLER = 2
WORLD = 1


class _Group(click.Group):
    """Errors end as one line that says what to do: exit code 2 for the caller's, 1 for others.

    With --json they are an object on standard output as well, in place of the one of a success.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        remember_words(ctx, args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:  # click says it, and leaves
            if asked_for_json(ctx):
                show_error(type(error).__name__, error.format_message())
            raise
        except (AwaError, psycopg.Error) as error:
            message = " ".join(str(error).split())
            if asked_for_json(ctx):
                field = error.field if isinstance(error, InvalidInput) else None
                show_error(type(error).__name__, message, field=field)
            click.echo(f"awa: {message}", err=True)
            sys.exit(CALLER if isinstance(error, CallerError) else WORLD)


@click.group(
    cls=_Group,
    context_settings={"auto_envvar_prefix": "AWA", "help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, prog_name="awa")
@place_options
@click.pass_context
def main(ctx: click.Context, database_url: str | None, schema: str | None) -> None:
    """Awa: a job queue that lives in PostgreSQL.

    The database comes from --database-url or DATABASE_URL; embedded://NAME means a server of
    your own. Every option may be given as an environment variable, for example
    AWA_WORKER_LOG_FORMAT=json for `awa worker --log-format json`.
    """
    ctx.obj = Place(url=database_url, schema=schema)


for command in (
    *(bench, check, cron, dev, dlq, health, job, migrate, queue),
    *(storage, tick, trace, worker),
):
    main.add_command(command)
