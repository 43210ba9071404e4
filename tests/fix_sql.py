"""The SQL contract in words: thin typed calls of the functions, so that tests read as sentences.

Nothing here decides anything: each function is one statement. Numbers are those of a lane (1 is the
first job enqueued in it), tokens and workers are small made-up numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.fix_database import Session, Statement

Start = Callable[..., Statement]
Blocked = Callable[[int], None]

WORKER: Final = 1
TABLES: Final = [
    *("meta", "lock_classes", "lanes", "queue_settings", "workers", "ring_slots"),
    *("ready", "claims", "closures", "results", "leases"),
    *("deferred", "finals", "dlq", "unique_keys", "cron_schedules"),
]

CLAIM: Final = (
    "select queue, answer, slot, part, lane, seqs, deadline from awa.claim(%s, %s, %s, %s, %s)"
)
COMPLETE: Final = "select * from awa.complete(%s, %s, %s, %s, %s, %s::int8multirange[])"
RELEASE: Final = "select * from awa.release(%s, %s, %s, %s, %s, %s::int8multirange[])"
ENQUEUE: Final = "select id from awa.enqueue('k', '{}')"
ENQUEUE_MANY: Final = (
    "select id from awa.enqueue_many((select jsonb_agg(jsonb_build_object("
    "'kind', 'k', 'args', jsonb_build_object('n', i), 'opts', %s::jsonb) order by i)"
    " from generate_series(1, %s) i))"
)


def bodies(arguments: LiteralString) -> LiteralString:
    """For a FROM: what `bodies` answers with these arguments, a row for each entry."""
    return (
        "(select slot, part, lane, entry.* from awa.bodies(" + arguments + ") many,"
        " unnest(seqs, job_ids, run_leases, attempts, max_attempts, losses, kinds,"
        " string_to_array(args, chr(10))::jsonb[], string_to_array(extras, chr(10))::jsonb[],"
        " many.enqueued_s) entry (seq, job_id, run_lease, attempt, max_attempts, losses, kind,"
        " args, extra, enqueued_s)) bodies"
    )


def row(session: Session, statement: LiteralString, params: Sequence[object] = ()) -> Any:
    """Return the only row."""
    found = session.execute(statement, params).fetchall()
    assert len(found) == 1
    return found[0]


def value(session: Session, statement: LiteralString, params: Sequence[object] = ()) -> Any:
    """Return the only value."""
    (found,) = row(session, statement, params)
    return found


def numbers(multirange: Any) -> list[int]:
    """Return the numbers of a multirange, ascending."""
    return [n for part in multirange for n in range(part.lower, part.upper)]


def as_text(wanted: Iterable[int]) -> str:
    """Return a multirange's text."""
    return "{" + ",".join(f"[{n},{n + 1})" for n in wanted) + "}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One claims row, as the claim answered it."""

    queue: str
    slot: int
    token: int
    part: int
    lane: int
    seqs: list[int]
    deadline: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a claim answered."""

    rows: list[Row]
    empty: list[str]
    busy: list[str]

    @property
    def seqs(self) -> list[int]:
        """Return all numbers it took, row by row."""
        return [n for r in self.rows for n in r.seqs]

    @property
    def row(self) -> Row:
        """Return its only row."""
        (only,) = self.rows
        return only


def claimed(rows: Sequence[tuple[Any, ...]], token: int) -> Claimed:
    """Return the rows of `claim` as a value."""
    got = [
        Row(
            queue=r[0],
            slot=r[2],
            token=token,
            part=r[3],
            lane=r[4],
            seqs=numbers(r[5]),
            deadline=r[6],
        )
        for r in rows
        if r[1] == "got"
    ]
    assert all(r[2:] == (None,) * 5 for r in rows if r[1] != "got")
    named = {a: sorted(r[0] for r in rows if r[1] == a) for a in ("empty", "busy")}
    assert len(got) + len(named["empty"]) + len(named["busy"]) == len(rows)
    return Claimed(rows=got, empty=named["empty"], busy=named["busy"])


def claim(
    session: Session,
    limit: int = 10,
    *,
    token: int = 1,
    call: int | None = None,
    worker: int = WORKER,
    queues: Sequence[str] = ("default",),
    limits: Sequence[int] | None = None,
) -> Claimed:
    """Claim; the call's number is the token's, unless said otherwise."""
    params = claim_params(
        limit, token=token, call=call, worker=worker, queues=queues, limits=limits
    )
    return claimed(session.execute(CLAIM, params).fetchall(), token)


def claim_params(
    limit: int = 10,
    *,
    token: int = 1,
    call: int | None = None,
    worker: int = WORKER,
    queues: Sequence[str] = ("default",),
    limits: Sequence[int] | None = None,
) -> tuple[object, ...]:
    """Return what CLAIM takes, for a claim that runs in a thread."""
    each = list(limits) if limits is not None else [limit] * len(queues)
    return (worker, token if call is None else call, token, list(queues), each)


Answers = list[tuple[int, str, list[int]]]


def settle_params(
    rows: Sequence[Row], asked: Sequence[Iterable[int]] | None, settle_id: int, worker: int
) -> tuple[object, ...]:
    """Return what COMPLETE and RELEASE take: these rows, wholly or the numbers asked of each."""
    wanted = [r.seqs for r in rows] if asked is None else asked
    return (
        worker,
        settle_id,
        [r.slot for r in rows],
        [r.token for r in rows],
        [r.part for r in rows],
        [as_text(w) for w in wanted],
    )


def complete(
    session: Session,
    *rows: Row,
    seqs: Iterable[int] | None = None,
    settle_id: int = 1,
    worker: int = WORKER,
) -> Answers:
    """Complete rows of a claim, or (of one row) these numbers."""
    asked = None if seqs is None else [seqs]
    return _answers(session, COMPLETE, settle_params(rows, asked, settle_id, worker))


def release(
    session: Session,
    *rows: Row,
    seqs: Iterable[int] | None = None,
    settle_id: int = 1,
    worker: int = WORKER,
) -> Answers:
    """Release rows of a claim, or (of one row) these numbers."""
    asked = None if seqs is None else [seqs]
    return _answers(session, RELEASE, settle_params(rows, asked, settle_id, worker))


def answers(rows: Sequence[tuple[Any, ...]]) -> Answers:
    """Return a settle's rows as (item, answer, numbers), sorted."""
    return sorted((item, answer, numbers(seqs)) for item, answer, seqs in rows)


