"""How far the census is: a live bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LINE_INTERVAL_S: Final = 1.0
LOOK_S_MIN: Final = 1e-3

Show = Callable[[int], None]
"""Show that so many jobs are completed."""


@contextmanager
def progress(console: Console, total: int) -> Iterator[Show]:
    """Show the progress of the block: `show(completed)` as often as you like."""
    if not console.is_terminal:
        yield _lines(console, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("counting files", total=total, rate="")
        first = (0.0, 0)

        def show(completed: int) -> None:
            nonlocal first
            now_s = time.monotonic()
            if first[1] == 0:
                # The workers' own start is not the queue's speed.
                first = (now_s, completed)
            rate = (completed - first[1]) / max(now_s - first[0], LOOK_S_MIN)
            bar.update(task, completed=completed, rate=f"{rate:,.0f} jobs/s")

        yield show


def _lines(console: Console, total: int) -> Show:
    """One line a second, and one for the end."""
    last_s = -LINE_INTERVAL_S
    last = -1

    def show(completed: int) -> None:
        nonlocal last_s, last
        now_s = time.monotonic()
        due = now_s - last_s >= LINE_INTERVAL_S or completed == total
        if due and completed != last:
            last_s, last = now_s, completed
            console.print(f"  {completed} of {total} files counted", highlight=False)

    return show
