"""Acts on jobs that take several calls, because where the job is decides which act applies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from awa._client.acts import JobAct, act, act_on_one
from awa._client.steps import PAUSES_S, Pause, Steps, ask
from awa._core.entries import ActAnswer, Answer, JobState, SettleItem
from awa._core.ranges import Ranges
from awa._storage import history, views
from awa._storage.tokens import draw_token

if TYPE_CHECKING:
    from awa._storage.functions import Storage
    from awa._storage.history import ActRecord, AttemptRecord, DeadLetter
    from awa._storage.views import JobRecord

_MOVES_MAX: Final = 50
"""How often a job is followed that moves between a look and the act."""
_DEAD: Final = "dead_lettered"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDump:
    """Everything that is known about one job."""

    job: JobRecord | None
    """None for a dead letter."""
    dead_letter: DeadLetter | None
    attempts: tuple[AttemptRecord, ...]
    """As far as the ring remembers, oldest first."""
    acts: tuple[ActRecord, ...]
    """What operators did in the last days, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDump:
    """Everything that is known about one attempt at a job."""

    job_id: int
    attempt: int
    runs: tuple[AttemptRecord, ...]
    """Its entries, oldest first: several when it was given back, none when the ring forgot."""
    error: dict[str, Any] | None
    """How it failed, if it did."""
    result: Any
    """What the handler returned, if this attempt completed the job."""


def cancel_steps(storage: Storage, job_id: int, reason: str | None) -> Steps[JobAct]:
    """Cancel a job wherever it is: pending ones are taken back, a running one is ended."""
    cancelling = partial(storage.cancel_pending, reason=reason)
    told = JobAct(job_id=job_id, answer=ActAnswer.BUSY, state=None)
    for _ in range(_MOVES_MAX):
        told = yield from act_on_one(cancelling, job_id)
        if told.answer is not ActAnswer.STALE or told.state != JobState.RUNNING:
            return told
        if (yield from _cancel_attempt(storage, job_id, reason)):
            return JobAct(job_id=job_id, answer=ActAnswer.SETTLED, state=JobState.CANCELLED)
    return told


def _cancel_attempt(storage: Storage, job_id: int, reason: str | None) -> Steps[bool]:
    """End the attempt that runs now; False when it had ended before."""
    attempts = yield from ask(history.attempts_of(job_id, schema=storage.schema))
    receipt = next((one for one in reversed(attempts) if one.outcome is None), None)
    if receipt is None:
        return False
    seqs = Ranges([(receipt.seq, receipt.seq + 1)])
    item = SettleItem(slot=receipt.slot, token=receipt.token, part=receipt.part, seqs=seqs)
    settle_id = draw_token()
    for pause_s in PAUSES_S:
        answers = yield from ask(storage.cancel_running(None, settle_id, [item], reason=reason))
        if answers[0].answer is not Answer.BUSY:
            return answers[0].answer in {Answer.SETTLED, Answer.ALREADY}
        yield Pause(seconds=pause_s)
    return False


def retry_steps(storage: Storage, job_id: int) -> Steps[JobAct]:
    """Let a job run now: one that waits is promoted, one that ended gets a new life."""
    told = JobAct(job_id=job_id, answer=ActAnswer.BUSY, state=None)
    for _ in range(_MOVES_MAX):
        told = yield from act_on_one(storage.dlq_retry, job_id)
        if told.answer is not ActAnswer.STALE:
            return told
        match told.state:
            case JobState.SCHEDULED | JobState.RETRYABLE:
                found = yield from ask(storage.promote(job_ids=[job_id]))
                if found.promoted:
                    return JobAct(job_id=job_id, answer=ActAnswer.SETTLED, state=JobState.AVAILABLE)
            case JobState.FAILED | JobState.CANCELLED:
                yield from act_on_one(storage.dlq_move, job_id)
            case _:
                return told
    return told


def retry_ended_steps(storage: Storage, job_ids: tuple[int, ...]) -> Steps[list[JobAct]]:
    """Give ended jobs a new life, by way of the dead letters; only those that ended before."""
    moved = yield from act(storage.dlq_move, job_ids)
    ready = [one.job_id for one in moved if one.done or one.state == _DEAD]
    told = {one.job_id: one for one in moved}
    if ready:
        told.update((one.job_id, one) for one in (yield from act(storage.dlq_retry, ready)))
    return list(told.values())


def dump_steps(schema: str, job_id: int) -> Steps[JobDump | None]:
    """Look everywhere; a job that moves to the dead letters meanwhile is looked for again."""
    job = dead = None
    for _ in range(2):
        job = yield from ask(views.get_job(job_id, schema=schema))
        if job is not None:
            break
        dead = yield from ask(history.dead_letter(job_id, schema=schema))
        if dead is not None:
            break
    if job is None and dead is None:
        return None
    attempts = yield from ask(history.attempts_of(job_id, schema=schema))
    acts = yield from ask(history.acts_on(job_id, schema=schema))
    return JobDump(job=job, dead_letter=dead, attempts=attempts, acts=acts)


def dump_run_steps(schema: str, job_id: int, attempt: int | None) -> Steps[RunDump | None]:
    """One attempt, by default the last that was begun; None when nothing is known of it."""
    dump = yield from dump_steps(schema, job_id)
    if dump is None:
        return None
    kept = dump.job or dump.dead_letter
    assert kept is not None
    begun = [one.attempt for one in dump.attempts] + [one["attempt"] for one in kept.errors]
    if attempt is None and begun:
        attempt = max(begun)
    if attempt is None or attempt not in begun:
        return None
    ended = dump.job is not None and dump.job.state is JobState.COMPLETED
    return RunDump(
        job_id=job_id,
        attempt=attempt,
        runs=tuple(one for one in dump.attempts if one.attempt == attempt),
        error=next((one for one in reversed(kept.errors) if one["attempt"] == attempt), None),
        result=dump.job.result if ended and dump.job and dump.job.attempt == attempt else None,
    )
