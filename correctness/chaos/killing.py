"""Repeated kill -9 of workers, with Awa's defaults."""

from functools import partial
from typing import Final

import trio

from correctness.chaos.jobs import Mix
from correctness.chaos.processes import WorkerProcess
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage

WORKERS: Final = 3
SETTLED_S: Final = 16.0
"""A new leader has to have looked on for so long before it judges by a lock alone."""


async def kill_workers(stage: Stage) -> None:
    """Kill one of three workers again and again, the leader included; another takes its place."""
    for _ in range(WORKERS):
        await stage.start_worker()
    stage.start_producers(2, rate=10.0, mix=Mix(slow=20.0))
    await trio.sleep(SETTLED_S)
    over_s = trio.current_time() + stage.minutes * 60
    while trio.current_time() < over_s:
        victim = stage.dice.choice(stage.living())
        await stage.until(partial(holds_a_job, stage, victim), "a job of the victim")
        at_s = victim.kill()
        stage.fault("kill -9 of a worker", victim.name)
        await stage.rerun(stage.look().open_in(victim.name), at_s)
        await stage.start_worker()
        await trio.sleep(stage.dice.uniform(0.0, 4.0))


def holds_a_job(stage: Stage, worker: WorkerProcess) -> bool:
    """Whether a handler of this worker runs."""
    return bool(stage.look().open_in(worker.name))


SCENARIOS: Final = (
    Scenario(
        name="kill-workers",
        does="kill -9 of a worker, again and again",
        run=kill_workers,
    ),
)
