"""`awa bench`: throughput and cost per job."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from awa._bench.figures import chosen_measurements
from awa._bench.jobs import JOBS_DEFAULT
from awa._bench.report import show
from awa._bench.running import run_bench
from awa._bench.server import bench_server
from awa.cli.place import json_option

if TYPE_CHECKING:
    from types import FrameType


@click.command()
@json_option
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Only what gives this figure, or group of figures (drain); may be repeated.",
)
@click.option(
    "--url",
    help="Measure this server, in databases made for it. Default: a throw-away cluster.",
)
@click.option(
    "--pg-bin",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The directory of PostgreSQL's programs for the throw-away cluster.",
)
@click.option("--jobs", type=click.IntRange(1), default=JOBS_DEFAULT, show_default=True)
@click.option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True, help="Report medians."
)
def bench(
    *,
    as_json: bool,
    only: tuple[str, ...],
    url: str | None,
    pg_bin: Path | None,
    jobs: int,
    repeat: int,
) -> None:
    """Measure throughput and cost per job.

    Without --url a throw-away PostgreSQL is started, with durable settings, and removed
    afterwards. DATABASE_URL is not looked at: a benchmark is no guest for a server in use.
    Ends with an error when a job is lost, left or run twice.
    """
    measurements = chosen_measurements(only)
    for wish in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(wish, _interrupt)
    notes = Console(stderr=True)
    with bench_server(url, bindir=pg_bin) as server:
        notes.print(f"measuring on {server.what}", highlight=False)
        report = run_bench(
            server,
            measurements=measurements,
            jobs=jobs,
            repeat=repeat,
            progress=lambda what: notes.print(f"  {what}", highlight=False),
        )
    if as_json:
        click.echo(report.to_json())
    else:
        show(report, Console())


def _interrupt(_signal: int, frame: FrameType | None) -> None:
    """Leave as after Ctrl-C: the workers and the databases of the run go first."""
    # While trio runs this handler is trio's, and raises where trio can bear it.
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    if callable(on_ctrl_c):
        on_ctrl_c(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt
