"""`awa check`: look for broken properties."""

import sys

import click

from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import show_json, show_table

BROKEN = 1


@click.command()
@json_option
@with_place
def check(place: Place, *, as_json: bool) -> None:
    """Look for broken properties in the tables; the exit code is 1 when there are any."""
    with place.client() as client:
        violations = client.check()
    if as_json:
        show_json(violations)
    elif violations:
        show_table(("property", "detail"), [(one.property, one.detail) for one in violations])
    else:
        click.echo("every property holds")
    if violations:
        sys.exit(BROKEN)
