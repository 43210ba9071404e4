"""Edge cover: the sample's graph on the real SQL. `make edge-cover` covers the larger ones."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from awa.embedded import Cluster
from correctness.edges.covering import cover
from correctness.edges.freedom import SEEN_IS_NO_HOLE
from correctness.edges.scopes import SCOPES
from correctness.edges.walking import Strayed
from correctness.model import ACTIONS, WORLD
from tests.fix_database import Session, create, drop, fresh_name, open_session
from tests.machine.mutants import Mutant

NewDatabase = Callable[[], str]

LEASE_STANDS = Mutant(
    old="d.job_id, d.run_lease + 1, d.attempt",
    new="d.job_id, d.run_lease, d.attempt",
)
"""A job that was promoted keeps its run_lease."""


@pytest.fixture
def new_database(cluster: Cluster, watcher: Session, template: str) -> Iterator[NewDatabase]:
    """Return `new_database()`: databases that nobody records, for a path is no story."""
    with ExitStack() as stack:

        def make() -> str:
            name = fresh_name("edges")
            create(watcher, name, template)
            stack.callback(drop, watcher, name)
            return cluster.conninfo(name)

        yield make


def test_the_sql_takes_every_edge_of_a_small_graph_and_no_other(new_database: NewDatabase) -> None:
    """Guards the twin's graph as the SQL's: what Storage allows of a job, the SQL does."""
    report = cover(SCOPES["sample"], new_database)
    assert report.complete, (report.missed, report.against)
    assert {SEEN_IS_NO_HOLE} == set(report.never.values())
    assert report.due == report.covered.steps & report.graph.steps
    elsewhere = {
        "note_progress",
        "enqueue_many",
        "release",
        "rotate",
        "prune",
        "evacuate",
        "env_arrive",
    }
    assert {*ACTIONS, *WORLD} - elsewhere <= {one.action for one in report.due}


def test_edge_cover_finds_a_planted_defect(new_database: NewDatabase) -> None:
    """Guards the cover itself: an effect that is wrong in one action alone makes it stray."""

    def make() -> str:
        conninfo = new_database()
        with open_session(conninfo) as session:
            LEASE_STANDS.plant(session)
        return conninfo

    with pytest.raises(Strayed):
        cover(SCOPES["sample"], make)