def _answers(session: Session, statement: LiteralString, params: tuple[object, ...]) -> Answers:
    return answers(session.execute(statement, params).fetchall())


def start_worker(session: Session, worker: int = WORKER) -> int:
    """Start a worker and return its number."""
    session.execute("select awa.worker_start(%s, '{}')", [worker])
    return worker


def enqueue(session: Session, **opts: object) -> int:
    """Enqueue a job of kind `k` and return its id."""
    found = value(session, "select id from awa.enqueue('k', '{}', %s)", [Jsonb(opts)])
    assert isinstance(found, int)
    return found


def enqueue_many(session: Session, count: int, **opts: object) -> list[int]:
    """Enqueue jobs with args {"n": 1}, {"n": 2} ... and return their ids."""
    return [r[0] for r in session.execute(ENQUEUE_MANY, [Jsonb(opts), count]).fetchall()]


def beat(
    session: Session, beat: int, upto: int, open_calls: Iterable[int] = (), worker: int = WORKER
) -> tuple[str, int]:
    """Send a heartbeat and return its answer and how many entries it released."""
    found = row(
        session,
        "select * from awa.heartbeat(%s, %s, %s, %s)",
        [worker, beat, upto, as_text(open_calls)],
    )
    return found[0], found[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """A lane's cursor and holes, as its newest claim left them."""

    no: int
    next: int
    holes: list[int]
    holes_xid: int | None
    young: list[int]
    young_xid: int | None


def lane_state(session: Session, lane: int = 1) -> LaneState:
    """Return the state in the lane's newest claims row."""
    found = session.execute(
        "select no, next, holes, holes_xid::text::bigint, young, young_xid::text::bigint"
        " from awa.claims where lane = %s and no is not null order by no desc limit 1",
        [lane],
    ).fetchall()[0]
    return LaneState(
        no=found[0],
        next=found[1],
        holes=numbers(found[2]),
        holes_xid=found[3],
        young=numbers(found[4]),
        young_xid=found[5],
    )


def all_holes(session: Session, lane: int = 1) -> list[int]:
    """Return the numbers below the lane's cursor that it still waits for."""
    state = lane_state(session, lane)
    return sorted(state.holes + state.young)


def broken(session: Session) -> list[str]:
    """Return the names of the properties that `check` finds broken."""
    found = session.execute('select property from awa."check"()').fetchall()
    return sorted(name for (name,) in found)


def everything(session: Session) -> dict[str, int]:
    """Count the rows of every table, and the sequences (a lane is one)."""
    counts: dict[str, int] = {}
    for table in TABLES:
        found = session.execute(
            sql.SQL("select count(*) from awa.{}").format(sql.Identifier(table))
        ).fetchall()
        counts[table] = found[0][0]
    counts["sequences"] = value(
        session, "select count(*) from pg_class where relkind = 'S' and relname ~ '^lane_'"
    )
    return counts


def job_states(session: Session) -> list[tuple[int, str]]:
    """Return every job's id and state."""
    return session.execute("select id, state from awa.jobs order by id").fetchall()


@contextmanager
def refused(sqlstate: str, about: str = "") -> Iterator[None]:
    """Expect this SQLSTATE; for bad input (AW001), DETAIL names the field it is about."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    assert caught.value.sqlstate == sqlstate, str(caught.value)
    if sqlstate == "AW001":
        assert caught.value.diag.message_detail == about, str(caught.value)
    else:
        assert about in str(caught.value)
