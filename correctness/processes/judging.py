"""One program from its first step to the verdict: played, healed, waited for, audited, replayed."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

from correctness.processes.audit import FINAL, Broken, Ended, History, history, problems_of
from correctness.processes.ground import Ground
from correctness.processes.playing import Player
from correctness.processes.steps import Program
from correctness.processes.ticking import fires, is_behind, pause_all, ticking_problems
from correctness.processes.world import World, wait_for, world
from correctness.replay import replay, too_long
from correctness.traces import Recorded, cut
from correctness.worker_traces import join

STANDSTILL_S_MAX: Final = 90.0
"""Jobs that are not final while nothing changes for so long are not going to be: the slowest of a
worker's clocks gives a call up after 30 s."""
_LOOK_S: Final = 0.1


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What came of a program."""

    program: Program
    problems: tuple[str, ...] = ()
    recorded: list[Recorded] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    too_long: int = 0
    """Lanes that were not replayed."""
    seconds_s: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    """How much happened: jobs, runs, attempts lost, events, jumps, cuts by their place."""


def judged(program: Program, ground: Ground) -> Verdict:
    """Play a program and judge it. Raise when nothing can be said, as when the server is gone."""
    verdict = Verdict(program=program)
    began_s = time.monotonic()
    with world(ground) as played:
        problems: list[str] = []
        ended = Ended(states={}, own=[])
        try:
            Player(played).play(program)
            played.heal()
            _until_nothing_is_behind(played)
            ended = _until_all_ended(played)
            _until_all_left(played)
            problems += _broken_at_the_end(played)
        except Broken as broken:
            problems += broken.problems
        verdict.recorded = played.close_down()
        verdict.told = [line for run in played.workers for line in run.told()]
        verdict.logs = {run.place.name: run.log() for run in played.workers}
        happened = history(verdict.recorded)
        if not problems:
            problems += problems_of(played.workers, played.stored, ended, happened)
            problems += ticking_problems(verdict.recorded)
        verdict.counts = _counts(happened, verdict, ended) | played.jumps | played.fired()
    if not problems:
        problems += _refused(verdict)
    verdict.problems = tuple(problems)
    verdict.seconds_s = time.monotonic() - began_s
    return verdict


def _until_nothing_is_behind(played: World) -> None:
    """Have all schedules fire what was missed, and then no more. Raise Broken."""
    if not wait_for(lambda: not is_behind(played), STANDSTILL_S_MAX):
        raise Broken(["a schedule is behind, and nobody fires it"])
    pause_all(played)


def _until_all_ended(played: World) -> Ended:
    """What is there once all jobs have ended. Raise Broken when they do not."""
    states: dict[int, str] = {}
    before: Any = None
    changed_s = time.monotonic()

    def ended() -> bool:
        nonlocal before, changed_s
        states.clear()
        states.update(_states(played))
        # A transaction whose connection was cut may commit later.
        open_ones = played.ask(
            "select pid from pg_stat_activity"
            " where datname = current_database() and application_name = 'producer'"
        )
        now = (dict(states), open_ones, sum(len(run.said()) for run in played.workers))
        if now != before:
            before, changed_s = now, time.monotonic()
        stuck = time.monotonic() - changed_s > STANDSTILL_S_MAX
        return stuck or (not open_ones and set(states.values()) <= FINAL)

    while not wait_for(ended, _LOOK_S):
        pass
    open_jobs = {job: state for job, state in states.items() if state not in FINAL}
    if open_jobs:
        raise Broken([f"job {job} does not end: {state}" for job, state in open_jobs.items()])
    own = [(job, run) for job, run in played.ask("select job, run from public.own_effects")]
    return Ended(states=states, own=own, numbers=_numbers(played))


def _until_all_left(played: World) -> None:
    """Tell all workers to leave: what they still have to say is said then. Raise Broken."""
    for run in played.workers:
        if run.is_alive():
            run.signal("SIGTERM")
    if not wait_for(lambda: not any(run.is_alive() for run in played.workers), STANDSTILL_S_MAX):
        names = [run.place.name for run in played.workers if run.is_alive()]
        raise Broken([f"{name} does not leave" for name in names])


def _states(played: World) -> dict[int, str]:
    rows = played.ask(
        "select id, state::text from awa.jobs"
        " union all select id, 'dead' from awa.dead_letters order by 1"
    )
    return dict(rows)


def _numbers(played: World) -> set[int]:
    rows = played.ask(
        "select (args->>'n')::int from awa.jobs"
        " union select (args->>'n')::int from awa.dead_letters"
    )
    return {number for (number,) in rows}


def _broken_at_the_end(played: World) -> list[str]:
    found = played.ask('select property, detail from awa."check"()')
    return [f"check at the end: {name}: {detail}" for name, detail in found]


def _refused(verdict: Verdict) -> list[str]:
    """What the specification says of the recording, by the twin: it needs no start."""
    traces = cut(verdict.recorded)
    fit = [trace for trace in traces if too_long(trace) is None]
    verdict.too_long = len(traces) - len(fit)
    refusals = replay(fit, by="twin", cache=None).refusals
    return [
        f"the specification rejects event {refusal.event} of lane {trace.lane}: {refusal.why}"
        for trace, refusal in zip(fit, refusals, strict=True)
        if refusal is not None
    ]


def worker_trace(verdict: Verdict) -> Any:
    """What the workers told and the database recorded, as one trace."""
    return join(verdict.recorded, verdict.told)


def _counts(happened: History, verdict: Verdict, ended: Ended) -> dict[str, int]:
    endings = [how for one in happened.endings.values() for how in one]
    return {
        "jobs": len(happened.stored),
        "runs": len(endings),
        "lost": sum(how in {"rescue_worker", "heartbeat"} for how in endings),
        "own transactions": len(ended.own),
        "fires": fires(verdict.recorded),
        "events": len(verdict.recorded),
    }
