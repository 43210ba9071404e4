"""Outcomes, deferral, rescue and operators' acts in words: thin typed calls, as in fix_sql."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.types.json import Jsonb

from tests.facts import wait_until
from tests.fix_database import Session
from tests.fix_sql import (
    WORKER,
    Answers,
    Claimed,
    Row,
    answers,
    claim,
    enqueue,
    row,
    settle_params,
    start_worker,
)

_ITEMS: Final = "%s, %s, %s, %s, %s, %s::int8multirange[]"
RETRY: Final = (
    f"select * from awa.retry({_ITEMS}, %s::int[], %s::bigint[], %s::jsonb[], %s::float8[])"
)
SNOOZE: Final = f"select * from awa.snooze({_ITEMS}, %s::float8[])"
FAIL: Final = f"select * from awa.fail({_ITEMS}, %s::int[], %s::bigint[], %s::jsonb[])"
CANCEL_RUNNING: Final = f"select * from awa.cancel_running({_ITEMS}, %s)"
PROMOTE: Final = "select * from awa.promote(%s, %s, %s::bigint[])"
RESCUE_WORKER: Final = "select answer, released, ended, busy from awa.rescue_worker(%s, %s, %s)"
RESCUE_DEADLINE: Final = (
    "select released, ended, busy, next_at from awa.rescue_deadline(%s, %s, %s)"
)
CANCEL_PENDING: Final = "select answer, state from awa.cancel_pending(%s, %s, %s) order by item"
DLQ_MOVE: Final = "select answer, state from awa.dlq_move(%s, %s, %s) order by item"
DLQ_RETRY: Final = "select answer, state from awa.dlq_retry(%s, %s, %s) order by item"
DLQ_PURGE: Final = "select answer, state from awa.dlq_purge(%s, %s) order by item"
RETIRE: Final = "select * from awa.retire(%s, %s, %s)"

Fault = tuple[int, int, object, float | None]
"""What went wrong with an attempt: item, number, error, and in how many seconds to try again."""

Acted = list[tuple[str, str | None]]
"""What an act answered of each job: the word, and its state."""


def retry_params(
    rows: Sequence[Row],
    asked: Sequence[Iterable[int]] | None = None,
    *,
    settle_id: int = 1,
    worker: int = WORKER,
    faults: Sequence[Fault] = (),
) -> tuple[object, ...]:
    """Return what RETRY takes."""
    return (
        *settle_params(rows, asked, settle_id, worker),
        [item for item, _, _, _ in faults],
        [seq for _, seq, _, _ in faults],
        [None if error is None else Jsonb(error) for _, _, error, _ in faults],
        [delay_s for _, _, _, delay_s in faults],
    )


def retry(
    session: Session,
    *rows: Row,
    seqs: Iterable[int] | None = None,
    settle_id: int = 1,
    worker: int = WORKER,
    faults: Sequence[Fault] = (),
) -> Answers:
    """Retry rows of a claim, or (of one row) these numbers."""
    asked = None if seqs is None else [seqs]
    params = retry_params(rows, asked, settle_id=settle_id, worker=worker, faults=faults)
    return answers(session.execute(RETRY, params).fetchall())


def snooze(
    session: Session,
    *rows: Row,
    seqs: Iterable[int] | None = None,
    settle_id: int = 1,
    worker: int = WORKER,
    delays_s: Sequence[float] | None = None,
) -> Answers:
    """Snooze rows of a claim, or (of one row) these numbers, for a minute unless said otherwise."""
    asked = None if seqs is None else [seqs]
    waits = [60.0] * len(rows) if delays_s is None else [float(s) for s in delays_s]
    params = (*settle_params(rows, asked, settle_id, worker), waits)
    return answers(session.execute(SNOOZE, params).fetchall())


def fail(
    session: Session,
    *rows: Row,
    seqs: Iterable[int] | None = None,
    settle_id: int = 1,
    worker: int = WORKER,
    faults: Sequence[Fault] = (),
) -> Answers:
    """Fail rows of a claim, or (of one row) these numbers."""
    asked = None if seqs is None else [seqs]
    params = retry_params(rows, asked, settle_id=settle_id, worker=worker, faults=faults)[:-1]
    return answers(session.execute(FAIL, params).fetchall())


def cancel_running(
    session: Session,
    *rows: Row,
    seqs: Iterable[int] | None = None,
    settle_id: int = 1,
    worker: int | None = WORKER,
    reason: str | None = None,
) -> Answers:
    """Cancel rows of a claim, or (of one row) these numbers; a null worker is an operator."""
    asked = None if seqs is None else [seqs]
    _, *rest = settle_params(rows, asked, settle_id, 0)
    return answers(session.execute(CANCEL_RUNNING, [worker, *rest, reason]).fetchall())


def promote(
    session: Session,
    *jobs: int,
    since: datetime | str = "-infinity",
    max_jobs: int = 1000,
) -> int:
    """Promote what is due, or these jobs now, and return how many there were."""
    found = row(session, PROMOTE, [max_jobs, since, list(jobs) or None])
    promoted: int = found[0]
    return promoted


def next_at(session: Session, since: datetime | str = "-infinity") -> datetime | None:
    """Promote nothing (no job has the number 0), and return when the next one is due."""
    found: datetime | None = row(session, PROMOTE, [1, since, [0]])[1]
    return found


def rescue_worker(
    session: Session, worker: int = WORKER, beat: int | None = 0, max_claims: int = 500
) -> tuple[str, int, int, int]:
    """Rescue a worker whose counter stood at `beat`: answer, released, ended, busy."""
    found: tuple[str, int, int, int] = row(session, RESCUE_WORKER, [worker, beat, max_claims])
    return found


def rescue_deadline(
    session: Session,
    since: datetime | str = "-infinity",
    max_claims: int = 500,
    grace_s: float = 0,
) -> tuple[int, int, int]:
    """End what is past its deadline: released, ended, busy."""
    released, ended, busy, _ = row(session, RESCUE_DEADLINE, [max_claims, since, grace_s])
    return released, ended, busy


def wait_past(session: Session, at: datetime | None) -> None:
    """Wait until the server's clock is past an instant."""
    assert at is not None
    passed = "select clock_timestamp() > %s"
    wait_until(lambda: session.execute(passed, [at]).fetchone() == (True,), what=f"{at}")


