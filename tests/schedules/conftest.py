"""A template whose functions have gates."""

from collections.abc import Iterator

import pytest

from awa._storage.install import migrate_sync
from awa.embedded import Cluster
from correctness.edits import installed_files, installing
from correctness.gates import INSTALL, gated
from tests.fix_database import SCHEMA, Session, create, drop, fresh_name, open_session


@pytest.fixture(scope="module")
def template(cluster: Cluster, watcher: Session) -> Iterator[str]:
    """Return the name of a database with the schema, and a gate in each place."""
    files = gated(installed_files())
    name = fresh_name("template")
    create(watcher, name, None)
    with installing(files):
        migrate_sync(cluster.conninfo(name), schema=SCHEMA)
    with open_session(cluster.conninfo(name)) as session:
        session.execute(INSTALL)
    yield name
    drop(watcher, name)
