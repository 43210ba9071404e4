"""The installation with a gate in each place, and mutants of it."""

from collections.abc import Iterable

from awa._storage.install import migrate_sync
from correctness.edits import Edit, edited, installed_files, installing, replacements
from correctness.gates import INSTALL, gated
from tests.fix_database import SCHEMA, open_session


def install_gated(conninfo: str) -> None:
    """Install the schema with its gates into an empty database."""
    with installing(gated(installed_files())):
        migrate_sync(conninfo, schema=SCHEMA)
    with open_session(conninfo) as session:
        session.execute(INSTALL)


def change(conninfo: str, edits: Iterable[Edit], *, gates: bool) -> None:
    """Make these changes in an installation, with or without gates.

    Raise ValueError when more than functions changes: then the installation must be a new one.
    """
    before = installed_files()
    after = edited(before, edits)
    with open_session(conninfo) as session:
        session.execute("set search_path = awa, pg_temp")
        for statement in replacements(
            *((gated(before), gated(after)) if gates else (before, after))
        ):
            session.execute(statement.encode())
