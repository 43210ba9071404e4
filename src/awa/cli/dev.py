"""`awa dev`: a PostgreSQL of your own, for development."""

import signal

import click

from awa.cli.place import SCHEMA_DEFAULT, json_option
from awa.cli.showing import show_json
from awa.embedded import server
from awa.sync import Client


@click.command()
@click.argument("name", default="dev")
@click.option("--schema", default=SCHEMA_DEFAULT, show_default=True)
@click.option("--wait/--no-wait", default=True, help="Keep it running until Ctrl-C.")
@json_option
def dev(name: str, *, schema: str, wait: bool, as_json: bool) -> None:
    """Start the embedded server NAME with Awa installed, and print its URL.

    Other processes reach it as embedded://NAME. The last one to leave stops it; the data stays.
    """
    with server(name) as running:
        with Client(running.conninfo, schema=schema) as client:
            client.migrate()
        if as_json:
            show_json({"name": name, "url": running.url, "schema": schema})
        else:
            click.echo(f"export DATABASE_URL='{running.url}'")
            click.echo(f"# or use embedded://{name}; Ctrl-C leaves", err=True)
        if wait:
            _until_signal()


def _until_signal() -> None:
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    signal.sigwait(signals)
