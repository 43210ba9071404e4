"""`pytest --replay-traces`: what workers told of themselves is replayed through Runtime as well.

The tests below `tests/runtime` have their workers watched, those in processes of their own too.
What they told is joined with the recording of the test's database, and each such test gets one more
item, `<test>::workers`, which fails when its trace is rejected.
"""

import json
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from awa._runtime.events import WorkerEvent
from correctness.tlc import available
from correctness.traces import Recorded
from correctness.verdicts import Refusal
from correctness.worker_replay import replay_workers, too_long
from correctness.worker_traces import WorkerTrace, as_line, join, write_recording
from tests.replay_plugin import ReplayPlugin

NAME: Final = "awa-replay-workers"
_KEEP: Final = "--keep-worker-traces"
FOLDER: Final = "AWA_TEST_WORKER_EVENTS"
"""Where workers in processes of their own write what they tell, a file each."""


@dataclass(slots=True)
class Watching:
    """What the workers of one test told; `folder` holds what those in other processes did."""

    folder: Path
    told: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, event: WorkerEvent) -> None:
        """Note an event of a worker in this process."""
        self.told.append(json.loads(json.dumps(as_line(event))))

    def all(self) -> list[dict[str, Any]]:
        """Return what all workers told. A process that was killed may have left half a line."""
        texts = (file.read_text() for file in sorted(self.folder.glob("*")))
        lines = (line for text in texts for line in text.splitlines(keepends=True))
        return [*self.told, *(json.loads(line) for line in lines if line.endswith("\n"))]


class WorkerReplayPlugin:
    """Registered only when traces are to be replayed."""

    def __init__(self, config: pytest.Config) -> None:
        self._config: Final = config
        self._watched: Final[dict[str, Watching]] = {}
        self._kept: Final[Path | None] = config.getoption(_KEEP)
        self._said = "nothing was told"

    def watch(self, name: str, folder: Path) -> Watching:
        """Watch the workers of the test of this name."""
        self._watched[name] = Watching(folder)
        return self._watched[name]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """After the last test: replay, and report one item for each watched test."""
        outcome = yield
        storage = session.config.pluginmanager.get_plugin("awa-replay")
        if self._watched and isinstance(storage, ReplayPlugin):
            self._replay_all(session, storage)
        return outcome

    def _replay_all(self, session: pytest.Session, storage: ReplayPlugin) -> None:
        if not available():
            self._said = "none: there is no TLC here, and the Python twin knows no workers"
            return
        started_s = time.monotonic()
        joined = self._joined(storage)
        fit = [name for name, trace in joined.items() if not too_long(trace)]
        refusals = replay_workers([joined[name] for name in fit])
        for name, refusal in zip(fit, refusals, strict=True):
            problem = "" if refusal is None else self._problem(name, joined[name], refusal)
            storage._report(session, name, problem, item="workers")
        events = sum(len(joined[name].events) for name in fit)
        self._said = (
            f"{len(fit)} tests, {events} events, {len(fit)} traces, "
            f"{sum(refusal is not None for refusal in refusals)} rejected, "
            f"{len(joined) - len(fit)} too long, in {time.monotonic() - started_s:.1f} s"
        )

    def _joined(self, storage: ReplayPlugin) -> dict[str, WorkerTrace]:
        joined = {}
        for name, watching in self._watched.items():
            told = watching.all()
            test = storage._tests.get(name)
            # One story in one database: what runs on another cluster is not recorded.
            if test is not None and len(test.recorded) == 1 and _met(test.recorded[0], told):
                joined[name] = join(test.recorded[0], told)
                self._keep(name, test.recorded[0], told)
        return joined

    def _keep(self, name: str, recorded: list[Recorded], told: list[dict[str, Any]]) -> None:
        if self._kept is not None:
            self._kept.mkdir(parents=True, exist_ok=True)
            write_recording(self._kept / f"{name.rpartition('::')[2]}.ndjson", recorded, told)

    def _problem(self, name: str, trace: WorkerTrace, refusal: Refusal) -> str:
        folder = self._config.cache.mkdir("rejected")
        file = folder / f"{name.replace('/', '.').replace('::', '.')[:150]}.workers.ndjson"
        file.write_text("".join(json.dumps(dict(event)) + "\n" for event in trace.said))
        place = min(refusal.event, len(trace.said)) - 1
        return (
            f"The specification rejects event {place + 1}:\n  {json.dumps(dict(trace.said[place]))}"
            f"\nwhy:   {refusal.why}\nthe joined trace: {file}"
        )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was replayed."""
        terminalreporter.line(f"replayed workers: {self._said}")


def _met(recorded: list[Recorded], told: list[dict[str, Any]]) -> bool:
    """Whether the database of the recording knew any of these workers."""
    known = {one.event["worker"] for one in recorded if one.event["a"] == "worker_start"}
    return any(event["worker"] in known for event in told)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer to keep what was told: this is how `traces/workers` is recorded."""
    parser.addoption(_KEEP, type=Path, help="a folder for the recordings of watched tests")


def pytest_configure(config: pytest.Config) -> None:
    """Watch from the first test on."""
    if config.getoption("--replay-traces"):
        config.pluginmanager.register(WorkerReplayPlugin(config), NAME)
