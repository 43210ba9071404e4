"""Look for programs that break something, shorten what was found, and keep it.

Hypothesis draws the programs. It does not shorten them: that would take it hundreds of runs, and a
run takes seconds. Steps are left out instead, half of them at a time, then fewer, until a budget of
time is used up. What was played is not played again when Hypothesis wants to see a failure twice:
processes may do otherwise the next time.
"""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from correctness.cron_replay import replay_schedules
from correctness.cron_traces import CronTrace, cut_schedules
from correctness.mutants.mutant import Mutant
from correctness.processes.forked import ROOT
from correctness.processes.ground import Ground, ground
from correctness.processes.judging import Verdict, judged, worker_trace
from correctness.processes.programs import programs
from correctness.processes.steps import Program, read, written
from correctness.tlc import available
from correctness.traces import write_ndjson
from correctness.worker_replay import replay_workers
from correctness.worker_replay import too_long as too_long_to_judge
from correctness.worker_traces import write_recording

KEPT: Final = ROOT / "traces" / "processes"
ROUND: Final = 10
"""Programs of one seed; later ones resemble each other."""
SHORTENING_S: Final = 240.0


class Found(Exception):
    """A program breaks something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be played."""

    programs: int
    """Of one seed."""
    until_s: float = float("inf")
    """By the monotonic clock: then no other program is begun."""
    shorten_s: float = SHORTENING_S
    seed: int | None = None
    """None: always the same programs."""
    keep_below: Path = KEPT
    schedules: bool = False
    """Whether Cron judges them: a run of TLC more."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What was played, and what was found."""

    played: list[Verdict] = field(default_factory=list)
    failed: Verdict | None = None
    """The shortest program that broke something."""
    kept: list[Path] = field(default_factory=list)
    workers_judged: int = 0
    schedules_judged: int = 0

    def line(self) -> str:
        """What happened in it, in one line."""
        total: Counter[str] = Counter()
        for verdict in self.played:
            total.update(verdict.counts)
        happened = ", ".join(f"{count} {what}" for what, count in total.items())
        too_long = sum(verdict.too_long for verdict in self.played)
        seconds_s = sum(verdict.seconds_s for verdict in self.played)
        return (
            f"{len(self.played)} programs in {seconds_s:.0f} s: {happened};"
            f" {too_long} traces too long, {self.workers_judged} workers' traces"
            f" and {self.schedules_judged} schedules judged"
        )


class _Playing:
    """Plays on one ground, and remembers what came of it."""

    def __init__(self, where: Ground, budget: Budget, tell: Callable[[str], None]) -> None:
        self._where: Final = where
        self._budget: Final = budget
        self._tell: Final = tell
        self._broken: Final[set[Program]] = set()
        self.report: Final = Report()

    def draw(self, program: Program) -> None:
        """Raise Found when the program breaks something."""
        if program in self._broken:
            raise Found
        if time.monotonic() < self._budget.until_s and self._breaks(program):
            raise Found

    def shorten(self) -> None:
        """Leave out of the program that broke something what it can do without."""
        until_s = time.monotonic() + self._budget.shorten_s
        assert self.report.failed is not None
        program = self.report.failed.program
        size = len(program) // 2
        while size and time.monotonic() < until_s:
            place, before = 0, program
            while place < len(program) and time.monotonic() < until_s:
                shorter = program[:place] + program[place + size :]
                if shorter and self._breaks(shorter):
                    program = shorter
                else:
                    place += size
            # With steps gone, others may have become needless.
            size = min(size, len(program)) if size == 1 and program != before else size // 2

    def _breaks(self, program: Program) -> bool:
        verdict = judged(program, self._where)
        self.report.played.append(verdict)
        self._tell(told(verdict))
        if not verdict.problems:
            return False
        self._broken.add(program)
        self.report.failed = verdict
        return True


