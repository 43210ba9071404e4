"""`awa dev`: a PostgreSQL of your own, for development."""

import signal

import click

from awa.cli.place import Place, json_option
from awa.cli.showing import show_json
from awa.embedded import server
from awa.sync import Client


@click.command()
@click.argument("name", default="dev")
@click.option(
    "--schema", envvar="AWA_SCHEMA", help="Where Awa lives; default awa.  [env: AWA_SCHEMA]"
)
@click.option("--wait/--no-wait", default=True, help="Keep it running until Ctrl-C.")
@json_option
@click.pass_obj
def dev(place: Place, name: str, *, schema: str | None, wait: bool, as_json: bool) -> None:
    """Start the embedded server NAME with Awa installed, and print its URL.

    Other processes reach it as embedded://NAME. The last one to leave stops it; the data stays.
    """
    chosen = schema or place.schema_name()
    with server(name) as running:
        with Client(running.conninfo, schema=chosen) as client:
            client.migrate()
        if as_json:
            show_json({"name": name, "url": running.url, "schema": chosen})
        else:
            click.echo(f"export DATABASE_URL='{running.url}'")
            # Without waiting the URL is good while somebody else uses the server.
            leaving = "; Ctrl-C leaves" if wait else ", which starts it again when it has stopped"
            click.echo(f"# or use embedded://{name}{leaving}", err=True)
        if wait:
            _until_signal()


def _until_signal() -> None:
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    signal.sigwait(signals)
