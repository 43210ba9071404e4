"""Acts of operators and maintenance as actions of the twins."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from correctness.model import ACTIONS, Carried, Key, Out, Said, env_arrive, facts
from tests.fix_actions import Acted
from tests.fix_ring import Pruned
from tests.machine.changes import Change, Step, appearing
from tests.machine.oracle import Oracle, demand

APPLIES: Final = {
    "cancel_pending": {"scheduled", "available", "retryable"},
    "dlq_move": {"failed", "cancelled"},
    "dlq_retry": {"dead_lettered"},
    "dlq_purge": {"dead_lettered"},
}
"""Where a job is when an act applies to it."""


def act(step: Step, name: str, jobs: Sequence[int], before: Collection[int], told: Acted) -> None:
    """An operator's act; `before`: of these jobs, those the same settle id acted on before."""
    for job, (word, state) in zip(jobs, told, strict=True):
        _fits(step, name, job, word, state, repeated=job in before)
    settled = {job for job, (word, _) in zip(jobs, told, strict=True) if word == "settled"}
    done = _ACTS[name](step)
    demand(done == settled, f"{name} said {settled} and did {done}")


def _fits(step: Step, name: str, job: int, word: str, state: str | None, *, repeated: bool) -> None:
    where = step.oracle.state_of(job)
    applies = where in APPLIES[name]
    fits = {
        "settled": applies and not repeated,
        "already": repeated,
        "busy": not step.alone and not repeated,
        "stale": not applies and not repeated and where is not None and state == where,
        "unknown": where is None and not repeated,
        "duplicate": applies and not repeated and name == "dlq_retry" and _has_rival(step, job),
    }
    demand(fits.get(word), f"{name} of job {job}, which is {where}: {word}, {state}")
    if step.alone and applies and not repeated and not _has_rival(step, job):
        demand(word == "settled", f"{name} of job {job}, which is {where}: {word}")


def _has_rival(step: Step, job: int) -> bool:
    """Whether another job holds the key that this one asks for, or took it by the same call."""
    oracle = step.oracle
    asked = {want.key for lane in oracle.lanes.values() for want in lane.wants if want.job == job}
    others = {
        want.job
        for lane in oracle.lanes.values()
        for want in lane.wants
        if want.key in asked and want.job != job and oracle.state_of(want.job) == "dead_lettered"
    }
    return bool(others) or any(oracle.holder(key) not in {None, job} for key in asked)


def _cancelled(step: Step) -> set[int]:
    done: set[int] = set()
    for number, change in step.changes.items():
        taken, finals = change.taken()
        if taken:
            step.oracle.act(number, ACTIONS["cancel_pending"], taken, finals)
            done |= {one.job for one in taken}
    return done


def _moved(step: Step) -> set[int]:
    done: set[int] = set()
    for number, change in step.changes.items():
        if jobs := change.left("finals"):
            step.oracle.act(number, ACTIONS["dlq_move"], jobs, change.out().dead)
            done |= jobs
    return done


def _purged(step: Step) -> set[int]:
    done: set[int] = set()
    for number, change in step.changes.items():
        if jobs := change.left("dead"):
            step.oracle.act(number, ACTIONS["dlq_purge"], jobs)
            done |= jobs
    return done


def _retried(step: Step) -> set[int]:
    done: set[int] = set()
    arrived: list[tuple[int, Out]] = []
    for number, change in step.changes.items():
        jobs = change.left("dead")
        here, come = _split(change.out(), jobs)
        if jobs:
            elsewhere = jobs - appearing(here)
            said = {Said(job, of) for job, of in change.was.progress if job in elsewhere}
            step.oracle.act(number, ACTIONS["dlq_retry"], jobs, here, elsewhere, said)
        if any(come):
            arrived.append((number, come))
        done |= jobs
    for number, come in arrived:
        told = step.changes[number].now.progress
        said = {Said(job, of) for job, of in told if job in appearing(come)}
        step.oracle.act(number, env_arrive, come, said)
        _bring_keys(step.oracle, number, appearing(come))
    return done


def _split(out: Out, jobs: Collection[int]) -> tuple[Out, Out]:
    """What is of these jobs, and what is of others: they come from another lane."""
    here = Out(
        new=frozenset(one for one in out.new if one.job in jobs),
        deferred=frozenset(one for one in out.deferred if one.job in jobs),
    )
    return here, Out(new=out.new - here.new, deferred=out.deferred - here.deferred)


