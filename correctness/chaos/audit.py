"""The one audit that ends every scenario.

Every committed job ended exactly once, as its kind should, and had its effect; what was refused or
rolled back left nothing; what is in doubt is there whole or not at all; what a handler wrote in its
own transaction is there exactly once, with the job's end; an attempt found the progress that those
before it knew to be kept; each instant of a schedule was fired once; `awa.check()` finds nothing;
rows updated and deleted, and sessions, stayed within what the jobs call for.
"""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final

import trio

from awa._storage.executors import run_sync
from awa._storage.functions import Storage
from correctness.chaos.bounds import unbounded
from correctness.chaos.jobs import OWNING, end_of
from correctness.chaos.preparing import open_session
from correctness.chaos.report import Report
from correctness.chaos.stage import Stage, TookTooLong
from correctness.chaos.ticking import stop_ticking, wrong_fires

STOP_S_MAX: Final = 90.0
DRAIN_LOOK_S: Final = 0.5
CRASH_LOOP: Final = "crash_loop"
LOSSES_MIN: Final = 6
"""So many attempts are lost before a job is given up."""
SHOWN: Final = 5

UNENDED: Final = """\
select count(*) from awa.jobs where state not in ('completed', 'failed', 'cancelled')"""
LOST: Final = "select n, count(distinct lease) from chaos.losses group by n"


async def audit(stage: Stage, name: str, *, drain_s: float, counts_hold: bool = True) -> Report:
    """Let everything end, stop the workers, and judge."""
    stage.stop_producers()
    problems = stage.problems
    try:
        await stop_ticking(stage)
        await stage.until(
            lambda: has_drained(stage),
            "the end of every job",
            limit_s=drain_s,
            interval_s=DRAIN_LOOK_S,
        )
    except TookTooLong as error:
        problems.append(str(error))
    await stop_workers(stage)
    await trio.to_thread.run_sync(partial(judge, stage, counts_hold=counts_hold))
    ends = Counter(n for (n,) in stage.query("select n from chaos.ends"))
    books = stage.books
    return Report(
        scenario=name,
        faults=dict(Counter(fault.kind for fault in stage.faults)),
        jobs=len(books.committed),
        doubted=len(books.doubted()),
        doubted_kept=len(books.doubted() & ends.keys()),
        lost=len(books.committed.keys() - ends.keys()),
        ended_twice=sum(count > 1 for count in ends.values()),
        duplicates=stage.effects.duplicates(),
        given_up=len(given_up(stage)),
        recoveries_s=tuple(stage.recoveries_s),
        seconds=time.monotonic() - stage.began_s,
        figures=stage.figures,
        problems=tuple(problems),
    )


def has_drained(stage: Stage) -> bool:
    """Whether every job that is there has ended."""
    committed = stage.books.committed
    found = stage.query("select count(distinct n) from chaos.ends")
    if found[0][0] < len(committed) or committed.keys() - stage.ended(set(committed)):
        return False
    return bool(stage.query(UNENDED) == [(0,)])


async def stop_workers(stage: Stage) -> None:
    """Tell those that live to end, and hold that they do."""
    for worker in stage.workers:
        if worker.frozen:
            worker.thaw()
    living = stage.living()
    for worker in living:
        worker.stop()
    for worker in living:
        try:
            await stage.until(lambda w=worker: not w.is_alive(), "its end", limit_s=STOP_S_MAX)  # type: ignore[misc]
        except TookTooLong:
            stage.problems.append(f"{worker.name} did not end when it was told to")
        else:
            if worker.process.returncode != 0:
                code = worker.process.returncode
                stage.problems.append(f"{worker.name} ended with {code}: {worker.log()[-500:]}")


def judge(stage: Stage, *, counts_hold: bool) -> None:
    """Write down everything that is wrong."""
    stage.look()
    for found in (
        wrong_ends(stage),
        wrong_effects(stage),
        wrong_own_effects(stage),
        wrong_progress(stage),
        wrong_fires(stage),
        broken(stage),
        unbounded(stage, counts_hold=counts_hold),
    ):
        stage.problems.extend(found)