def search(where: Ground, budget: Budget, *, tell: Callable[[str], None] = print) -> Report:
    """Play programs of one seed until one breaks something; then shorten it and keep it."""
    if where.faketime is None:
        tell("NO CLOCK JUMPS: libfaketime is not installed (apt-get install faketime)")
    playing = _Playing(where, budget, tell)

    @settings(
        max_examples=budget.programs,
        phases=(Phase.generate,),
        derandomize=budget.seed is None,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def play(drawn: Program) -> None:
        playing.draw(drawn)

    if budget.seed is not None:
        play = seed(budget.seed)(play)
    try:
        play()
    except Found:
        playing.shorten()
        assert playing.report.failed is not None
        playing.report.kept.append(keep(playing.report.failed, budget.keep_below))
    _judge_workers(playing.report, budget, tell)
    if budget.schedules:
        _judge_schedules(playing.report, budget, tell)
    return playing.report


def _judge_workers(report: Report, budget: Budget, tell: Callable[[str], None]) -> None:
    """Replay what the workers told, all programs in few runs of TLC."""
    if not available():
        return
    fit = [
        (verdict, trace)
        for verdict in report.played
        if not verdict.problems and not too_long_to_judge(trace := worker_trace(verdict))
    ]
    refusals = replay_workers([trace for _, trace in fit])
    report.workers_judged = len(fit)
    for (verdict, trace), refusal in zip(fit, refusals, strict=True):
        if refusal is not None:
            said = json.dumps(dict(trace.said[min(refusal.event, len(trace.said)) - 1]))
            problem = f"Runtime rejects event {refusal.event}, {said}: {refusal.why}"
            _blame(verdict, problem, report, budget, tell)


def _judge_schedules(report: Report, budget: Budget, tell: Callable[[str], None]) -> None:
    """Replay what became of the schedules, likewise."""
    if not available():
        return
    fit = [
        (verdict, trace)
        for verdict in report.played
        if not verdict.problems
        for trace in cut_schedules(verdict.recorded)
        if isinstance(trace, CronTrace)
    ]
    report.schedules_judged = len(fit)
    for (verdict, trace), refusal in zip(
        fit, replay_schedules([trace for _, trace in fit]), strict=True
    ):
        if refusal is not None:
            name = trace.schedule[1]
            problem = f"Cron rejects event {refusal.event} of schedule {name}: {refusal.why}"
            _blame(verdict, problem, report, budget, tell)


def _blame(
    verdict: Verdict, problem: str, report: Report, budget: Budget, tell: Callable[[str], None]
) -> None:
    verdict.problems = (problem,)
    tell(told(verdict))
    report.failed = report.failed or verdict
    report.kept.append(keep(verdict, budget.keep_below))


def told(verdict: Verdict) -> str:
    """One line of a program that held, and all of one that did not."""
    counts = ", ".join(f"{count} {what}" for what, count in verdict.counts.items())
    head = f"{len(verdict.program)} steps, {verdict.seconds_s:.1f} s: {counts}"
    if not verdict.problems:
        return f"held    {head}"
    steps = "\n".join(f"    {step}" for step in verdict.program)
    problems = "\n".join(f"  {problem}" for problem in verdict.problems)
    return f"BROKEN  {head}\n{steps}\n{problems}"


def keep(verdict: Verdict, below: Path) -> Path:
    """Write a program, its traces and the logs of its workers into a folder of its own."""
    folder = below / time.strftime("%Y%m%d_%H%M%S", time.gmtime())
    while folder.exists():
        folder = folder.with_name(folder.name + "b")
    folder.mkdir(parents=True)
    lines = ",\n".join(json.dumps(line) for line in written(verdict.program))
    (folder / "program.json").write_text(f"[\n{lines}\n]\n")
    (folder / "problems.txt").write_text("\n".join(verdict.problems) + "\n")
    write_ndjson(folder / "store.ndjson", verdict.recorded)
    write_recording(folder / "workers.ndjson", verdict.recorded, verdict.told)
    for name, log in verdict.logs.items():
        (folder / f"{name}.log").write_text(log)
    return folder


def read_program(path: Path) -> Program:
    """Read a program that was kept; a folder stands for the file in it."""
    file = path / "program.json" if path.is_dir() else path
    return read(json.loads(file.read_text()))


def place_for(mutant: Mutant | None) -> Path:
    """Where programs are kept: what a mutant does wrong is nothing to be mended."""
    return KEPT if mutant is None else Path(tempfile.gettempdir()) / f"awa-{mutant.name}"


def rounds(until_s: float, first: int, mutant: Mutant | None) -> Iterator[Budget]:
    """Budgets with new seeds, until the time is over."""
    number = first
    while time.monotonic() < until_s:
        yield Budget(
            programs=ROUND,
            until_s=until_s,
            # What a mutant does wrong is known.
            shorten_s=SHORTENING_S if mutant is None else SHORTENING_S / 4,
            seed=number,
            keep_below=place_for(mutant),
            schedules=True,
        )
        number += 1


def hunt(
    minutes: float, *, first_seed: int | None = None, mutant: Mutant | None = None
) -> list[Path]:
    """Play other programs for so long; answer the folders of those that broke something.

    The first of each round of programs is shortened, which may take some minutes more.
    """
    until_s = time.monotonic() + 60 * minutes
    found: list[Path] = []
    with ground(mutant) as where:
        first = int(time.time()) if first_seed is None else first_seed
        for budget in rounds(until_s, first, mutant):
            print(f"seed {budget.seed}", flush=True)
            report = search(where, budget, tell=lambda line: print(line, flush=True))
            print(report.line(), flush=True)
            found += report.kept
            if mutant is not None and found:
                break
    return found
