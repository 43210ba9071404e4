"""Ordinary tests as catchers of a mutant; and `awa.check()`, which looks when one has ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from correctness.mutants.catching import NOTHING, OF_MISTAKE, Catcher, Finding, of_check

ROOT: Final = Path(__file__).resolve().parents[2]
TESTS: Final = ROOT / "tests"
_OF_SCHEDULE: Final = "schedules/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A test that failed, and what it said."""

    node: str
    when: str
    said: str

    @property
    def catcher(self) -> Catcher:
        """Who noticed: the kind of test, or what looks at the tables behind it."""
        if f"tests/{_OF_SCHEDULE}" in self.node:
            return "schedule"
        return "check" if self.when == "teardown" and "properties_hold" in self.said else "test"

    @property
    def saw(self) -> str:
        """The properties that were broken, where they are named; else the test."""
        named = of_check(self.said) if self.catcher == "check" else NOTHING
        return named or self.node.rpartition("::")[2].removeprefix("test_").replace("_", " ")

    @property
    def is_mistake(self) -> bool:
        """Whether the mutant cannot be installed, or is no SQL: then it shows nothing."""
        return (
            "AnchorMissing" in self.said
            or (self.when == "setup" and "def template(" in self.said)
            or OF_MISTAKE.search(self.said) is not None
        )


class NoSuchTest(RuntimeError):
    """The tests named for a mutant were not run: correct its hunters."""


@dataclass(slots=True, eq=False)
class _Listener:
    """A plugin: pytest asks which it has, so it is equal to itself alone."""

    failures: list[Failure] = field(default_factory=list)
    session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.failed:
            return
        said = str(report.longrepr)
        self.failures.append(Failure(node=report.nodeid, when=str(report.when), said=said))
        # A test's own assertion ends the run; what is found behind it leaves that to the next.
        if self.failures[-1].catcher != "check" and self.session is not None:
            self.session.shouldstop = "noticed"


def is_schedule(hunter: str) -> bool:
    """Whether a hunter is a schedule, and no ordinary test."""
    return hunter.startswith(_OF_SCHEDULE)


def failures(hunters: Sequence[str]) -> list[Failure]:
    """Run tests up to the first whose own assertion fails; answer what failed."""
    listener = _Listener()
    code = pytest.main(
        [
            *("-q", "-p", "no:cacheprovider", "--no-header"),
            *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
            f"--rootdir={ROOT}",
            *(str(TESTS / one) for one in hunters),
        ],
        plugins=[listener],
    )
    if code != pytest.ExitCode.OK and not listener.failures:
        raise NoSuchTest(f"{hunters}: pytest ended with {code}")
    return listener.failures


def findings(failed: Sequence[Failure]) -> Iterator[Finding]:
    """What tests and the check behind them saw."""
    yield Finding(catcher="test")
    yield Finding(catcher="check")
    for one in failed:
        yield Finding(catcher=one.catcher, saw=one.saw)
