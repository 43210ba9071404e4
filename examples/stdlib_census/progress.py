"""How far the census is: a live bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import awa

LINE_INTERVAL_S: Final = 1.0

Show = Callable[[awa.QueueStats], None]
"""Show where the jobs are."""


@contextmanager
def progress(console: Console, total: int) -> Iterator[Show]:
    """Show the progress of the block: `show(counts)` as often as you like."""
    if not console.is_terminal:
        yield _lines(console, total)
        return
    columns = (
        TextColumn("counting files"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[others]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total, others="")

        def show(counts: awa.QueueStats) -> None:
            bar.update(task, completed=counts.completed, others=_others(counts))

        yield show


def _others(counts: awa.QueueStats) -> str:
    return f"{counts.running} running, {counts.deferred} waiting for their time"


def _lines(console: Console, total: int) -> Show:
    """One line a second while something changes, and one for the end."""
    last_s = -LINE_INTERVAL_S
    last = ""

    def show(counts: awa.QueueStats) -> None:
        nonlocal last_s, last
        now_s = time.monotonic()
        line = f"  {counts.completed} of {total} files counted, {_others(counts)}"
        due = now_s - last_s >= LINE_INTERVAL_S or counts.completed == total
        if due and line != last:
            last_s, last = now_s, line
            console.print(line, highlight=False)

    return show
