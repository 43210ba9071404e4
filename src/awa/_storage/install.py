"""Install the schema: one statement, so it happens entirely or not at all.

The statement is a DO block that takes a transaction lock first, then looks what is there, refuses a
newer schema before anything is touched, is content with its own version, and otherwise runs the SQL
files in the order of `sql/order.txt`. Being one statement it is atomic even outside a transaction,
runs on every driver, and `awa migrate --sql` prints just it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Final

import psycopg

from awa._storage import codec
from awa._storage.calls import Call
from awa._storage.executors import run_sync
from awa._storage.names import SCHEMA_DEFAULT, checked_role, checked_schema, literal, quoted
from awa.errors import ConfigurationError, SchemaNewer, SchemaOlder, ServerUnreachable

SCHEMA_VERSION: Final = 1
"""The version of the schema that this program installs and speaks to; tables.sql records it."""

_INSTALL: Final = """\
do $awa_install$
declare
    v_found int;
    v_path text := current_setting('search_path');
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        -- An older snapshot would not see what another migration committed before our lock.
        raise exception 'awa: migrate refuses to run under %',
            current_setting('transaction_isolation')
            using errcode = 'AW002';
    end if;
    perform pg_advisory_xact_lock({lock});
    if to_regclass({meta}) is not null then
        execute 'select schema_version from ' || {meta} into v_found;
        if v_found > {version} then
            raise exception 'awa: the schema is newer' using errcode = 'AW005', detail = v_found;
        end if;
        return;
    end if;
    if to_regnamespace({schema}) is null then
        execute 'create schema ' || {schema};
    elsif exists (select from pg_class c where c.relnamespace = to_regnamespace({schema})) then
        raise exception 'awa: the schema holds something else' using errcode = 'AW006';
    end if;
    perform set_config('search_path', {path}, true);
{steps}
    perform set_config('search_path', v_path, true);
end $awa_install$;
"""

_ROLES: Final = """\
do $awa_install$
declare
    v_path text := current_setting('search_path');
begin
    -- Two sessions that grant on the same objects at once would fail each other.
    perform pg_advisory_xact_lock({lock});
    perform set_config('search_path', {path}, true);
{settings}
{steps}
    perform set_config('search_path', v_path, true);
end $awa_install$;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleNames:
    """What the roles are called; they are the cluster's, so several installations may differ."""

    producer: str = "awa_producer"
    worker: str = "awa_worker"
    operator: str = "awa_operator"
    reader: str = "awa_reader"


def named_roles(names: object) -> RoleNames:
    """The default names but for those given, by field of RoleNames; True and False give none.

    Raises ConfigurationError.
    """
    known = [field.name for field in fields(RoleNames)]
    if isinstance(names, bool):
        return RoleNames()
    if not isinstance(names, Mapping):
        how = f"a mapping of {', '.join(known)} to names"
        raise ConfigurationError(f"roles must be True, or {how}, not {names!r:.100}")
    for role, name in names.items():
        if role not in known:
            raise ConfigurationError(f"there is no role {role!r}; there are {', '.join(known)}")
        checked_role(name)
    return RoleNames(**names)


def migration_sql(schema: str = SCHEMA_DEFAULT) -> str:
    """The statement that installs the schema, for `psql` or a migration tool.

    Raises ConfigurationError for a name that a schema cannot have.
    """
    checked_schema(schema)
    return _INSTALL.format(
        lock=_lock(schema),
        meta=literal(f"{quoted(schema)}.meta"),
        schema=literal(quoted(schema)),
        path=literal(f"{quoted(schema)}, pg_temp"),
        version=SCHEMA_VERSION,
        steps="\n".join(_step(name, read_sql(name)) for name in installation_order()),
    )


def roles_sql(schema: str = SCHEMA_DEFAULT, names: RoleNames | None = None) -> str:
    """The statement that makes the roles, where they are missing, and grants them their functions.

    Raises ConfigurationError for a name that a role cannot have.
    """
    checked_schema(schema)
    roles = names or RoleNames()
    settings = [
        f"    perform set_config('awa.role_{field.name}', "
        f"{literal(checked_role(getattr(roles, field.name)))}, true);"
        for field in fields(roles)
    ]
    return _ROLES.format(
        lock=_lock(schema),
        path=literal(f"{quoted(schema)}, pg_temp"),
        settings="\n".join(settings),
        steps=_step("roles.sql", read_sql("roles.sql")),
    )


def migrate(schema: str = SCHEMA_DEFAULT) -> Call[None]:
    """Install the schema if it is missing; do nothing if it is there.

    The executor raises SchemaNewer, with nothing touched, when it belongs to a newer Awa.
    """
    return _statement("migrate", migration_sql(schema), schema)


def install_roles(schema: str = SCHEMA_DEFAULT, names: RoleNames | None = None) -> Call[None]:
    """Make the roles and their grants; repeatable, and safe against others doing the same."""
    return _statement("install_roles", roles_sql(schema, names), schema)


def migrate_sync(conninfo: str, schema: str = SCHEMA_DEFAULT) -> None:
    """Install the schema over a connection of its own. Raises ServerUnreachable, SchemaNewer."""
    try:
        connection = psycopg.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise ServerUnreachable(str(error)) from error
    with connection:
        run_sync(connection, migrate(schema))


def require_version(found: int, schema: str = SCHEMA_DEFAULT) -> None:
    """Refuse to work with a schema of another version. Raises SchemaNewer or SchemaOlder."""
    if found > SCHEMA_VERSION:
        raise SchemaNewer(schema=schema, found=found)
    if found < SCHEMA_VERSION:
        raise SchemaOlder(schema=schema, found=found, needed=SCHEMA_VERSION)


def installation_order() -> tuple[str, ...]:
    """The SQL files of an installation, by their path below `sql/`, in order."""
    return tuple(line for line in read_sql("order.txt").split() if line)


def read_sql(name: str) -> str:
    """The text of one file below `sql/`."""
    return files("awa").joinpath("sql", name).read_text(encoding="utf-8")


def _step(name: str, text: str) -> str:
    """One file as an EXECUTE: its text stays readable in what `--sql` prints."""
    tag = "$awa_file$"
    assert tag not in text
    return f"    -- {name}\n    execute {tag}\n{text}{tag};"


def _lock(schema: str) -> str:
    return f"hashtextextended({literal(f'awa migrate {schema}')}, 0)"


def _statement(action: str, sql: str, schema: str) -> Call[None]:
    return Call(
        action=action, sql=sql.replace("%", "%%"), params=(), decode=codec.nothing, schema=schema
    )
