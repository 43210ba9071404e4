"""Chaos in small: a minute of faults on real processes, and an audit that misses nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from correctness.chaos.audit import has_drained, judge, stop_workers
from correctness.chaos.effects import Effect
from correctness.chaos.jobs import QUICK, Mix
from correctness.chaos.playing import play
from correctness.chaos.registry import SCENARIOS, named
from correctness.chaos.soak import FAULTS_MIN
from correctness.chaos.stage import Stage, open_stage
from correctness.chaos.ticking import begin_ticking, stop_ticking
from tests.fix_cluster import chosen_bindir


async def test_a_minute_of_faults_loses_nothing_and_nothing_grows() -> None:
    """Guards what docs/reliability.md says a worker survives: `make soak`, for one minute."""
    report = await play(named("soak"), minutes=1.0)
    assert () == report.problems
    assert (0, 0) == (report.lost, report.ended_twice)
    assert report.faults_injected >= FAULTS_MIN
    assert report.jobs > 50
    figures = report.figures
    assert figures["own transactions"] > 0 < figures["jobs with progress"]
    assert figures["instants fired"] > 60


def test_every_scenario_has_a_name_of_its_own() -> None:
    """Guards the command line: a name means one scenario."""
    assert len(SCENARIOS) == len({scenario.name for scenario in SCENARIOS})


@asynccontextmanager
async def played() -> AsyncIterator[Stage]:
    """Open a stage on which a few jobs of each outcome were run, and nothing went wrong."""
    async with open_stage(bindir=chosen_bindir()) as stage:
        await stage.start_worker()
        await begin_ticking(stage)
        stage.start_producers(1, mix=Mix(owning=30.0, noting=30.0, slow_s=(0.0, 0.05)))
        await stage.until(lambda: len(stage.books.committed) > 100, "a hundred jobs")
        stage.stop_producers()
        await stop_ticking(stage)
        await stage.until(lambda: has_drained(stage), "the end of every job")
        await stop_workers(stage)
        yield stage


def a_quick_one(stage: Stage) -> int:
    """Return a job that completed."""
    return next(n for n in stage.books.committed if stage.books.wishes[n].kind == QUICK)


def end_twice(stage: Stage) -> None:
    """Write a job's end once more."""
    stage.query(f"insert into chaos.ends select * from chaos.ends where n = {a_quick_one(stage)}")


def lose(stage: Stage) -> None:
    """Take a job's end away."""
    n = max(n for n in stage.books.committed if stage.books.wishes[n].kind == QUICK)
    stage.query(f"delete from chaos.ends where n = {n}")


def refuse(stage: Stage) -> None:
    """Have a producer say that it was told of a failure."""
    stage.books.refused.add(max(stage.books.committed))


def halve(stage: Stage) -> None:
    """Have one transaction in doubt have stored a job, and not the other one."""
    numbers = {max(stage.books.committed), stage.books.next_number()}
    stage.books.ends_in_doubt(numbers, rolls_back=False)


def forget(stage: Stage) -> None:
    """Have no producer know of a job."""
    del stage.books.wishes[max(stage.books.committed)]


def fail(stage: Stage) -> None:
    """Have a job that completed fail."""
    stage.query(f"update chaos.ends set state = 'failed' where n = {a_quick_one(stage)}")


def end_too_early(stage: Stage) -> None:
    """Have an attempt before the first be what ended a job."""
    stage.query(f"update chaos.ends set lease = 0 where n = {max(stage.effects.done)}")


def undo(stage: Stage) -> None:
    """Take the effects of a job away."""
    del stage.effects.done[max(stage.effects.done)]


def write_twice(stage: Stage) -> None:
    """Have own transactions be there twice."""
    stage.query("insert into chaos.own select * from chaos.own")


def write_late(stage: Stage) -> None:
    """Have other attempts be those whose own transactions were committed."""
    stage.query("update chaos.own set lease = lease + 1")


def note_nothing(stage: Stage) -> None:
    """Have the last attempt at a job that failed once know nothing of the first one's progress."""
    find(stage, 0)


def note_much(stage: Stage) -> None:
    """Have it know of more than was set."""
    find(stage, 1000)


def find(stage: Stage, place: int) -> None:
    """Have one more attempt find so much progress."""
    n, notes = next((n, notes) for n, notes in stage.effects.notes.items() if len(notes) > 1)
    lease = max(note.lease for note in notes) + 1
    notes.append(Effect(worker="w1", what="found", at_s=0.0, n=n, lease=lease, place=place))


def fire_twice(stage: Stage) -> None:
    """Have an instant have two jobs."""
    stage.query("insert into chaos.fires select -job_id, due from chaos.fires limit 1")


def fire_less(stage: Stage) -> None:
    """Have an instant have none."""
    stage.query("delete from chaos.fires where due = (select max(due) from chaos.fires)")


def fire_more(stage: Stage) -> None:
    """Have the schedule count more than there are."""
    stage.query("update awa.cron_schedules set fires = fires + 1")


def close_twice(stage: Stage) -> None:
    """Have attempts end once more."""
    stage.query("insert into awa.closures select * from awa.closures")


def rewrite(stage: Stage) -> None:
    """Change rows of the log."""
    stage.query("update awa.ready set kind = kind")


def crash(stage: Stage) -> None:
    """Have a job be given up that was never lost."""
    n = min(stage.books.committed)
    stage.query(f"update chaos.ends set reason = 'crash_loop' where n = {n}")


