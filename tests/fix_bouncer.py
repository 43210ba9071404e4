"""A PgBouncer in front of the tests' server.

new_bouncer  new_bouncer(pool_mode="session", ...) is one with these settings of its own
bouncer      one in transaction mode, with six connections
pooled       the connection string of the test's database through it
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import pytest
from psycopg.conninfo import conninfo_to_dict

from awa.embedded import Cluster
from correctness.bouncer import Bouncer, program

POOL: Final = 6


def pytest_report_header() -> str:
    """Say whether tests behind a pooler run."""
    return (
        f"pgbouncer: {program() or 'none here (apt-get install pgbouncer), its tests do not run'}"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what needs a PgBouncer, where there is none; pytest counts it as deselected."""
    if program() is not None:
        return
    without = [each for each in items if "new_bouncer" not in getattr(each, "fixturenames", ())]
    config.hook.pytest_deselected(items=[each for each in items if each not in without])
    items[:] = without


@pytest.fixture
def new_bouncer(cluster: Cluster, database: str) -> Iterator[Callable[..., Bouncer]]:
    """Return `new_bouncer(pool_mode=..., ...)`, gone before the test's database is."""
    assert database
    with ExitStack() as stack:

        def make(**settings: str) -> Bouncer:
            chosen = {"default_pool_size": str(POOL), **settings}
            return stack.enter_context(Bouncer(cluster.conninfo(), settings=chosen))

        yield make


@pytest.fixture
def bouncer(new_bouncer: Callable[..., Bouncer]) -> Bouncer:
    """Return a PgBouncer in transaction mode."""
    return new_bouncer()


@pytest.fixture
def pooled(bouncer: Bouncer, database: str) -> str:
    """Return the connection string of the test's database through that PgBouncer."""
    return bouncer.conninfo(str(conninfo_to_dict(database)["dbname"]))
