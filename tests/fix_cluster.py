"""Clusters of the tests' own. `DATABASE_URL` is for users and is never touched."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from awa.embedded import Cluster

# What the suite needs beyond the defaults: logical decoding for traces (a slot per database that
# is open at a time), two-phase commit for its tests, and room for many sessions.
SETTINGS: Final = {
    "wal_level": "logical",
    "max_replication_slots": "64",
    "max_prepared_transactions": "16",
    "max_connections": "120",
    "max_locks_per_transaction": "256",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    # Compiling the view of all jobs takes half a second, and plain sessions of tests read it often.
    # Sessions and functions of Awa switch it off by themselves.
    "jit": "off",
}
EMBEDDED_MAJOR: Final = "18"
# A database is a thousand small files: in memory a clone takes a tenth of the time.
MEMORY: Final = Path("/dev/shm")  # noqa: S108  # each cluster makes a private directory there
MEMORY_BYTES_MIN: Final = 8 * 2**30


def chosen_bindir() -> Path | None:
    """Return the programs of the version that `PG` asks for; None for the embedded ones."""
    major = os.environ.get("PG", EMBEDDED_MAJOR)
    if major == EMBEDDED_MAJOR:
        return None
    bindir = Path(os.environ.get("PG_BINDIR", f"/usr/lib/postgresql/{major}/bin"))
    if not bindir.is_dir():
        pytest.exit(f"PG={major}: no {bindir}; install PostgreSQL {major} or set PG_BINDIR", 2)
    return bindir


NewCluster = Callable[..., Cluster]

lent: Final[list[Cluster]] = []
"""A cluster that whoever started this run keeps for many runs."""
lent_templates: Final[dict[str, str]] = {}
"""Databases of it that stand in for a template: `plain`, or `gated` for tests/schedules."""


def roomy_memory() -> Path | None:
    """Return a file system in memory with room for the tests, if the machine has one."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN else None


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Return the run's cluster, shared by all tests: give it back as you found it."""
    if lent:
        yield lent[0]
        return
    with shared_cluster() as running:
        yield running


def shared_cluster() -> Cluster:
    """Return a cluster with the suite's settings."""
    return Cluster(bindir=chosen_bindir(), settings=SETTINGS, below=roomy_memory())


@pytest.fixture
def new_cluster() -> Iterator[NewCluster]:
    """Return `new_cluster(**Cluster's arguments)`: clusters to kill, restart or misconfigure."""
    with ExitStack() as stack:

        def make(**arguments: Any) -> Cluster:
            settings = {**SETTINGS, **arguments.pop("settings", {})}
            arguments.setdefault("bindir", chosen_bindir())
            arguments.setdefault("below", roomy_memory())
            return stack.enter_context(Cluster(settings=settings, **arguments))

        yield make