def run_refused(stage: Stage) -> None:
    """Have a job that was rolled back begin all the same."""
    n = stage.books.next_number()
    stage.books.refused.add(n)
    begun = Effect(worker="w1", what="begun", at_s=0.0, n=n, lease=1)
    stage.effects.begins[n] = [begun]


def complete_idly(stage: Stage) -> None:
    """Have a job complete that no producer knows of, and that did nothing."""
    n = stage.books.next_number()
    stage.query(f"insert into chaos.ends (n, job_id, lease, state) values ({n}, 0, 1, 'completed')")


def fire_early(stage: Stage) -> None:
    """Have an instant be fired before it was due."""
    stage.query("insert into chaos.fires select 0, max(due) + interval '1 day' from chaos.fires")


def beat_much(stage: Stage) -> None:
    """Have a worker beat without end."""
    stage.query("insert into awa.workers (worker, info) values (1, '{}')")
    for _ in range(1000):
        stage.query("update awa.workers set beat = beat + 1")
    stage.query("delete from awa.workers")


DEFERRED: Final = """\
insert into awa.deferred (job_id, run_at, enqueued_at, lane, run_lease, attempt, max_attempts,
                          state, kind, args)
select -k, now(), now(), 1, 0, 1, 1, 'scheduled', 'quick', '{}' from generate_series(1, 5000) k"""


def defer_much(stage: Stage) -> None:
    """Have jobs wait over and over."""
    stage.query(DEFERRED)
    stage.query("delete from awa.deferred where job_id < 0")


def note_in_full(stage: Stage) -> None:
    """Have notes of progress be written that no handler made."""
    stage.query(
        "insert into awa.leases (seq, token, lane, slot, part)"
        " select k, 0, 1, 0, 0 from generate_series(100000, 105000) k"
    )


def unnote(stage: Stage) -> None:
    """Have notes taken away, one by one."""
    stage.query("delete from awa.leases where seq >= 100000")


def end_much(stage: Stage) -> None:
    """Have failed jobs be stored that nobody has."""
    stage.query(
        "insert into awa.finals (job_id, finished_at, enqueued_at, lane, run_lease, attempt,"
        " max_attempts, state, reason, kind, args) select -k, now(), now(), 1, 1, 1, 1, 'failed',"
        " '', 'quick', '{\"n\": 1}' from generate_series(1, 5000) k"
    )


def write(statement: str, times: int = 1) -> Callable[[Stage], None]:
    """Have a table changed for no reason, so often."""

    def lie(stage: Stage) -> None:
        for _ in range(times):
            stage.query(statement)

    return lie


def crowd(stage: Stage) -> None:
    """Have a worker keep more sessions than it may."""
    stage.audience.sessions_max["awa worker w1"] = 9


def crowd_producers(stage: Stage) -> None:
    """Have producers do so."""
    stage.audience.others_max = 3


LIES: Final[dict[str, Callable[[Stage], None]]] = {
    "jobs ended more than once": end_twice,
    "jobs committed and never ended": lose,
    "jobs refused or rolled back, and run": run_refused,
    "jobs refused or rolled back, and there": refuse,
    "jobs in doubt, of transactions that are there in part": halve,
    "jobs ended, and never made": forget,
    "jobs ended otherwise than they should": fail,
    "jobs ended by an attempt that was not their last": end_too_early,
    "jobs given up without so many losses": crash,
    "jobs completed without an effect": complete_idly,
    "jobs committed and without an effect": undo,
    "jobs with an effect of their own that is there twice": write_twice,
    "jobs completed by another attempt than had the effect": write_late,
    "jobs that found less progress than was kept": note_nothing,
    "jobs that found progress which nobody had set": note_much,
    "the schedule counts": fire_more,
    "instants fired more than once": fire_twice,
    "instants never fired": fire_less,
    "instants fired that were not due": fire_early,
    "check: ": close_twice,
    "in a log": rewrite,
    "workers: ": beat_much,
    "deferred: ": defer_much,
    "rows written, of ": note_in_full,
    "they are a log": unnote,
    "finals: ": end_much,
    "unique_keys: ": write("insert into awa.unique_keys values ('', 1, '{}')"),
    "dlq: ": write("insert into awa.dlq select * from awa.finals limit 1"),
    "acts: ": write("insert into awa.acts values (1, 1, now(), 'cancel', 'cancelled')"),
    "lanes: ": write("update awa.lanes set emptied_to = 0", 1000),
    "ring_slots: ": write("update awa.ring_slots set opened_at = now()", 10),
    "cron_schedules: ": write("update awa.cron_schedules set upto = upto", 1000),
    "awa worker w1: 9 sessions": crowd,
    "producers: 3 sessions": crowd_producers,
}
"""What the audit says, and what it has to say that of. One after the other, on one stage."""


async def test_the_audit_says_what_is_wrong() -> None:
    """Guards every scenario: what it looks for is noticed, and nothing else is."""
    async with played() as stage:
        await trio.to_thread.run_sync(partial(judge, stage, counts_hold=True))
        assert [] == stage.problems
        for said, lie in LIES.items():
            assert not any(said in problem for problem in stage.problems), said
            lie(stage)
            stage.problems.clear()
            await trio.to_thread.run_sync(partial(judge, stage, counts_hold=True))
            assert any(said in problem for problem in stage.problems), (said, stage.problems)
