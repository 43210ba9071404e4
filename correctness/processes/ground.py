"""What programs are played on: a server of their own, a migrated database, workers to be had."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final

from awa._storage.install import migrate_sync
from awa.embedded import Cluster
from correctness.edits import edited, installed_files, installing
from correctness.mutants.mutant import Mutant
from correctness.processes.forked import Forge
from correctness.processes.steps import QUEUES, Clock
from tests.fix_cluster import SETTINGS, chosen_bindir, roomy_memory
from tests.fix_database import create, fresh_name, open_session

_FAKETIME: Final = "*/faketime/libfaketimeMT.so.1"
_LIBRARIES: Final = Path("/usr/lib")


def find_faketime() -> Path | None:
    """The library that lets a process have a clock of its own, if it is installed."""
    return next(iter(sorted(_LIBRARIES.glob(_FAKETIME))), None)


@dataclass(slots=True, kw_only=True)
class Ground:
    """The server, the database to clone, and a folder for what is written meanwhile."""

    cluster: Cluster
    template: str
    folder: Path
    faketime: Path | None
    _forges: dict[Clock, Forge] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def new_folder(self) -> Path:
        """A folder for one program."""
        made = self.folder / f"program_{next(self._numbers)}"
        made.mkdir()
        return made

    def forge(self, clock: Clock) -> Forge:
        """Where workers with such a clock come from."""
        if clock not in self._forges:
            log = self.folder / f"forge_{clock}.log"
            self._forges[clock] = Forge(self._clock_of(clock), log)
        return self._forges[clock]

    def close(self) -> None:
        """End all workers."""
        for forge in self._forges.values():
            forge.close()

    def _clock_of(self, clock: Clock) -> dict[str, str]:
        if self.faketime is None:
            return {}
        monotonic = {"FAKETIME_DONT_FAKE_MONOTONIC": "1"} if clock == "wall" else {}
        unmoved = self.folder / "unmoved.clock"
        unmoved.write_text("+0\n")
        return {
            "LD_PRELOAD": str(self.faketime),
            "FAKETIME_TIMESTAMP_FILE": str(unmoved),
            "FAKETIME_CACHE_DURATION": "1",
            # Who is killed would leave its segment behind.
            "FAKETIME_DISABLE_SHM": "1",
            **monotonic,
        }


@contextmanager
def ground(mutant: Mutant | None = None) -> Iterator[Ground]:
    """Start a server, and install there; with a mutant, its SQL is installed."""
    folder = Path(tempfile.mkdtemp(prefix="awa-processes-"))
    try:
        with Cluster(bindir=chosen_bindir(), settings=SETTINGS, below=roomy_memory()) as cluster:
            made = Ground(
                cluster=cluster,
                template=fresh_name("template"),
                folder=folder,
                faketime=find_faketime(),
            )
            # It loads while the server installs.
            made.forge("wall")
            try:
                _install(made, mutant)
                yield made
            finally:
                made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def with_mutant(where: Ground, mutant: Mutant) -> Ground:
    """The same ground with a mutant's SQL, for as long as the other one is there."""
    made = replace(where, template=fresh_name("template"))
    _install(made, mutant)
    return made


def _install(where: Ground, mutant: Mutant | None) -> None:
    files = installed_files()
    with open_session(where.cluster.conninfo()) as session:
        create(session, where.template, None)
    conninfo = where.cluster.conninfo(where.template)
    with installing(files if mutant is None else edited(files, mutant.edits)):
        migrate_sync(conninfo)
    _furnish(conninfo)


def _furnish(conninfo: str) -> None:
    plain, letters = QUEUES
    with open_session(conninfo) as session:
        session.execute("select awa.ensure_lane(%s)", [plain])
        session.execute("create table public.own_effects (job bigint not null, run int not null)")
        session.execute(
            "select awa.configure_queue(%s, %s)", [letters, json.dumps({"dead_letters": True})]
        )
