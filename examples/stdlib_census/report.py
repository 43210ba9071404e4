"""The findings as people read them."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from examples.stdlib_census.findings import Findings

_SHOWN_MAX = 5


def show(findings: Findings, console: Console) -> None:
    """Print the report and the verdict."""
    table = Table(box=SIMPLE_HEAD, show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("how many", justify="right", no_wrap=True)
    for section in (_results(findings), _troubles(findings), _costs(findings)):
        for what, how_many in section:
            table.add_row(what, how_many)
        table.add_section()
    console.print(table)
    for letter in findings.letters[:_SHOWN_MAX]:
        console.print(f"  dead letter: {letter}", highlight=False, soft_wrap=True)
    for trouble in (*findings.mismatches[:_SHOWN_MAX], *findings.violations[:_SHOWN_MAX]):
        console.print(f"  {trouble}", style="red", highlight=False, soft_wrap=True)
    problems = findings.problems()
    for problem in problems:
        console.print(f"wrong: {problem}", style="red", highlight=False)
    if not problems:
        console.print("[green]every file was counted, and every result is right[/]")


def _results(findings: Findings) -> list[tuple[str, str]]:
    right = findings.files - len(findings.mismatches)
    return [
        ("files, a job each", f"{findings.files:,}"),
        ("lines in all", f"{findings.lines:,}"),
        ("results equal to a direct computation", f"{right:,}"),
        ("files not counted", f"{findings.lost:,}"),
        ("jobs completed more than once", f"{findings.duplicates:,}"),
        ("broken properties in awa.check()", f"{len(findings.violations)}"),
    ]


def _troubles(findings: Findings) -> list[tuple[str, str]]:
    attempts, rescues = findings.attempts, findings.rescues
    return [
        ("attempts in all", f"{attempts.made:,}"),
        ("of them given back before they began", f"{attempts.given_back:,}"),
        ("jobs that failed once and were retried", f"{attempts.retried:,}"),
        ("jobs in the hands of the killed worker", f"{attempts.lost:,}"),
        ("rescued: they ran again", f"{rescues.jobs:,}"),
        ("after the kill, first and last", f"{rescues.first_s:.1f} s, {rescues.last_s:.1f} s"),
        ("the scheduled job's lateness", f"{findings.late_ms:,.0f} ms"),
        ("dead letters, on purpose", f"{len(findings.letters):,}"),
    ]


def _costs(findings: Findings) -> list[tuple[str, str]]:
    jobs = max(findings.files, 1)
    return [
        ("jobs/s, first claim to the kill", f"{findings.jobs_per_s:,.0f}"),
        ("WAL bytes per job, enqueue and result included", f"{findings.wal_bytes / jobs:,.0f}"),
        ("rows updated or deleted, for all jobs", f"{findings.changed_rows:,}"),
    ]
