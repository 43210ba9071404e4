"""`pytest --replay-traces`: what each test made the SQL do is replayed through the specification.

Every test with a database of its own is recorded. When all have run, the traces are replayed, by
TLC in a few runs or by the Python twin of the specification, and each recorded test gets one more
item, `<test>::replay`, which fails when one of its traces is rejected. Tests marked `bulk` (too
many rows) or `by_hand` (rows that no action wrote) are exempt; the summary counts and names them.
"""

import json
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from correctness.recording import Recording
from correctness.replay import JUDGES, Judge, Report, judge_here, replay, too_long
from correctness.tlc import CheckerMissing, find_jar, find_java
from correctness.traces import Recorded, Trace, cut, write_ndjson
from correctness.verdicts import Refusal
from tests.fix_database import on_database_created, on_database_finished

_OPTION: Final = "--replay-traces"
_BY: Final = "--replay-by"
_KEEP: Final = "--keep-traces"
_CALLED: Final[dict[Judge, str]] = {"tlc": "TLC", "twin": "the Python twin"}
EXEMPT: Final = ("bulk", "by_hand")
"""Markers of tests that are not replayed; pyproject.toml says why."""


@dataclass(slots=True, kw_only=True)
class _Test:
    """One recorded test: the databases it had, and what happened in them."""

    location: tuple[str, int | None, str]
    recorded: list[list[Recorded]] = field(default_factory=list)

    def traces(self) -> list[tuple[list[Recorded], Trace]]:
        """Every trace of every database, with the recording it was cut from."""
        return [(one, trace) for one in self.recorded for trace in cut(one)]


def _file_name(test: str) -> str:
    return test.replace("/", ".").replace("::", ".")[:150]


class ReplayPlugin:
    """Registered only when traces are to be replayed."""

    def __init__(self, config: pytest.Config, by: Judge) -> None:
        self._config: Final = config
        self._by: Final[Judge] = by
        self._open: Final[dict[str, Recording]] = {}
        self._tests: Final[dict[str, _Test]] = {}
        self._exempt: Final[dict[str, str]] = {}
        self._said: str = "nothing was recorded"

    def created(self, conninfo: str, request: pytest.FixtureRequest) -> None:
        """A test's database is there, and nobody is connected to it."""
        exempting = [name for name in EXEMPT if request.node.get_closest_marker(name) is not None]
        if exempting:
            self._exempt[request.node.nodeid] = exempting[0]
        else:
            self._open[conninfo] = Recording(conninfo)

    def finished(self, conninfo: str, request: pytest.FixtureRequest) -> None:
        """All sessions of the test are closed."""
        recording = self._open.pop(conninfo, None)
        if recording is not None:
            test = self._tests.setdefault(
                request.node.nodeid, _Test(location=request.node.location)
            )
            test.recorded.append(recording.finish())
            self._keep(request.node.nodeid, test.recorded)

    def _keep(self, name: str, recorded: list[list[Recorded]]) -> None:
        """Keep the last recording, when that was asked for."""
        folder = self._config.getoption(_KEEP)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            file = f"{_file_name(name)}.{len(recorded)}.ndjson"
            write_ndjson(Path(folder) / file, recorded[-1])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """After the last test: replay, and report one item for each recorded test."""
        outcome = yield
        if self._tests and not session.config.option.collectonly:
            self._replay_all(session)
        return outcome

    def _replay_all(self, session: pytest.Session) -> None:
        started_s = time.monotonic()
        cut_up: dict[str, list[tuple[list[Recorded], Trace]]] = {}
        for name, test in self._tests.items():
            try:
                cut_up[name] = test.traces()
            except (KeyError, ValueError) as error:
                self._report(session, name, f"An event cannot be read: {error!r}")
        fit = [
            trace for traces in cut_up.values() for _, trace in traces if too_long(trace) is None
        ]
        report = replay(fit, by=self._by)
        refused = dict(zip(map(id, fit), report.refusals, strict=True))
        for name, traces in cut_up.items():
            problems = [
                problem
                for recorded, trace in traces
                if (problem := self._problem(name, recorded, trace, refused.get(id(trace))))
            ]
            self._report(session, name, "\n\n".join(problems))
        self._summarise(fit, report, time.monotonic() - started_s)

    def _problem(
        self, name: str, recorded: list[Recorded], trace: Trace, refusal: Refusal | None
    ) -> str | None:
        long = too_long(trace)
        if long is not None:
            return f"The trace is too long to be replayed ({long}): mark the test `bulk`."
        if refusal is None:
            return None
        line = trace.lines[min(refusal.event, len(trace.lines)) - 1]
        said = (
            f"The specification rejects event {line + 1} (lane {trace.lane}):\n"
            f"  {json.dumps(recorded[line].event)}\nwhy:   {refusal.why}\nstate: {refusal.state}"
        )
        folder = self._config.cache.mkdir("rejected")
        file = folder / f"{_file_name(name)}.ndjson"
        write_ndjson(file, recorded)
        return f"{said}\nthe whole recording: {file}"

    def _report(
        self, session: pytest.Session, name: str, problems: str, *, item: str = "replay"
    ) -> None:
        path, line, domain = self._tests[name].location
        location = (path, line, f"{domain}::{item}")
        node = f"{name}::{item}"
        session.config.hook.pytest_runtest_logstart(nodeid=node, location=location)
        for when in ("setup", "call", "teardown"):
            failed = bool(problems) and when == "call"
            session.config.hook.pytest_runtest_logreport(
                report=pytest.TestReport(
                    nodeid=node,
                    location=location,
                    keywords={},
                    outcome="failed" if failed else "passed",
                    longrepr=problems if failed else None,
                    when=when,
                )
            )
        session.config.hook.pytest_runtest_logfinish(nodeid=node, location=location)

    def _summarise(self, traces: list[Trace], report: Report, seconds_s: float) -> None:
        events = sum(len(trace.events) for trace in traces)
        self._said = (
            f"{len(self._tests)} tests, {events} events, {len(traces)} traces "
            f"({report.different} different, {report.remembered} judged before), "
            f"{sum(refusal is not None for refusal in report.refusals)} rejected, "
            f"by {_CALLED[report.judge]} in {seconds_s:.1f} s"
        )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was replayed, by whom, and what was not."""
        terminalreporter.section("traces")
        terminalreporter.line(f"replayed: {self._said}")
        terminalreporter.line(f"exempt ({', '.join(EXEMPT)}): {len(self._exempt)}")
        for name, marker in sorted(self._exempt.items()):
            terminalreporter.line(f"  {marker}: {name}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the option."""
    parser.addoption(
        _OPTION, action="store_true", help="replay what tests did through the specification"
    )
    parser.addoption(
        _BY, choices=JUDGES, help="who replays; TLC unless it is missing, else the Python twin"
    )
    parser.addoption(_KEEP, metavar="FOLDER", help="write what is replayed to files in a folder")


def pytest_configure(config: pytest.Config) -> None:
    """Record from the first database on. Raise UsageError when TLC is asked for and missing."""
    if not config.getoption(_OPTION):
        return
    by: Judge = config.getoption(_BY) or judge_here()
    try:
        if by == "tlc":
            find_java()
            find_jar()
    except CheckerMissing as missing:
        raise pytest.UsageError(f"{_BY}={by}: {missing}") from missing
    plugin = ReplayPlugin(config, by)
    config.pluginmanager.register(plugin, "awa-replay")
    on_database_created.append(plugin.created)
    on_database_finished.append(plugin.finished)
