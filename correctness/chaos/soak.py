"""The soak: mixed work for minutes, under steady faults of every cheap kind, and nothing grows.

The ring turns fast and little is kept, so that slots are emptied and jobs forgotten all the time.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from correctness.chaos.jobs import Mix
from correctness.chaos.killing import holds_a_job
from correctness.chaos.preparing import HAND
from correctness.chaos.processes import WorkerProcess
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage
from correctness.chaos.storms import ANY, TERMINATE
from correctness.chaos.ticking import begin_ticking

WORKERS: Final = 3
CLAIMERS: Final = 2
RETENTION: Final = {"completed_s": 5.0, "slot_s": 3.0, "finals_s": 5.0, "dead_letters_s": 5.0}
HEARTBEAT_S: Final = 1.0
"""All that has to do with liveness is five times as fast."""
SHORT_S: Final = 1.5
LONG_S: Final = 6.0
PAUSE_S: Final = 2.0
FAULTS_MIN: Final = 5
"""However slow the machine is."""
LOOK_INTERVAL_S: Final = 2.0

MEMORY_GROWTH_MAX: Final = 48 * 2**20
"""Of a worker, between its first looks and its last."""
DEAD_ROWS_MAX: Final = 20_000
TABLES_GROWTH_MAX: Final = 2.0
TABLES_BYTES_MIN: Final = 64 * 2**20
"""The tables may be this large in any case, or so many times what they were half-way."""

SIZES: Final = """\
select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint,
       coalesce(sum(pg_stat_get_dead_tuples(c.oid)), 0)::bigint
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'awa' and c.relkind = 'r'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What the tables were at some moment."""

    table_bytes: int
    dead_rows: int


async def soak(stage: Stage) -> None:
    """Make mixed work, and inject one fault after the other, the leader's death every third."""
    stage.worker_options.update(retention=RETENTION, heartbeat_s=HEARTBEAT_S, claimers=CLAIMERS)
    await stage.start_workers(WORKERS)
    await begin_ticking(stage)
    stage.start_producers(2, mix=Mix(slow_s=(0.2, 1.0), owning=8.0, noting=6.0))
    first = await stage.make_one()
    sizes: list[Size] = []
    over_s = trio.current_time() + stage.minutes * 60
    turn = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_sizes, stage, sizes)
        while trio.current_time() < over_s or turn < FAULTS_MIN:
            turn += 1
            fault = kill_leader if turn % 3 == 1 else stage.dice.choice(FAULTS)
            await fault(stage)
            await stage.probe()
            await trio.sleep(stage.dice.uniform(0.0, PAUSE_S))
        nursery.cancel_scope.cancel()
    await stage.until(partial(is_forgotten, stage, first), "the end of the first job's retention")
    judge_sizes(stage, sizes)
    judge_memory(stage)
    judge_ring(stage)


# Faults ------------------------------------------------------------------------------------------


async def kill_leader(stage: Stage) -> None:
    """Kill the leader; another one turns the ring at once."""
    leader = stage.leader()
    if leader is not None and leader in stage.living():
        await replace(stage, leader, "kill -9 of the leader")


async def kill_worker(stage: Stage) -> None:
    """Kill any worker."""
    await replace(stage, stage.dice.choice(stage.living()), "kill -9 of a worker")


async def replace(stage: Stage, victim: WorkerProcess, kind: str) -> None:
    """Kill this one, see its jobs run elsewhere, and start another."""
    at_s = victim.kill()
    stage.fault(kind, victim.name)
    await stage.rerun(stage.running_in(victim.name), at_s)
    await stage.start_worker()


async def terminate_all(stage: Stage) -> None:
    """Terminate every session of workers and producers."""
    stage.fault("all sessions terminated")
    stage.query(TERMINATE, [ANY])


async def terminate_one(stage: Stage) -> None:
    """Terminate the sessions of one worker."""
    victim = stage.dice.choice(stage.living())
    stage.fault("sessions of one worker terminated", victim.name)
    stage.query(TERMINATE, [f"awa worker {victim.name}"])


async def pause_worker(stage: Stage) -> None:
    """Freeze a worker for so short that nobody minds."""
    await freeze_for(stage, SHORT_S, "SIGSTOP for a moment")


async def freeze_worker(stage: Stage) -> None:
    """Freeze a worker for so long that it is presumed dead."""
    await freeze_for(stage, LONG_S, "SIGSTOP until presumed dead")


