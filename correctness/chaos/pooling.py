"""PgBouncer in transaction mode between all and the server; it is killed, and so are workers."""

from functools import partial
from typing import Final

import trio
from psycopg.rows import dict_row

from correctness.bouncer import Bouncer, program
from correctness.chaos.holding import keep_open
from correctness.chaos.jobs import Mix
from correctness.chaos.killing import holds_a_job
from correctness.chaos.preparing import DATABASE, open_session
from correctness.chaos.processes import WorkerProcess
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage
from correctness.chaos.ticking import begin_ticking

DOWN_S: Final = 2.0
POOL: Final = "4"
"""Fewer than those who want one: four workers with two handlers in transactions, and producers."""
PRODUCERS: Final = 4
MIX: Final = Mix(slow=20.0, owning=4.0, noting=5.0)
"""A handler's own transaction keeps a session of the pool for as long as it is open."""
OWNED: Final = "own transactions"
WAITED: Final = "s waited for the pooler"
POOLED: Final = "pooled"
LEADING: Final = "leading"
"""These claim and settle through the pooler, and listen and lead past it."""


async def pool(stage: Stage) -> None:
    """Have workers behind the pooler, and some that may lead past it; kill each kind in turn."""
    if program() is None:
        stage.problems.append("not runnable: there is no pgbouncer (apt-get install pgbouncer)")
        return
    settings = {"default_pool_size": POOL, "server_round_robin": "1"}
    bouncer = keep_open(stage, Bouncer(stage.admin, settings=settings))
    direct, stage.conninfo = stage.conninfo, bouncer.conninfo(DATABASE)
    for _ in range(2):
        await stage.start_worker(name=LEADING, direct=direct)
    pooled = [await stage.start_worker(name=POOLED) for _ in range(2)]
    unwarned = [each.name for each in pooled if "pooler in transaction mode" not in each.log()]
    if unwarned:
        stage.problems.append(f"did not find out that sessions do not last: {unwarned}")
    stage.start_producers(PRODUCERS, rate=8.0, mix=MIX)
    await begin_ticking(stage)
    await stage.probe()
    over_s = trio.current_time() + stage.minutes * 60
    while trio.current_time() < over_s:
        await kill_bouncer(stage, bouncer)
        await kill_one(stage, stage.dice.choice(alive(stage, POOLED)))
        await stage.start_worker(name=POOLED)
        await stage.until(lambda: stage.leader() is not None, "a leader")
        await kill_one(stage, stage.leader() or alive(stage, LEADING)[0])
        await stage.start_worker(name=LEADING, direct=direct)
    waited_s(stage, bouncer)
    stage.must_bite(OWNED, stage.query("select count(*) from chaos.own")[0][0], 5)
    stage.must_bite(WAITED, stage.figures[WAITED], 0.001)


def waited_s(stage: Stage, bouncer: Bouncer) -> None:
    """Add how long clients have waited for a connection of the pool, since it was started."""
    with open_session(bouncer.conninfo("pgbouncer")) as console:
        rows = console.cursor(row_factory=dict_row).execute("show stats").fetchall()
    waited = sum(int(row["total_wait_time"]) for row in rows) / 1e6
    stage.figures[WAITED] = round(stage.figures.get(WAITED, 0.0) + waited, 3)


async def kill_bouncer(stage: Stage, bouncer: Bouncer) -> None:
    """End the pooler, and start it again."""
    waited_s(stage, bouncer)
    await trio.to_thread.run_sync(bouncer.kill)
    stage.fault("kill -9 of PgBouncer")
    await trio.sleep(DOWN_S)
    await trio.to_thread.run_sync(bouncer.start)
    await stage.probe()


def alive(stage: Stage, name: str) -> list[WorkerProcess]:
    """Return the workers of this name."""
    return [each for each in stage.living() if each.name.startswith(name)]


async def kill_one(stage: Stage, victim: WorkerProcess) -> None:
    """Kill a worker, and wait until its jobs run again."""
    name = victim.name.rstrip("0123456789")
    await stage.until(partial(holds_a_job, stage, victim), "a job of the victim")
    at_s = victim.kill()
    stage.fault(f"kill -9 of a {name} worker", victim.name)
    took_s = await stage.rerun(stage.running_in(victim.name), at_s)
    worst = f"worst s after a {name} worker"
    stage.figures[worst] = max(stage.figures.get(worst, 0.0), round(took_s, 1))


SCENARIOS: Final = (
    Scenario(
        name="pgbouncer",
        does="PgBouncer in transaction mode; kill -9 of it, of workers behind it, of the leader",
        run=pool,
        minutes=0.3,
    ),
)
