"""A template whose functions have gates."""

from collections.abc import Iterator

import pytest

from awa.embedded import Cluster
from tests.fix_cluster import lent_templates
from tests.fix_database import Session, create, drop, fresh_name
from tests.schedules.gating import install_gated


@pytest.fixture(scope="module")
def template(cluster: Cluster, watcher: Session) -> Iterator[str]:
    """Return the name of a database with the schema, and a gate in each place."""
    if "gated" in lent_templates:
        yield lent_templates["gated"]
        return
    name = fresh_name("template")
    create(watcher, name, None)
    install_gated(cluster.conninfo(name))
    yield name
    drop(watcher, name)