async def freeze_for(stage: Stage, seconds: float, kind: str) -> None:
    """Freeze one in the middle of a job, if it gets one soon, and let it go on."""
    victim = stage.dice.choice(stage.living())
    with trio.move_on_after(PAUSE_S):
        await stage.until(partial(holds_a_job, stage, victim), "a job of the victim")
    victim.freeze()
    stage.fault(kind, victim.name)
    await trio.sleep(seconds)
    victim.thaw()


async def refuse_sessions(stage: Stage) -> None:
    """Terminate all sessions, and let nobody in for a moment."""
    stage.fault("no session let in")
    stage.query(f"alter role {HAND} connection limit 0")
    stage.query(TERMINATE, [ANY])
    await trio.sleep(SHORT_S)
    stage.query(f"alter role {HAND} connection limit -1")


async def refuse_writes(stage: Stage) -> None:
    """Have the server take no writes for a moment."""
    stage.fault("no writes taken")
    stage.query(f"alter role {HAND} set default_transaction_read_only = on")
    stage.query(TERMINATE, [ANY])
    await trio.sleep(SHORT_S)
    stage.query(f"alter role {HAND} reset default_transaction_read_only")
    stage.query(TERMINATE, [ANY])


async def crash_server(stage: Stage) -> None:
    """Crash the server, and start it again."""
    stage.fault("crash of the server")
    await trio.to_thread.run_sync(stage.cluster.stop, "immediate")
    await trio.to_thread.run_sync(stage.cluster.start)


FAULTS: Final[tuple[Callable[[Stage], Awaitable[None]], ...]] = (
    kill_worker,
    terminate_all,
    terminate_one,
    pause_worker,
    freeze_worker,
    refuse_sessions,
    refuse_writes,
    crash_server,
)


# What must not grow ------------------------------------------------------------------------------


async def watch_sizes(stage: Stage, sizes: list[Size]) -> None:
    """Look at the tables until cancelled."""
    while True:
        with trio.CancelScope(shield=True):
            await stage.until(partial(look_at_tables, stage, sizes), "a look at the tables")
        await trio.sleep(LOOK_INTERVAL_S)


def look_at_tables(stage: Stage, sizes: list[Size]) -> bool:
    """Note how large they are."""
    table_bytes, dead_rows = stage.query(SIZES)[0]
    sizes.append(Size(table_bytes=table_bytes, dead_rows=dead_rows))
    return True


def is_forgotten(stage: Stage, n: int) -> bool:
    """Whether a job that has ended has left no trace in Awa's tables."""
    rows = stage.query(
        "select 1 from chaos.ends e where e.n = %s and not exists"
        " (select from awa.ready r where r.job_id = e.job_id)",
        [n],
    )
    return bool(rows)


def judge_sizes(stage: Stage, sizes: list[Size]) -> None:
    """Hold that tables and dead rows stayed bounded."""
    half = len(sizes) // 2
    early, late = (max(s.table_bytes for s in part) for part in (sizes[: half + 1], sizes[half:]))
    dead = max(size.dead_rows for size in sizes)
    stage.figures["MB of tables at most"] = round(max(early, late) / 2**20)
    stage.figures["dead rows at most"] = dead
    if late > max(TABLES_BYTES_MIN, TABLES_GROWTH_MAX * early):
        stage.problems.append(f"the tables grew from {early} to {late} bytes")
    if dead > DEAD_ROWS_MAX:
        stage.problems.append(f"{dead} dead rows at a time")


def judge_memory(stage: Stage) -> None:
    """Hold that no worker's memory grew."""
    looks = {name: found for name, found in stage.audience.resident.items() if len(found) > 1}
    stage.figures["MB of a worker at most"] = round(max(map(max, looks.values())) / 2**20)
    for name, found in looks.items():
        # A quarter of its life is what it needs to have done everything once.
        begin, end = max(found[: len(found) // 4 + 10]), found[-1]
        if end > begin + MEMORY_GROWTH_MAX:
            stage.problems.append(f"{name} grew from {begin} to {end} bytes")


def judge_ring(stage: Stage) -> None:
    """Hold that the ring turned and slots were emptied, by the leaders' logs."""
    logs = "".join(worker.log() for worker in stage.workers)
    for what, pattern in (
        ("turns of the ring", r"the ring turned"),
        ("slots emptied", r"slot \d+ was emptied"),
    ):
        count = len(re.findall(pattern, logs))
        stage.figures[what] = count
        if not count:
            stage.problems.append(f"no {what}")
    if "that nobody would have claimed" in logs:
        stage.problems.append("prune found entries that nobody would have claimed")


SCENARIOS: Final = (
    Scenario(
        name="soak",
        counts_hold=False,  # a crash forgets them
        does="mixed work under steady faults of every cheap kind; memory, tables and rows bounded",
        run=soak,
        minutes=0.5,
    ),
)
