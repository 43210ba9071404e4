"""`pytest --replay-traces`: what tests did with schedules is replayed through Cron as well.

Each test that told of a schedule gets one more item, `<test>::schedules`, which fails when the
trace of one of its schedules is rejected.
"""

import json
import time
from collections.abc import Generator, Sequence
from typing import Any, Final

import pytest

from correctness.cron_replay import replay_schedules
from correctness.cron_traces import CronTrace, Long, cut_schedules
from correctness.tlc import available
from correctness.traces import Recorded, write_ndjson
from correctness.verdicts import Refusal
from tests.replay_plugin import ReplayPlugin


class CronReplayPlugin:
    """Registered only when traces are to be replayed."""

    def __init__(self, config: pytest.Config) -> None:
        self._config: Final = config
        self._said = "nothing was told"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """After the last test: replay, and report one item for each test with a schedule."""
        outcome = yield
        storage = session.config.pluginmanager.get_plugin("awa-replay")
        if isinstance(storage, ReplayPlugin) and not session.config.option.collectonly:
            self._replay_all(session, storage)
        return outcome

    def _replay_all(self, session: pytest.Session, storage: ReplayPlugin) -> None:
        started_s = time.monotonic()
        found = [
            (name, recorded, trace)
            for name, test in storage._tests.items()
            for recorded in test.recorded
            for trace in cut_schedules(recorded)
        ]
        if not found:
            return
        if not available():
            self._said = "none: there is no TLC here, and the Python twin knows no schedules"
            return
        fit = [trace for _, _, trace in found if isinstance(trace, CronTrace)]
        refusals = dict(zip(map(id, fit), replay_schedules(fit), strict=True))
        problems: dict[str, list[str]] = {name: [] for name, _, _ in found}
        for name, recorded, trace in found:
            if isinstance(trace, Long):
                problems[name].append(f"Too long to be replayed: {trace.schedule}, {trace.why}.")
            elif (refusal := refusals[id(trace)]) is not None:
                problems[name].append(self._problem(name, recorded, trace, refusal))
        for name, said in problems.items():
            storage._report(session, name, "\n\n".join(said), item="schedules")
        self._said = (
            f"{len(problems)} tests, {sum(len(trace.events) for trace in fit)} events, "
            f"{len(fit)} traces, {sum(map(bool, problems.values()))} tests rejected, "
            f"in {time.monotonic() - started_s:.1f} s"
        )

    def _problem(
        self, name: str, recorded: Sequence[Recorded], trace: CronTrace, refusal: Refusal
    ) -> str:
        folder = self._config.cache.mkdir("rejected")
        file = folder / f"{name.replace('/', '.').replace('::', '.')[:150]}.schedules.ndjson"
        write_ndjson(file, recorded)
        place = min(refusal.event, len(trace.lines)) - 1
        line = trace.lines[place]
        return (
            f"The specification rejects event {line + 1} (schedule {trace.schedule}):\n"
            f"  {json.dumps(recorded[line].event)}\nas {trace.events[place]}\n"
            f"why:   {refusal.why}\nthe whole recording: {file}"
        )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was replayed."""
        terminalreporter.line(f"replayed schedules: {self._said}")


def pytest_configure(config: pytest.Config) -> None:
    """Replay what is recorded."""
    if config.getoption("--replay-traces"):
        config.pluginmanager.register(CronReplayPlugin(config), "awa-replay-schedules")
