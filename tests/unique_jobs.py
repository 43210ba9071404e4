"""Unique jobs in words: what an enqueue answers, and who holds which key."""

from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from tests.fix_database import Session
from tests.fix_sql import Row, claim, settle_params, value

KEY: Final = "0123456789abcdef" * 2
PUT: Final = "select id, state, duplicate, answer from awa.enqueue(%s, %s, %s)"
PUT_MANY: Final = "select id, state, duplicate, answer from awa.enqueue_many(%s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What an enqueue answered."""

    id: int | None
    state: str | None
    duplicate: bool
    answer: str


def unique(**more: object) -> dict[str, object]:
    """Return options of a unique job: the same key for all, unless another one is given."""
    parts = ("key", "until", "until_at", "states")
    rest = {name: option for name, option in more.items() if name not in parts}
    said = {name: option for name, option in more.items() if name in parts}
    return {"unique": {"key": KEY, **said}, **rest}


def put_params(args: object = None, **opts: object) -> list[object]:
    """Return what PUT takes, for an enqueue that runs in a thread."""
    return ["k", Jsonb({} if args is None else args), Jsonb(opts)]


def put(session: Session, **opts: object) -> Put:
    """Enqueue a job with these options."""
    (found,) = session.execute(PUT, put_params(**opts)).fetchall()
    return put_of(found)


def new(session: Session, **opts: object) -> int:
    """Enqueue a unique job, which must be a new one, and return its id."""
    found = put(session, **unique(**opts))
    assert not found.duplicate
    assert found.id is not None
    return found.id


def is_held(session: Session, key: str = KEY) -> bool:
    """Whether the key is taken: whoever asks for it gets no job of his own."""
    found = put(session, unique={"key": key}, on_conflict="skip")
    return found.answer == "skipped"


def put_many(session: Session, *jobs: dict[str, object]) -> list[Put]:
    """Enqueue jobs of these options in one document."""
    document = Jsonb([{"kind": "k", "args": {}, "opts": opts} for opts in jobs])
    return [put_of(row) for row in session.execute(PUT_MANY, [document]).fetchall()]


def put_of(row: tuple[Any, ...]) -> Put:
    """Return an enqueue's row as a value."""
    return Put(id=row[0], state=row[1], duplicate=row[2], answer=row[3])


def keys(session: Session) -> list[tuple[str, int]]:
    """Return who holds which key, expired ones included."""
    return session.execute(
        "select encode(unique_key, 'hex'), job_id from awa.unique_keys order by 2, 1"
    ).fetchall()


def retry(session: Session, row: Row, *, delay_s: float = 0, settle_id: int = 1) -> None:
    """Let the attempts of a claim's row fail, to be tried again after a delay."""
    faults = ([1] * len(row.seqs), row.seqs, [Jsonb({"error": "e"})] * len(row.seqs))
    session.execute(
        "select * from awa.retry(%s, %s, %s, %s, %s, %s::int8multirange[], %s, %s, %s, %s)",
        (*settle_params([row], None, settle_id, 1), *faults, [delay_s] * len(row.seqs)),
    )


def fail(session: Session, row: Row, settle_id: int = 1) -> None:
    """Let the attempts of a claim's row fail for good."""
    session.execute(
        "select * from awa.fail(%s, %s, %s, %s, %s, %s::int8multirange[])",
        settle_params([row], None, settle_id, 1),
    )


def snooze(session: Session, row: Row, delay_s: float = 60) -> None:
    """Give the attempt of a claim's row back until later."""
    session.execute(
        "select * from awa.snooze(%s, %s, %s, %s, %s, %s::int8multirange[], %s)",
        (*settle_params([row], None, 1, 1), [delay_s]),
    )


def promote(session: Session, *jobs: int) -> None:
    """Let deferred jobs become entries now, whatever their time."""
    assert len(jobs) == value(session, "select promoted from awa.promote(job_ids => %s)", [[*jobs]])


def dead_letter(session: Session, **opts: object) -> int:
    """Return a unique job that failed and is a dead letter."""
    job = new(session, **opts)
    fail(session, claim(session, token=job).row, settle_id=job)
    session.execute("select * from awa.dlq_move(%s, %s)", [job, [job]])
    return job


def dlq_retry(session: Session, job: int, settle_id: int = 900, **opts: object) -> str:
    """Let a dead letter run again, and return the answer."""
    found = session.execute(
        "select answer from awa.dlq_retry(%s, %s, %s)", [settle_id, [job], Jsonb(opts)]
    ).fetchall()
    return str(found[0][0])
