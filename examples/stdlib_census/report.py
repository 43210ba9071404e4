"""The findings as people read them."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from examples.stdlib_census.findings import Findings

_SHOWN_MAX = 5


def show(findings: Findings, console: Console, *, workers: int) -> None:
    """Print the report and the verdict."""
    table = Table(box=SIMPLE_HEAD, show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("how many", justify="right", no_wrap=True)
    for what, how_many in _lines(findings, workers):
        table.add_row(what, how_many)
    console.print(table)
    for problem in (*findings.mismatches[:_SHOWN_MAX], *findings.violations[:_SHOWN_MAX]):
        console.print(f"  {problem}", style="red", highlight=False, soft_wrap=True)
    if findings.is_good():
        console.print("[green]every file was counted once, and every result is right[/]")
    else:
        console.print("[red]the census is wrong, see above[/]")


def _lines(findings: Findings, workers: int) -> list[tuple[str, str]]:
    jobs = max(findings.files, 1)
    rate = findings.completed / findings.took_s if findings.took_s else 0.0
    right = findings.files - len(findings.mismatches)
    return [
        ("files, a job each", f"{findings.files:,}"),
        ("worker processes", f"{workers}"),
        ("lines in all", f"{findings.lines:,}"),
        ("results equal to a direct computation", f"{right:,}"),
        ("lost", f"{findings.lost:,}"),
        ("run to the end more than once", f"{findings.duplicates:,}"),
        ("jobs/s, first claim to last completion", f"{rate:,.0f}"),
        ("WAL bytes per job, enqueue and result included", f"{findings.wal_bytes / jobs:,.0f}"),
        ("rows updated or deleted, for all jobs", f"{findings.changed_rows:,}"),
        ("broken properties in awa.check()", f"{len(findings.violations)}"),
    ]
