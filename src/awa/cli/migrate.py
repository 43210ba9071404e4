"""`awa migrate`: create or upgrade the schema."""

import click

from awa._storage.install import SCHEMA_VERSION, migration_sql, named_roles, roles_sql
from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import show_json


@click.command()
@click.option("--sql", is_flag=True, help="Print the statement instead of running it.")
@click.option("--roles", is_flag=True, help="Make the roles and their grants as well.")
@click.option(
    "--role",
    "names",
    metavar="ROLE=NAME",
    multiple=True,
    help="What producer, worker, operator or reader is called; implies --roles.",
)
@json_option
@with_place
def migrate(place: Place, *, sql: bool, roles: bool, names: tuple[str, ...], as_json: bool) -> None:
    """Create or upgrade the schema, in one transaction or not at all.

    A schema made by a newer Awa is refused before anything is touched.
    """
    schema = place.schema_name()
    called = _called(names)
    roles = roles or bool(called)
    if sql:
        parts = [migration_sql(schema)]
        if roles:
            parts.append(roles_sql(schema, named_roles(called)))
        _show_sql("\n".join(parts), as_json=as_json)
        return
    with place.client() as client:
        client.migrate(roles=called or roles)
    if as_json:
        show_json({"schema": schema, "version": SCHEMA_VERSION, "roles": roles})
    else:
        also = ", roles granted" if roles else ""
        click.echo(f'schema "{schema}" has version {SCHEMA_VERSION}{also}')


def _show_sql(statement: str, *, as_json: bool) -> None:
    if as_json:
        show_json({"sql": statement})
    else:
        click.echo(statement)


def _called(names: tuple[str, ...]) -> dict[str, str]:
    pairs = [name.partition("=") for name in names]
    if not all(separator for _, separator, _ in pairs):
        raise click.UsageError("--role takes ROLE=NAME, as in producer=shop_writer")
    return {role: name for role, _, name in pairs}
