"""Every test of this folder ends with all properties holding, and its workers may be watched."""

from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path

import pytest

from awa._runtime.worker import Worker
from tests.fix_database import open_session
from tests.worker_replay_plugin import FOLDER, NAME, WorkerReplayPlugin


@pytest.fixture(autouse=True)
def workers_are_watched(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Note what all workers tell, when it is to be replayed."""
    plugin = request.config.pluginmanager.get_plugin(NAME)
    if not isinstance(plugin, WorkerReplayPlugin):
        return
    folder = tmp_path / "told"
    folder.mkdir()
    watching = plugin.watch(request.node.nodeid, folder)
    monkeypatch.setenv(FOLDER, str(folder))
    watched = partialmethod(Worker.__init__, tell=watching.tell)
    monkeypatch.setattr(Worker, "__init__", watched)


@pytest.fixture(autouse=True)
def properties_hold(request: pytest.FixtureRequest) -> Iterator[None]:
    """Look, when the test has ended, that `check` finds nothing broken."""
    if "database" not in request.fixturenames:
        yield
        return
    conninfo: str = request.getfixturevalue("database")
    yield
    with open_session(conninfo) as session:
        assert session.execute('select * from awa."check"()').fetchall() == []
