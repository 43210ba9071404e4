"""The report: one JSON object, or a table for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from awa._bench.figures import FIGURES, Samples

if TYPE_CHECKING:
    from rich.console import Console

_SIGNIFICANT_BELOW: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything one run of the benchmark found."""

    jobs: int
    repeat: int
    server: str
    samples: Samples
    settings: dict[str, str]
    versions: dict[str, str]
    machine: dict[str, str | int]
    calibration_ms: tuple[float, ...]
    """A fixed loop before each repetition: an idle machine gives the same number each time."""

    def to_json(self) -> str:
        """One object, keys in the order of the report."""
        measured = [figure for figure in FIGURES if figure.name in self.samples.values]
        document = {
            "figures": {name: round(v, 6) for name, v in self.samples.medians().items()},
            "units": {figure.name: figure.unit for figure in measured},
            "samples": {
                f.name: [round(v, 6) for v in self.samples.values[f.name]] for f in measured
            },
            "jobs": self.jobs,
            "repeat": self.repeat,
            "server": self.server,
            "settings": self.settings,
            "versions": self.versions,
            "machine": self.machine,
            "calibration_ms": [round(ms, 2) for ms in self.calibration_ms],
        }
        return json.dumps(document, indent=2)


def show(report: Report, console: Console) -> None:
    """Print the report for people."""
    console.print(_table(report))
    for line in _targets(report.samples.medians()):
        console.print(line, highlight=False)
    console.print(_circumstances(report), highlight=False)


def _table(report: Report) -> Table:
    medians = report.samples.medians()
    many = report.repeat > 1
    title = f"{report.jobs:,} jobs, {report.server}"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0))
    table.add_column("figure", no_wrap=True)
    table.add_column("median" if many else "value", justify="right", no_wrap=True)
    if many:
        table.add_column("range", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for figure in FIGURES:
        if figure.name in medians:
            values = report.samples.values[figure.name]
            spread = [f"{number(min(values))}..{number(max(values))}"] if many else []
            table.add_row(figure.name, number(medians[figure.name]), *spread, figure.unit)
    return table


def _targets(medians: dict[str, float]) -> list[str]:
    """What we want of each figure that has a bound, and whether it was so."""
    lines: list[str] = []
    for figure in FIGURES:
        target = figure.target
        if target is not None and figure.name in medians:
            value = medians[figure.name]
            word = "[green]reached[/]" if target.is_reached(value) else "[yellow]missed[/]"
            bound = f"{'at least' if target.at_least else 'at most'} {number(target.bound)}"
            lines.append(f"{word}: {figure.name} {number(value)}, wanted {bound}")
    return lines


def number(value: float) -> str:
    """A figure as people read it: three significant digits for small ones, separators for big."""
    if value == 0 or abs(value) >= _SIGNIFICANT_BELOW:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _circumstances(report: Report) -> str:
    calibration = " ".join(f"{ms:.0f}" for ms in report.calibration_ms)
    settings = " ".join(f"{name}={value}" for name, value in report.settings.items())
    versions = " ".join(f"{name} {value}" for name, value in report.versions.items())
    machine = " ".join(f"{name} {value}" for name, value in report.machine.items())
    return f"{machine}; calibration loop {calibration} ms\n{versions}\n{settings}"
