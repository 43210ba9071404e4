"""Play a program: each step is done to the real processes, and `awa.check()` looks after each."""

import contextlib
import json
from itertools import count
from typing import Any, Final

import psycopg

import awa
from awa.errors import AwaError
from correctness.processes import steps
from correctness.processes.audit import Broken
from correctness.processes.proxy import Trap
from correctness.processes.ticking import EVERY_S, PRIORITY, name_of
from correctness.processes.world import KEY, World, wait_for
from tests.fix_database import Session, open_session

_RING: Final = 16
_STORED: Final = frozenset({"inserted", "replaced"})
_WORKERS: Final = "awa worker %"


class Player:
    """Does the steps of one program in its world."""

    def __init__(self, world: World) -> None:
        self._world: Final = world
        self._numbers: Final = count(1)
        self._jobs: Final[list[int]] = []
        self._producing: Session | None = None
        self._added: list[tuple[int, int]] = []
        self._clocks: Final[dict[str, steps.Clock]] = {}
        self._offsets_s: Final[dict[str, int]] = {}

    def play(self, program: steps.Program) -> None:
        """Do all steps. Raise Broken when a property is broken in between."""
        for number, step in enumerate(program, 1):
            self._do(step)
            self._check(f"after step {number}, {step}")
        if self._producing is not None:
            self._finish(steps.Finish(how="rollback"))

    def _check(self, when: str) -> None:
        found = self._world.ask('select property, detail from awa."check"()')
        if found:
            raise Broken([f"check {when}: {name}: {detail}" for name, detail in found])

    def _do(self, step: steps.Step) -> None:
        match step:
            case steps.Enqueue():
                self._enqueue(step)
            case steps.Add():
                self._add(step)
            case steps.Finish():
                self._finish(step)
            case steps.Start():
                self._start(step)
            case steps.Signal(worker=worker, name=name):
                run = self._world.at(worker)
                if run is not None:
                    run.signal(name)
            case steps.Jump():
                self._jump(step)
            case steps.Wait(tenths=tenths):
                # Time that passes is a part of the program, not what anybody waits for.
                self._world.ask("select pg_sleep(%s)", [tenths / 10])
            case _:
                self._disturb(step)

    def _disturb(self, step: steps.Step) -> None:
        match step:
            case steps.Cut(worker=worker, refuse=refuse):
                proxy = self._world.proxy(worker)
                proxy.refusing = refuse
                proxy.cut_all()
            case steps.Admit(worker=worker):
                self._world.proxy(worker).refusing = False
            case steps.CutAt() | steps.Hold():
                self._world.proxy(step.worker).set_trap(trap_of(step))
            case steps.Await(worker=worker, most_s=most_s):
                proxy = self._world.proxy(worker)
                wait_for(lambda: not proxy.is_set(), most_s)
            case steps.Silence(worker=worker):
                self._world.proxy(worker).silence()
            case _:
                self._happen(step)

    def _happen(self, step: steps.Step) -> None:
        match step:
            case steps.Backend():
                self._end_backend(step)
            case steps.Restart(mode=mode):
                self._world.ground.cluster.restart(mode)
            case steps.Turn():
                self._turn(step)
            case steps.Operate():
                self._operate(step)
            case steps.Tick():
                self._tick(step)

    # Producers -----------------------------------------------------------------------------------

    def _enqueue(self, step: steps.Enqueue) -> None:
        numbers = [next(self._numbers) for _ in range(step.jobs)]
        options: dict[str, Any] = {"queue": steps.QUEUES[step.queue]}
        if step.delay_s:
            options["delay_s"] = step.delay_s
        if step.unique:
            options |= {"unique": {"key": KEY}, "on_conflict": "replace"}
        stored = self._world.stored
        # One job takes another one's place in a transaction of its own only.
        for together in [[number] for number in numbers] if step.unique else [numbers]:
            try:
                kept = _store(self._world.session(), step.work, together, options)
            except psycopg.OperationalError:
                stored.unknown_together.append(frozenset(together))
                continue
            stored.committed.update(kept)
            stored.refused.update(set(together) - {number for number, _ in kept})
            self._jobs.extend(job for _, job in kept)

    def _add(self, step: steps.Add) -> None:
        numbers = [next(self._numbers) for _ in range(step.jobs)]
        options = {"queue": steps.QUEUES[step.queue]}
        try:
            if self._producing is None:
                self._producing = open_session(
                    self._world.producer_proxy.conninfo,
                    autocommit=False,
                    application_name="producer",
                )
            self._added += _store(self._producing, step.work, numbers, options)
        except psycopg.OperationalError:
            # Never committed: the server rolls back what has lost its session.
            self._world.stored.refused.update(numbers)

    def _finish(self, step: steps.Finish) -> None:
        if self._producing is None:
            return
        proxy, numbers = self._world.producer_proxy, {number for number, _ in self._added}
        stored = self._world.stored
        if step.how == "commit unsent":
            proxy.set_trap(Trap(side="asks", moment="end", after=0, passed=False))
        elif step.how == "commit unanswered":
            proxy.set_trap(Trap(side="asks", moment="end", after=0, passed=True))
        try:
            if step.how == "rollback":
                self._producing.rollback()
            else:
                self._producing.commit()
        except psycopg.OperationalError:
            if step.how in {"commit", "commit unanswered"}:
                stored.unknown_together.append(frozenset(numbers))
            else:
                stored.refused.update(numbers)
        else:
            if step.how == "rollback":
                stored.refused.update(numbers)
            else:
                stored.committed.update(self._added)
            self._jobs.extend(job for _, job in self._added if step.how == "commit")
        with contextlib.suppress(psycopg.OperationalError):
            self._producing.close()
        proxy.set_trap(None)
        self._producing, self._added = None, []

    # Workers -------------------------------------------------------------------------------------

    def _start(self, step: steps.Start) -> None:
        if self._world.at(step.worker) is None:
            self._world.start(step.worker, step.clock)
            self._clocks[self._world.workers[-1].place.name] = step.clock

    def _jump(self, step: steps.Jump) -> None:
        run = self._world.at(step.worker)
        if run is None:
            return
        name, by_s = run.place.name, step.by_s
        if self._clocks.get(name) == "whole":
            # A monotonic clock may stand still or leap, and never goes back.
            by_s = self._offsets_s.get(name, 0) + abs(by_s)
        self._offsets_s[name] = by_s
        self._world.jump(run, by_s)

    # The server, and operators -------------------------------------------------------------------

    def _end_backend(self, step: steps.Backend) -> None:
        query = (
            "select pid from pg_stat_activity"
            " where datname = current_database() and application_name like %s order by pid"
        )
        pids = [pid for (pid,) in self._world.ask(query, [_WORKERS])]
        if not pids:
            return
        pid = pids[step.which % len(pids)]
        if step.killed:
            self._world.kill_backend(pid)
        else:
            self._world.ask("select pg_terminate_backend(%s)", [pid])

    def _turn(self, step: steps.Turn) -> None:
        if step.action == "rotate":
            self._world.ask("select answer from awa.rotate(0, 1)")
            return
        ((current,),) = self._world.ask("select last_value::int from awa.ring_seq")
        slot = (current - step.behind) % _RING
        if step.action == "prune":
            self._world.ask("select answer from awa.prune(%s::smallint, 0)", [slot])
        else:
            self._world.ask("select answer from awa.evacuate(%s::smallint)", [slot])

    def _operate(self, step: steps.Operate) -> None:
        if step.act == "pause":
            self._world.ask("select awa.pause_queue(%s)", [steps.QUEUES[step.which % 2]])
        elif step.act == "resume":
            self._world.ask("select awa.resume_queue(%s)", [steps.QUEUES[step.which % 2]])
        elif self._jobs:
            job = self._jobs[-1 - step.which % len(self._jobs)]
            with awa.Client(self._world.conninfo) as client:
                act = client.cancel if step.act == "cancel" else client.retry
                try:
                    act(job)
                except AwaError as error:
                    self._world.notes.append(f"{step}: {error}")

    def _tick(self, step: steps.Tick) -> None:
        name = name_of(step.missed, step.overlap)
        with awa.Client(self._world.conninfo) as client:
            try:
                self._act_on(client, name, step)
            except AwaError as error:
                self._world.notes.append(f"{step}: {error}")

    def _act_on(self, client: awa.Client, name: str, step: steps.Tick) -> None:
        match step.act:
            case "put":
                client.put_schedule(
                    name,
                    None,
                    {"n": steps.TICKED},
                    every=EVERY_S,
                    # One that lasts may still be at it at the next instant.
                    kind="quick" if step.overlap == "allow" else "slow",
                    queue=steps.QUEUES[0],
                    priority=PRIORITY,
                    missed_fire_policy=step.missed,
                    overlap=step.overlap,
                )
            case "pause":
                client.pause_schedule(name)
            case "resume":
                client.resume_schedule(name)
            case "trigger":
                client.trigger_schedule(name)
            case "delete":
                client.delete_schedule(name)


def trap_of(step: steps.CutAt | steps.Hold) -> Trap:
    """What waits for the message that the step names."""
    if isinstance(step, steps.Hold):
        held_s = step.tenths / 10
        return Trap(
            side=step.side,
            moment="end",
            after=step.after,
            passed=True,
            about=step.about,
            held_s=held_s,
        )
    return Trap(
        side=step.side,
        moment=step.moment,
        after=step.after,
        passed=step.passed,
        about=step.about,
    )


def _store(
    session: Session, work: str, numbers: list[int], options: dict[str, Any]
) -> list[tuple[int, int]]:
    """Store jobs; answer number and id of those that were not refused for their key."""
    rows = session.execute(
        "select n, e.id, e.answer from unnest(%s::int[]) with ordinality as given(n, place),"
        " lateral awa.enqueue(%s, jsonb_build_object('n', n), %s::text::jsonb) e order by place",
        [numbers, work, _json(work, options)],
    ).fetchall()
    return [(number, job) for number, job, answer in rows if answer in _STORED]


def _json(work: str, options: dict[str, Any]) -> str:
    limits: dict[str, Any] = {"max_attempts": 1, "deadline_s": 1} if work == "overdue" else {}
    return json.dumps({**options, **limits})