def _bring_keys(oracle: Oracle, number: int, jobs: Collection[int]) -> None:
    """Storage is one lane: of a job that comes from another it says nothing of its key."""
    known = {w for lane in oracle.lanes.values() for w in lane.wants if w.job in jobs}
    # The lanes it was in before have it as it was when it left them.
    wants = {w for w in known if all(w.lease >= v.lease for v in known if v.job == w.job)}
    keys = {want.key for want in wants}
    here = oracle.lanes[number]
    oracle.lanes[number] = replace(
        here,
        wants=frozenset(one for one in here.wants if one.job not in jobs) | wants,
        keys=frozenset(one for one in here.keys if one.key not in keys)
        | {Key(want.key, want.job) for want in wants},
    )


_ACTS: Final = {
    "cancel_pending": _cancelled,
    "dlq_move": _moved,
    "dlq_purge": _purged,
    "dlq_retry": _retried,
}


def promote(step: Step, jobs: Collection[int], promoted: int) -> None:
    """What waited was promoted: these jobs, or what is due."""
    waiting = {one.job for lane in step.oracle.lanes.values() for one in lane.deferred}
    written = {one.job for change in step.changes.values() for one in change.entries}
    demand(len(written) == promoted, f"promoted {promoted}, and {written} were written")
    demand(not jobs or written <= set(jobs), f"{written - set(jobs)} were not asked for")
    if step.alone:
        demand(waiting & set(jobs) <= written, f"{waiting & set(jobs) - written} still wait")
    for number, change in step.changes.items():
        if change.entries:
            step.oracle.act(number, ACTIONS["promote"], change.out().new)


def retire(step: Step, answer: tuple[int, int]) -> None:
    """What ended was deleted, and dead letters."""
    found = (0, 0)
    for number, change in step.changes.items():
        ends, letters = change.left("finals"), change.left("dead")
        found = (found[0] + len(ends), found[1] + len(letters))
        if ends or letters:
            step.oracle.act(number, ACTIONS["retire"], ends, letters)
    demand(found == answer, f"retired {found}, and said {answer}")


def rotate(step: Step, answer: str, slot: int) -> None:
    """The ring turned, or had no reason to."""
    demand(slot == step.now.ring, f"{answer} at {slot}, and the ring is at {step.now.ring}")
    if answer == "turned":
        step.oracle.act_all(ACTIONS["rotate"], step.was.ring, slot)
        return
    demand(answer != "busy" or not step.alone, "busy, with nobody there")
    step.nothing()


def prune(step: Step, slot: int, answer: Pruned) -> None:
    """A slot was emptied, or is needed."""
    live = {n for lane in step.oracle.lanes.values() for n in facts(lane).live(slot)}
    word = answer.answer
    demand(answer.reappended == 0, "entries were lost that nobody planted")
    if word == "pruned":
        for number, change in step.changes.items():
            args = (slot, change.now.floor, _again(change), True)
            step.oracle.act(number, ACTIONS["prune"], *args)
        return
    fits = {"needed": live or not step.alone, "current": slot == step.was.ring}
    demand(fits.get(word, not step.alone), f"{word}, with {live} in slot {slot}")
    step.nothing()


def _again(change: Change) -> frozenset[object]:
    return frozenset(change.out(change.withdrawn).new)


def evacuate(step: Step, slot: int, answer: tuple[str, int]) -> None:
    """What is live in a slot went to the current one."""
    word, count = answer
    moved = {number: change.moved() for number, change in step.changes.items()}
    demand(sum(map(len, moved.values())) == count, f"{answer}, and {moved} moved")
    for number, change in step.changes.items():
        rows = {Carried(r.token, r.part, r.seqs) for r in change.claims if r.slot == step.now.ring}
        if moved[number]:
            args = (slot, step.now.ring, moved[number], rows)
            step.oracle.act(number, ACTIONS["evacuate"], *args)
    left = {n for lane in step.oracle.lanes.values() for n in facts(lane).live(slot)}
    demand(word != "moved" or not left, f"moved, and {left} are still in slot {slot}")
    demand(word != "busy" or not step.alone, "busy, with nobody there")
    demand(word != "current" or slot == step.was.ring, f"current, and it is not: {slot}")
