"""Operators' acts on jobs, one or many, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from awa._client.steps import PAUSES_S, Pause, Steps, ask
from awa._core.entries import Act, ActAnswer
from awa._core.options import checked_int, checked_text
from awa._storage.calls import Call
from awa._storage.tokens import draw_token
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from awa._storage.views import Pages

JOB_ID_MAX: Final = 2**63 - 1
REASON_LENGTH_MAX: Final = 2000
LIST_LIMIT: Final = 100
LIST_LIMIT_MAX: Final = 10_000

Acting: TypeAlias = Callable[[int, list[int]], Call[tuple[Act, ...]]]
"""Makes the call of one act, for a settle id and some jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAct:
    """What an operator's act did with one job. A lost race is an answer, no error."""

    job_id: int
    answer: ActAnswer
    """`settled` when it was done; else why not."""
    state: str | None
    """Where it is now: a JobState, `dead_lettered` or `purged`; None when there is no such job."""

    @property
    def done(self) -> bool:
        """Whether the act was done."""
        return self.answer is ActAnswer.SETTLED


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAct:
    """What an act did with many jobs; those that were not done had moved, or were held."""

    matched: int
    done: int
    busy: int
    """Somebody else was at work on them all the time: try again."""
    duplicate: int
    """Another job holds their unique key by now."""


def act(acting: Acting, job_ids: Collection[int]) -> Steps[list[JobAct]]:
    """Act on at most ACT_JOBS_MAX jobs; what is busy is tried again for some seconds."""
    settle_id = draw_token()
    done: dict[int, JobAct] = {}
    left = list(job_ids)
    for pause_s in (*PAUSES_S, None):
        answers = yield from ask(acting(settle_id, left))
        for answer in answers:
            done[left[answer.item - 1]] = _told(left[answer.item - 1], answer)
        left = [job for job in left if done[job].answer is ActAnswer.BUSY]
        if not left or pause_s is None:
            break
        yield Pause(seconds=pause_s)
    return [done[job] for job in job_ids]


def act_on_one(acting: Acting, job_id: int) -> Steps[JobAct]:
    """The same for one job."""
    (told,) = yield from act(acting, [job_id])
    return told


def act_on_pages(
    pages: Pages,
    acting: Callable[[tuple[int, ...]], Steps[list[JobAct]]],
) -> Steps[BulkAct]:
    """Act on all that pages list, by descending id: each job is met once, whatever it becomes."""
    parts: list[BulkAct] = []
    ids = yield from ask(pages(None))
    while ids:
        parts.append(counted((yield from acting(ids))))
        ids = yield from ask(pages(ids[-1]))
    return sum_of(parts)


def counted(told: Iterable[JobAct]) -> BulkAct:
    """Count the answers."""
    answers = [one.answer for one in told]
    return BulkAct(
        matched=len(answers),
        done=answers.count(ActAnswer.SETTLED),
        busy=answers.count(ActAnswer.BUSY),
        duplicate=answers.count(ActAnswer.DUPLICATE),
    )


def checked_id(job_id: object) -> int:
    """A job's id. Raises InvalidInput."""
    return checked_int("job_id", job_id, low=1, high=JOB_ID_MAX)


def checked_limit(limit: object) -> int:
    """How many rows at most. Raises InvalidInput."""
    return checked_int("limit", limit, low=1, high=LIST_LIMIT_MAX)


def checked_before(before_id: object) -> int | None:
    """The id that a page lies below. Raises InvalidInput."""
    return (
        None if before_id is None else checked_int("before_id", before_id, low=1, high=JOB_ID_MAX)
    )


def checked_choice(
    *, queue: object, kind: object, tag: object = None, everything: object = False
) -> None:
    """Refuse an act on many jobs that does not say on which. Raises InvalidInput."""
    if not isinstance(everything, bool):
        raise InvalidInput("everything", f"must be a boolean, not {everything!r}")
    chosen = [one for one in (queue, kind, tag) if one is not None]
    if not chosen and not everything:
        raise InvalidInput("everything", "must be True where no filter says which jobs are meant")
    if chosen and everything:
        raise InvalidInput("everything", "contradicts the filters")


def checked_reason(reason: object) -> str | None:
    """Why an operator acts, in words that are kept. Raises InvalidInput."""
    if reason is None:
        return None
    text = checked_text("reason", reason)
    if len(text) > REASON_LENGTH_MAX:
        problem = f"has {len(text)} characters; the limit is {REASON_LENGTH_MAX}"
        raise InvalidInput("reason", problem)
    return text


def _told(job_id: int, answer: Act) -> JobAct:
    # `already` is this act's own doing: its settle id is nobody else's.
    mine = ActAnswer.SETTLED if answer.answer is ActAnswer.ALREADY else answer.answer
    return JobAct(job_id=job_id, answer=mine, state=answer.state)


def sum_of(parts: Iterable[BulkAct]) -> BulkAct:
    """One answer for all parts."""
    each = list(parts)
    return BulkAct(
        matched=sum(part.matched for part in each),
        done=sum(part.done for part in each),
        busy=sum(part.busy for part in each),
        duplicate=sum(part.duplicate for part in each),
    )
