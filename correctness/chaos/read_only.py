"""A server that takes no writes for a while, as in a failover or before its disk is full."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from correctness.chaos.jobs import Mix
from correctness.chaos.preparing import open_session
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage
from correctness.chaos.ticking import begin_ticking

SHORT_S: Final = 2.0
REFUSED: Final = "in a read-only transaction"
LONG_S: Final = 20.0
"""Longer than it takes to presume a silent worker dead."""


async def refuse_writes(stage: Stage) -> None:
    """Have the server take no writes, for a moment and for long; nobody dies of it."""
    for _ in range(2):
        await stage.start_worker()
    stage.start_producers(2, rate=20.0, mix=Mix(slow=12.0, owning=8.0, noting=4.0))
    await begin_ticking(stage)
    await stage.probe()
    over_s = trio.current_time() + stage.minutes * 60
    while trio.current_time() < over_s:
        for lasts_s in (SHORT_S, LONG_S):
            await trio.sleep(stage.dice.uniform(1.0, 4.0))
            async with read_only(stage):
                stage.fault("server read-only", f"{lasts_s:g} s")
                await trio.sleep(lasts_s)
            await stage.probe()
    log = stage.cluster.log.read_text()
    stage.must_bite("writes refused", log.count(REFUSED))
    lost = [each.name for each in stage.workers if "was presumed dead" in each.log()]
    if lost:
        stage.problems.append(f"presumed dead while nobody could beat: {', '.join(lost)}")


@asynccontextmanager
async def read_only(stage: Stage) -> AsyncIterator[None]:
    """Let new transactions only read, by default."""
    with open_session(stage.admin) as session:
        session.execute("alter system set default_transaction_read_only = on")
        session.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            session.execute("alter system reset default_transaction_read_only")
            session.execute("select pg_reload_conf()")


SCENARIOS: Final = (
    Scenario(
        name="read-only",
        does="a server that takes no writes for 2 s and for 20 s, again and again",
        run=refuse_writes,
        minutes=0.3,
    ),
)
