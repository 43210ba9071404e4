"""Hunting a mutant: its SQL is installed in throw-away databases, and tests are run against it.

A hunt is a process of its own, forked from one that has everything loaded and a server running:
what a mutant leaves behind, or waits for, ends with it. It stops at the first test that notices.
"""

import contextlib
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Literal

import psycopg
import pytest

from awa._storage.install import migrate_sync
from awa.embedded import Cluster
from correctness.edits import edited, installed_files, installing
from correctness.mutants.mutant import Mutant
from tests import fix_cluster
from tests.fix_database import SCHEMA, create, fresh_name, open_session
from tests.schedules.gating import change, install_gated

ROOT: Final = Path(__file__).resolve().parents[2]
TESTS: Final = ROOT / "tests"
HUNT_S_MAX: Final = 240.0
CONTROL_S_MAX: Final = 1800.0
STATEMENT_MS_MAX: Final = 6000
"""A mutant may wait for ever where the SQL does not wait; then its statement fails."""

Catcher = Literal["schedule", "test", "check", "replay", "machine"]

_MACHINE: Final = "correctness/test_machine.py"
_OF_CHECK: Final = re.compile(r"\('([A-Z][A-Za-z]+)', ")
_OF_SCHEDULE: Final = re.compile(r"(?m)^E +'([A-Z][A-Za-z]+)'")
_INVALID: Final = (
    *("AmbiguousColumn", "AmbiguousFunction", "CannotCoerce", "DatatypeMismatch", "GroupingError"),
    *("IndeterminateDatatype", "InvalidColumnReference", "SyntaxError", "UndefinedColumn"),
    *("UndefinedFunction", "UndefinedObject", "UndefinedParameter", "UndefinedTable"),
    "WrongObjectType",
)
_STATES: Final = sorted(getattr(psycopg.errors, name).sqlstate for name in _INVALID)
_SAID: Final = r"(?m)^(?:E|\s*\|)\s.*"
_OF_MISTAKE: Final = re.compile(
    rf"{_SAID}(?:\bpsycopg\.errors\.(?:{'|'.join(_INVALID)})\b|'(?:{'|'.join(_STATES)})'"
    "|unsupported startup parameter)"
)
"""What a test says that met SQL which is none, or a server that does not take the hunt's options:
said of the error, not in the source of the test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A test that failed, and what it said."""

    node: str
    when: str
    said: str

    @property
    def catcher(self) -> Catcher:
        """Who noticed: the kind of test, or what looks at the tables and traces behind it."""
        if self.node.endswith("::replay"):
            return "replay"
        if _MACHINE in self.node:
            return "machine"
        if "tests/schedules/" in self.node:
            return "schedule"
        return "check" if self.when == "teardown" and "properties_hold" in self.said else "test"

    @property
    def saw(self) -> str:
        """The properties that were broken, where they are named; else the test."""
        named = {"check": _OF_CHECK, "schedule": _OF_SCHEDULE}.get(self.catcher)
        broken = sorted(set(named.findall(self.said))) if named else []
        test = self.node.removesuffix("::replay").rpartition("::")[2]
        return ", ".join(broken) or test.removeprefix("test_").replace("_", " ")

    @property
    def is_mistake(self) -> bool:
        """Whether the mutant cannot be installed, or is no SQL: then it shows nothing."""
        return (
            "AnchorMissing" in self.said
            or (self.when == "setup" and "def template(" in self.said)
            or _OF_MISTAKE.search(self.said) is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """What came of a hunt: `failure` is None when the mutant survived."""

    mutant: Mutant
    failure: Failure | None
    seconds_s: float
    mistake: str = ""
    """Why the hunt says nothing."""


@dataclass(slots=True, eq=False)
class _Listener:
    """A plugin: pytest asks which it has, so it is equal to itself alone."""

    failures: list[Failure] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            said = str(report.longrepr)
            self.failures.append(Failure(node=report.nodeid, when=str(report.when), said=said))


class NoSuchTest(RuntimeError):
    """The tests named for a mutant were not run: correct its hunters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A server with an installation to make each mutant from, with gates and without."""

    cluster: Cluster
    plain: str
    gated: str


@contextmanager
def ground() -> Iterator[Ground]:
    """Start the server and install."""
    with fix_cluster.shared_cluster() as cluster:
        made = Ground(cluster=cluster, plain=fresh_name("plain"), gated=fresh_name("gated"))
        with open_session(cluster.conninfo()) as session:
            for name in (made.plain, made.gated):
                create(session, name, None)
        migrate_sync(cluster.conninfo(made.plain), schema=SCHEMA)
        install_gated(cluster.conninfo(made.gated))
        yield made


def control(mutants: Iterable[Mutant]) -> Mutant:
    """The SQL as it is, for all these hunters: what they catch in it is of the hunt itself."""
    hunters = dict.fromkeys(hunter for mutant in mutants for hunter in mutant.hunters)
    return Mutant(name="(control)", kind="effect", actions=(), edits=(), hunters=tuple(hunters))


def hunt(
    mutant: Mutant, where: Ground, *, quick: bool = False, seconds_s_max: float = HUNT_S_MAX
) -> Hunt:
    """Hunt one mutant; a quick hunt asks the tests named for it and nobody else."""
    started_s = time.monotonic()
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    with tempfile.TemporaryFile("w+") as output:
        child = context.Process(
            target=_child, args=(mutant, where, there, output.fileno()), kwargs={"quick": quick}
        )
        child.start()
        there.close()
        found: Failure | None = None
        mistake = ""
        try:
            if here.poll(seconds_s_max):
                found = here.recv()
            else:
                mistake = f"no answer within {seconds_s_max:.0f} s"
        except EOFError:
            output.seek(0)
            mistake = output.read()[-3000:]
        child.kill()
        child.join()
    if found is not None and found.is_mistake:
        mistake = found.said[-3000:]
    return Hunt(
        mutant=mutant,
        failure=None if mistake else found,
        seconds_s=time.monotonic() - started_s,
        mistake=mistake,
    )


def _child(mutant: Mutant, where: Ground, answer: Connection, output: int, *, quick: bool) -> None:
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    fix_cluster.lent.append(where.cluster)
    with contextlib.suppress(ValueError):  # then every test's template is a new installation
        _lend(mutant, where)
    os.environ["PGOPTIONS"] = f"-c statement_timeout={STATEMENT_MS_MAX}"
    with installing(edited(installed_files(), mutant.edits)):
        answer.send(_first_failure(mutant, quick=quick))


def _lend(mutant: Mutant, where: Ground) -> None:
    """Make the templates that the mutant's tests are to use. Raise ValueError."""
    for gates in {_is_schedule(hunter) for hunter in mutant.hunters}:
        name = fresh_name("mutant")
        with open_session(where.cluster.conninfo()) as session:
            create(session, name, where.gated if gates else where.plain)
        change(where.cluster.conninfo(name), mutant.edits, gates=gates)
        fix_cluster.lent_templates["gated" if gates else "plain"] = name


def _is_schedule(hunter: str) -> bool:
    return hunter.startswith("schedules/")


def _first_failure(mutant: Mutant, *, quick: bool) -> Failure | None:
    if found := _run(*mutant.hunters):
        return found
    if quick:
        return None
    named = [test for test in mutant.hunters if not _is_schedule(test)]
    if named and (found := _run("--replay-traces", *named)):
        return found
    if (TESTS / _MACHINE).is_file() and (found := _run(_MACHINE)):
        return found
    return None


def _run(*arguments: str) -> Failure | None:
    """Run these tests up to the first that fails."""
    listener = _Listener()
    code = pytest.main(
        [
            *("-x", "-q", "-p", "no:cacheprovider", "--no-header"),
            *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
            f"--rootdir={ROOT}",
            *(one if one.startswith("-") else str(TESTS / one) for one in arguments),
        ],
        plugins=[listener],
    )
    if listener.failures:
        return listener.failures[0]
    if code != pytest.ExitCode.OK:
        raise NoSuchTest(f"{arguments}: pytest ended with {code}")
    return None
