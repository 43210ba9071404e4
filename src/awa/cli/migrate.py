"""`awa migrate`: create or upgrade the schema."""

import click

from awa._storage.install import SCHEMA_VERSION, migration_sql, roles_sql
from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import show_json


@click.command()
@click.option("--sql", is_flag=True, help="Print the statement instead of running it.")
@click.option("--roles", is_flag=True, help="Make the roles and their grants as well.")
@json_option
@with_place
def migrate(place: Place, *, sql: bool, roles: bool, as_json: bool) -> None:
    """Create or upgrade the schema, in one transaction or not at all.

    A schema made by a newer Awa is refused before anything is touched.
    """
    schema = place.schema_name()
    if sql:
        click.echo(migration_sql(schema))
        if roles:
            click.echo(roles_sql(schema))
        return
    with place.client() as client:
        client.migrate(roles=roles)
    if as_json:
        show_json({"schema": schema, "version": SCHEMA_VERSION, "roles": roles})
    else:
        also = ", roles granted" if roles else ""
        click.echo(f'schema "{schema}" has version {SCHEMA_VERSION}{also}')