def wrong_ends(stage: Stage) -> Iterator[str]:
    """Say which jobs have not ended exactly once, or otherwise than they should."""
    books = stage.books
    ends = stage.query("select n, lease, state, reason from chaos.ends")
    times = Counter(n for n, *_ in ends)
    yield from some("committed and never ended", books.committed.keys() - times.keys())
    yield from some("ended more than once", {n for n, count in times.items() if count > 1})
    yield from some("refused or rolled back, and there", books.refused & times.keys())
    yield from some(
        "in doubt, of transactions that are there in part",
        {
            n
            for group in books.doubted_together
            if not _whole(group & times.keys(), group)
            for n in group
        },
    )
    yield from some("ended, and never made", times.keys() - books.wishes.keys())
    yield from some(
        "ended otherwise than they should",
        {
            n
            for n, _, state, reason in ends
            if n in books.wishes and state != end_of(books.wishes[n].kind) and reason != CRASH_LOOP
        },
    )
    losses = dict(stage.query(LOST))
    yield from some(
        "given up without so many losses",
        {n for n in given_up(stage) if losses.get(n, 0) < LOSSES_MIN},
    )
    yield from some(
        "ended by an attempt that was not their last",
        {
            n
            for n, lease, *_ in ends
            if any(effect.lease > lease for effect in stage.effects.begins.get(n, ()))
        },
    )


def _whole(there: frozenset[int], group: frozenset[int]) -> bool:
    """Whether all of a transaction is there, or nothing."""
    return not there or there == group


def given_up(stage: Stage) -> set[int]:
    """Return the jobs that ended because workers were lost with them too often."""
    return {n for (n,) in stage.query("select n from chaos.ends where reason = %s", [CRASH_LOOP])}


def wrong_effects(stage: Stage) -> Iterator[str]:
    """Say which jobs have no effect, or one that they should not have."""
    books, effects = stage.books, stage.effects
    owed = books.committed.keys() - given_up(stage)
    done = effects.done.keys() | own_effects(stage).keys()
    yield from some("committed and without an effect", owed - done)
    yield from some("refused or rolled back, and run", books.refused & effects.begins.keys())
    ends = dict(stage.query("select n, state from chaos.ends"))
    yield from some(
        "completed without an effect",
        {n for n, state in ends.items() if state == "completed"} - done,
    )


def own_effects(stage: Stage) -> dict[int, list[int]]:
    """Return the run leases of the attempts whose own transactions were committed, by job."""
    found: dict[int, list[int]] = {}
    for n, lease in stage.query("select n, lease from chaos.own order by n, lease"):
        found.setdefault(n, []).append(lease)
    return found


def wrong_own_effects(stage: Stage) -> Iterator[str]:
    """Say where an own transaction and the end of its job did not happen together, or not once."""
    wishes = stage.books.wishes
    ends = stage.query("select n, lease from chaos.ends where state = 'completed'")
    completed = {n: [lease] for n, lease in ends if n in wishes and wishes[n].kind == OWNING}
    own = own_effects(stage)
    stage.figures["own transactions"] = len(own)
    yield from some(
        "with an effect of their own that is there twice",
        {n for n, leases in own.items() if len(leases) > 1},
    )
    yield from some(
        "completed by another attempt than had the effect, or without it, or not at all",
        {
            n
            for n in own.keys() | completed.keys()
            if set(own.get(n, ())) != set(completed.get(n, ()))
        },
    )


def wrong_progress(stage: Stage) -> Iterator[str]:
    """Say which jobs found less than was kept of their progress, or more than was ever set."""
    less, more = set[int](), set[int]()
    stage.figures["jobs with progress"] = len(stage.effects.notes)
    for n, notes in stage.effects.notes.items():
        for found in (note for note in notes if note.what == "found"):
            before = [note for note in notes if note.lease < found.lease]
            if found.place < max((note.place for note in before if note.what != "set"), default=0):
                less.add(n)
            if found.place > max((note.place for note in before), default=0):
                more.add(n)
    yield from some("that found less progress than was kept", less)
    yield from some("that found progress which nobody had set", more)


def broken(stage: Stage) -> Iterator[str]:
    """Say what `awa.check()` finds."""
    with open_session(stage.admin) as session:
        violations = run_sync(session, Storage("awa").check())
    for violation in violations[:SHOWN]:
        yield f"check: {violation}"


def some(what: str, numbers: set[int]) -> Iterator[str]:
    """Say how many jobs these are, and name a few; nothing for none."""
    if numbers:
        yield f"{len(numbers)} jobs {what}: {sorted(numbers)[:SHOWN]}"
