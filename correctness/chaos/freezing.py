"""SIGSTOP: a worker that is presumed dead, and comes back in the middle of what it ran."""

from typing import Final

import trio

from correctness.chaos.jobs import Mix
from correctness.chaos.killing import holds_a_job
from correctness.chaos.processes import WorkerProcess
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage
from correctness.chaos.ticking import begin_ticking

MIX: Final = Mix(slow=12.0, owning=8.0, noting=4.0, slow_s=(2.0, 8.0))
"""Long enough that the frozen worker and the next one run a job at the same time."""
LOSSES: Final = "select count(*) from chaos.losses"
ROW: Final = "select count(*) from awa.workers where info->>'name' = %s"


async def freeze(stage: Stage) -> None:
    """Freeze a worker until its jobs run elsewhere, and let it go on: its outcomes come too late.

    The leader is frozen every other time. Its row was removed meanwhile, and it starts anew.
    """
    await stage.start_workers(3)
    stage.start_producers(2, rate=2.0, mix=MIX)
    await begin_ticking(stage)
    await stage.probe()
    over_s = trio.current_time() + stage.minutes * 60
    leaders_turn = True
    while trio.current_time() < over_s:
        leader = stage.leader()
        others = [each for each in stage.living() if each is not leader]
        victim = leader if leaders_turn and leader is not None else stage.dice.choice(others)
        leaders_turn = not leaders_turn
        await freeze_one(stage, victim)
    stage.must_bite("attempts called lost", stage.query(LOSSES)[0][0])


async def freeze_one(stage: Stage, victim: WorkerProcess) -> None:
    """Freeze this one for as long as it takes."""
    await stage.until(lambda: holds_a_job(stage, victim), "a job of the victim")
    victim.freeze()
    at_s = stage.fault("SIGSTOP until presumed dead, then SIGCONT", victim.name)
    open_jobs = stage.running_in(victim.name)
    await stage.rerun(open_jobs, at_s)
    await stage.until(lambda: stage.query(ROW, [victim.name]) == [(0,)], "its presumed death")
    victim.thaw()
    await stage.until(lambda: stage.query(ROW, [victim.name]) == [(1,)], "its new start")
    both = sum(len(stage.effects.done.get(n, ())) > 1 for n in open_jobs)
    stage.figures["jobs done by both"] = stage.figures.get("jobs done by both", 0) + both


SCENARIOS: Final = (
    Scenario(
        name="freeze",
        does="SIGSTOP of a worker until it is presumed dead, then SIGCONT: outcomes come too late",
        run=freeze,
        minutes=0.4,
    ),
)
