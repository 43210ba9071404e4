"""kill -9, with Awa's defaults: of workers again and again, and of the leader amid its work."""

from functools import partial
from typing import Final

import psycopg
import trio

from correctness.chaos.jobs import Mix
from correctness.chaos.preparing import open_session
from correctness.chaos.processes import WorkerProcess
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage

WORKERS: Final = 3
MIX: Final = Mix(slow=20.0, delayed=10.0, owning=10.0, noting=5.0)

STEPS: Final = ("promote", "rescue", "rotate", "prune")
"""What the leader is killed in, in this order; the lock it is held by has the step's place here."""
GATE: Final = 20051
"""The class of those locks."""

GATES: Final = f"""\
create function chaos.pass() returns trigger language plpgsql security definer set lock_timeout = 0
as $$
begin
    perform pg_advisory_lock_shared({GATE}, tg_argv[0]::int);
    perform pg_advisory_unlock_shared({GATE}, tg_argv[0]::int);
    return null;
end $$;
-- promote: jobs have left the waiting ones, and are entries
create trigger gate after delete on awa.deferred
    for each statement execute function chaos.pass(0);
-- rescue: the worker's row is gone, and what it held is open
create trigger gate after delete on awa.workers
    for each statement execute function chaos.pass(1);
-- rotate: the slot is opened, and new entries go elsewhere still
create trigger gate after update on awa.ring_slots
    for each statement execute function chaos.pass(2);
-- prune: the slot is locked against everybody, and empty
do $$
begin
    for k in 0 .. 15 loop
        execute format('create trigger gate after truncate on awa.ready_%s for each statement'
                       ' execute function chaos.pass(3)', k);
    end loop;
end $$;
"""
STANDS: Final = f"""\
select a.pid, a.application_name from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.classid = {GATE} and not l.granted and l.objid = %s"""


async def kill_workers(stage: Stage) -> None:
    """Kill one of three workers again and again, the leader included; another takes its place."""
    await begin(stage)
    over_s = trio.current_time() + stage.minutes * 60
    while trio.current_time() < over_s:
        victim = stage.dice.choice(stage.living())
        await stage.until(partial(holds_a_job, stage, victim), "a job of the victim")
        await kill(stage, victim, "kill -9 of a worker")
        await stage.start_worker()
        await trio.sleep(stage.dice.uniform(0.0, 4.0))


async def begin(stage: Stage) -> None:
    """Start workers and producers; whoever leads may judge from its first look on."""
    await stage.start_workers(WORKERS)
    stage.start_producers(2, rate=6.0, mix=MIX)
    await stage.probe()


def holds_a_job(stage: Stage, worker: WorkerProcess) -> bool:
    """Whether a handler of this worker runs."""
    return bool(stage.running_in(worker.name))


async def kill(stage: Stage, victim: WorkerProcess, kind: str) -> None:
    """Kill a worker, and wait until everything that it ran runs again."""
    at_s = victim.kill()
    stage.fault(kind, victim.name)
    await stage.rerun(stage.running_in(victim.name), at_s)


async def kill_leaders(stage: Stage) -> None:
    """Hold the leader in the middle of each step, kill it there, and see who goes on.

    What its session has begun on the server is rolled back in every other step, as when the server
    notices first, and goes on to its commit in those between; in the next round the other way.
    """
    stage.query(GATES)
    retention = {"completed_s": 2.0, "slot_s": 1.0, "finals_s": 5.0}
    stage.worker_options["retention"] = retention
    await begin(stage)
    over_s = trio.current_time() + stage.minutes * 60
    rounds = 0
    while trio.current_time() < over_s:
        rounds += 1
        for place, step in enumerate(STEPS, rounds):
            await kill_leader_in(stage, step, rolls_back=place % 2 == 1)
            await stage.start_worker()


async def kill_leader_in(stage: Stage, step: str, *, rolls_back: bool) -> None:
    """Kill the leader in the middle of this step."""
    with open_session(stage.admin) as gate:
        close(gate, step)
        if step == "rescue":
            await lose_a_follower(stage)
        pid, leader = await stands(stage, step)
        open_jobs = stage.running_in(leader.name)
        at_s = leader.kill()
        how = "rolled back" if rolls_back else "committed all the same"
        stage.fault(f"kill -9 of the leader in {step}", f"{leader.name}, {how}")
        if rolls_back:
            stage.query("select pg_terminate_backend(%s, 10000)", [pid])
    await stage.until(lambda: stage.leader() not in {None, leader}, "another leader")
    stage.figures["worst s without a leader"] = max(
        stage.figures.get("worst s without a leader", 0.0), round(stage.seconds_since(at_s), 1)
    )
    await stage.rerun(open_jobs, at_s)


def close(gate: psycopg.Connection[object], step: str) -> None:
    """Have whoever comes to the middle of this step stand there, until the session ends."""
    gate.execute("select pg_advisory_lock(%s, %s)", [GATE, STEPS.index(step)])


async def stands(stage: Stage, step: str) -> tuple[int, WorkerProcess]:
    """Return the session that stands there, and its worker."""
    found: list[tuple[int, WorkerProcess]] = []

    def look() -> bool:
        by_name = {f"awa worker {each.name}": each for each in stage.living()}
        rows = stage.query(STANDS, [STEPS.index(step)])
        found.extend((pid, by_name[name]) for pid, name in rows if name in by_name)
        return bool(found)

    await stage.until(look, f"a leader in the middle of {step}")
    return found[0]


async def lose_a_follower(stage: Stage) -> None:
    """Give the leader somebody to rescue."""
    leader = stage.leader()
    victim = stage.dice.choice([each for each in stage.living() if each is not leader])
    victim.kill()
    stage.fault("kill -9 of a worker", victim.name)
    await stage.start_worker()


SCENARIOS: Final = (
    Scenario(
        name="kill-workers",
        does="kill -9 of a worker, again and again",
        run=kill_workers,
        minutes=0.6,
    ),
    Scenario(
        name="kill-leaders",
        does="kill -9 of the leader in the middle of promote, rescue, rotate and prune",
        run=kill_leaders,
        minutes=0.5,
    ),
)