def cancel_pending(
    session: Session, *jobs: int, settle_id: int = 1, reason: str | None = None
) -> Acted:
    """Cancel jobs nobody runs yet."""
    return session.execute(CANCEL_PENDING, [settle_id, list(jobs), reason]).fetchall()


def dlq_move(session: Session, *jobs: int, settle_id: int = 1, reason: str | None = None) -> Acted:
    """Move ended jobs to the dead letters."""
    return session.execute(DLQ_MOVE, [settle_id, list(jobs), reason]).fetchall()


def dlq_retry(session: Session, *jobs: int, settle_id: int = 1, **opts: object) -> Acted:
    """Let dead letters run again."""
    return session.execute(DLQ_RETRY, [settle_id, list(jobs), Jsonb(opts)]).fetchall()


def dlq_purge(session: Session, *jobs: int, settle_id: int = 1) -> Acted:
    """Delete dead letters."""
    return session.execute(DLQ_PURGE, [settle_id, list(jobs)]).fetchall()


def retire(
    session: Session, *, keep_s: float = 0, dlq_keep_s: float = 0, max_jobs: int = 1000
) -> tuple[int, int]:
    """Delete what was kept long enough: at once, unless told otherwise."""
    finals, dead = row(session, RETIRE, [max_jobs, keep_s, dlq_keep_s])
    return finals, dead


def dead_letter(session: Session, **opts: object) -> int:
    """Enqueue a job in a queue of its own, fail it, and return its id: it is a dead letter."""
    configure(session, "dead", dead_letters=True)
    start_worker(session)
    job = enqueue(session, queue="dead", **opts)
    found = claim(session, token=900 + job, queues=["dead"])
    assert [(1, "dead_lettered", found.row.seqs)] == fail(session, found.row, settle_id=900 + job)
    return job


def configure(session: Session, queue: str, **settings: object) -> None:
    """Set a queue up."""
    session.execute("select awa.configure_queue(%s, %s)", [queue, Jsonb(settings)])


def claim_again(session: Session, *jobs: int, token: int, queue: str = "default") -> Claimed:
    """Promote these jobs, whatever their time, and claim them."""
    assert len(jobs) == promote(session, *jobs)
    return claim(session, len(jobs), token=token, queues=[queue])


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Where a job is, and what it carries."""

    state: str
    reason: str | None
    run_lease: int
    attempt: int
    losses: int
    extra: dict[str, Any]

    @property
    def place(self) -> tuple[str, int, int, int]:
        """Return its state, run_lease, attempt and losses."""
        return self.state, self.run_lease, self.attempt, self.losses

    @property
    def errors(self) -> list[str]:
        """Return what is kept of its errors, oldest first."""
        return [e["error"] for e in self.extra.get("errors", [])]


def job_at(session: Session, job: int) -> Job:
    """Return the one place a job is in; a dead letter is in the state `dead_lettered`."""
    found = row(
        session,
        "select state, reason, run_lease, attempt, losses, extra from awa.jobs where id = %s"
        " union all select 'dead_lettered', reason, run_lease, attempt, losses, extra"
        " from awa.dead_letters where id = %s",
        [job, job],
    )
    return Job(
        state=found[0],
        reason=found[1],
        run_lease=found[2],
        attempt=found[3],
        losses=found[4],
        extra=found[5],
    )


def due_in_s(session: Session, job: int) -> float:
    """Return in how many seconds a deferred job is due."""
    (found,) = row(
        session,
        "select extract(epoch from run_at - clock_timestamp())::float8"
        " from awa.deferred where job_id = %s",
        [job],
    )
    return float(found)


@contextmanager
def told(session: Session, channel: LiteralString) -> Iterator[list[str]]:
    """Listen on a channel; the list holds the payloads when the block has ended."""
    heard: list[str] = []
    session.execute("select set_config('search_path', 'awa', false)")
    name = row(session, channel)[0]
    session.execute(f'listen "{name}"')
    yield heard
    heard += [notice.payload for notice in session.notifies(timeout=0.05)]
