"""What a scenario showed: numbers, and what was wrong."""

from dataclasses import dataclass
from statistics import median
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of one scenario."""

    scenario: str
    faults: dict[str, int]
    """How many of each kind were injected."""
    jobs: int
    """Committed, as their producers were told."""
    doubted: int
    """Jobs whose producers were not answered; `doubted_kept` of them were there."""
    doubted_kept: int
    lost: int
    """Committed jobs without an end."""
    ended_twice: int
    duplicates: int
    """Effects beyond the first of each job."""
    given_up: int
    """Jobs that ended because workers died of them too often."""
    recoveries_s: tuple[float, ...]
    seconds: float
    figures: dict[str, float]
    """Whatever else was measured."""
    problems: tuple[str, ...]
    """What was wrong; each line is a failure."""

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return not self.problems

    @property
    def faults_injected(self) -> int:
        """How many faults there were in all."""
        return sum(self.faults.values())


HEAD: Final = (
    "scenario",
    "faults",
    "jobs",
    "lost",
    "twice",
    "duplicates",
    "recovery s",
    "took s",
    "",
)


def table(reports: list[Report]) -> str:
    """Return the reports as a table; recoveries are median / worst."""
    rows = [HEAD, *(_row(report) for report in reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(_cell(row, k, width) for k, width in enumerate(widths)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _row(report: Report) -> tuple[str, ...]:
    return (
        report.scenario,
        str(report.faults_injected),
        str(report.jobs),
        str(report.lost),
        str(report.ended_twice),
        str(report.duplicates),
        recovery(report),
        f"{report.seconds:.0f}",
        "ok" if report.ok else "FAILED",
    )


def _cell(row: tuple[str, ...], column: int, width: int) -> str:
    return row[column].ljust(width) if column == 0 else row[column].rjust(width)


def recovery(report: Report) -> str:
    """Return the median and the worst of the recoveries."""
    times = report.recoveries_s
    return f"{median(times):.1f} / {max(times):.1f}" if times else "-"


def details(report: Report) -> str:
    """Return what the table has no room for."""
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(report.faults.items()))
    figures = ", ".join(f"{name} {value:g}" for name, value in sorted(report.figures.items()))
    lines = [
        f"  faults: {faults or 'none'}",
        f"  in doubt: {report.doubted}, of which {report.doubted_kept} were stored",
        f"  given up after too many losses: {report.given_up}",
        f"  {figures}",
        *(f"  PROBLEM: {problem}" for problem in report.problems),
    ]
    return "\n".join(lines)
