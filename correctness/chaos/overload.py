"""Overload: jobs come far faster than they are handled, and then they do not."""

from typing import Final

import trio

import awa
from correctness.chaos.jobs import QUICK, Errand, Wish
from correctness.chaos.producing import book
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage

BURST_JOBS: Final = 1000
HANDLERS: Final = 4
LAST_S: Final = 0.005
"""Of a handler: with two workers, some hundreds of jobs a second can be handled."""
BACKLOG_MAX: Final = 12_000
BACKLOG_MIN: Final = 2000
"""Some seconds' work at least must have been waiting."""
DRAIN_S_MAX: Final = 600.0
SLOWER_S_MAX: Final = 10.0
"""A job after the overload may take so much longer than one before it."""


async def overload(stage: Stage) -> None:
    """Fill the queue until it holds a minute's work and more; then let it be worked off."""
    for _ in range(2):
        await stage.start_worker(handlers=HANDLERS)
    before_s = await stage.probe(priority=None)
    at_s = stage.fault("overload")
    over_s = trio.current_time() + stage.minutes * 60
    made = 0
    async with awa.AsyncClient(stage.conninfo) as client:
        while trio.current_time() < over_s and made < BACKLOG_MAX:
            made += await burst(stage, client)
    stage.figures["jobs enqueued a second"] = round(made / stage.seconds_since(at_s))
    await full_again(stage)
    stage.figures["s until drained"] = round(stage.seconds_since(at_s))
    after_s = await stage.probe(priority=None)
    if after_s > before_s + SLOWER_S_MAX:
        stage.problems.append(f"a job took {before_s:.1f} s before it and {after_s:.1f} s after it")


async def burst(stage: Stage, client: awa.AsyncClient) -> int:
    """Make many jobs in one transaction; return how many."""
    errands = [Errand(n=stage.books.next_number(), last_s=LAST_S) for _ in range(BURST_JOBS)]
    wishes = [stage.books.wish(Wish(kind=QUICK, errand=errand)) for errand in errands]
    return BURST_JOBS if await book(stage.books, client, wishes) else 0


async def full_again(stage: Stage) -> None:
    """Wait until all that was enqueued has ended, and note how far behind it was at worst."""
    behind = 0

    def drained() -> bool:
        nonlocal behind
        ended = stage.query("select count(*) from chaos.ends")[0][0]
        behind = max(behind, len(stage.books.committed) - ended)
        return bool(ended >= len(stage.books.committed))

    await stage.until(drained, "the end of the backlog", limit_s=DRAIN_S_MAX, interval_s=0.5)
    stage.must_bite("backlog", behind, BACKLOG_MIN)


SCENARIOS: Final = (
    Scenario(
        name="overload",
        does="jobs come many times faster than they are handled, then the queue drains",
        run=overload,
        minutes=0.25,
        drain_s=600.0,
    ),
)
