"""One Call, every executor: the same answers and the same errors whatever drives the connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio
from psycopg.rows import dict_row

from awa._core.entries import Answer, Ask, JobState, Result, SettleItem, WorkerInfo
from awa._core.options import NewJob, new_job
from awa._core.ranges import Ranges
from awa._storage.calls import Call
from awa._storage.connecting import open_connection
from awa._storage.executors import (
    run_asyncio,
    run_foreign,
    run_foreign_sync,
    run_overlapped,
    run_sync,
    run_trio,
)
from awa._storage.foreign import adapt, numbered, plain
from awa._storage.functions import Storage
from awa._storage.piping import Asked, answer_of, send_ahead
from awa.errors import (
    AccessDenied,
    ConfigurationError,
    InvalidInput,
    LimitExceeded,
    OutcomeUnknown,
    SchemaMissing,
    ServerBusy,
    UnknownWorker,
    WrongIsolation,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from awa._core.bodies import Bodies
    from awa._storage.driver import TrioConnection
    from tests.fix_database import NewSession, Session

STORAGE = Storage()
INFO = WorkerInfo(name="w", host="h", pid=1, queues=("default",), version="0")
JOB = new_job({"s": "ü", "n": [1, None]}, {"kind": "k", "tags": ["t"]})


@pytest.fixture
async def conn(database: str) -> AsyncIterator[TrioConnection[tuple[Any, ...]]]:
    """A trio connection in autocommit."""
    async with open_connection(database) as opened:
        yield opened


async def claimed(conn: TrioConnection[tuple[Any, ...]]) -> Bodies:
    """Start a worker, claim everything, and read the bodies in the same round trip."""
    await run_trio(conn, STORAGE.worker_start(1, INFO))
    claim = STORAGE.claim(1, call=1, token=-5, asks=[Ask(queue="default", limit=500)])
    asked, read = Asked(call=claim), Asked(call=STORAGE.bodies(-5))
    await send_ahead(conn, asked, read)
    answer, (bodies,) = await answer_of(conn, asked), await answer_of(conn, read)
    assert sum(len(row.seqs) for row in answer.rows) == len(bodies)
    return bodies


async def test_under_trio_bodies_arrive_with_their_claim(
    conn: TrioConnection[tuple[Any, ...]],
) -> None:
    """The claim has committed before the bodies are read: one round trip, two transactions."""
    enqueued = await run_trio(conn, STORAGE.enqueue(JOB))
    assert JobState.AVAILABLE is enqueued.state
    (body,) = await claimed(conn)
    assert (enqueued.id, "k", 1, 1, 25) == (
        body.job_id,
        body.kind,
        body.run_lease,
        body.attempt,
        body.max_attempts,
    )
    assert (b'{"n": [1, null], "s": "\xc3\xbc"}', b'{"tags": ["t"]}') == (body.args, body.extra)
    cursor = await conn.execute("select enqueued_at from awa.ready")
    assert (body.enqueued_at,) == await cursor.fetchone()


async def test_a_claim_that_fails_in_the_pipeline_is_the_error(
    conn: TrioConnection[tuple[Any, ...]],
) -> None:
    """Whatever the second statement did; and the connection goes on."""
    claim = Asked(call=STORAGE.claim(9, call=1, token=1, asks=[Ask(queue="default", limit=1)]))
    bodies = Asked(call=STORAGE.bodies(1))
    await send_ahead(conn, claim, bodies)
    with pytest.raises(UnknownWorker):
        await answer_of(conn, claim)
    assert () == await answer_of(conn, bodies)
    assert (await run_trio(conn, STORAGE.enqueue(JOB))).id > 0


async def test_an_error_that_comes_while_others_are_sent_is_kept_for_whoever_asks(
    conn: TrioConnection[tuple[Any, ...]],
) -> None:
    """Guards the connection: a call in trouble takes no other one with it, whenever it is told."""
    claim = Asked(call=STORAGE.claim(9, call=1, token=1, asks=[Ask(queue="default", limit=1)]))
    await send_ahead(conn, claim)
    assert claim.cursor is not None
    if not claim.cursor.has_answer:  # it may have come while the claim was sent
        await trio.lowlevel.wait_readable(conn.pgconn.socket)
    enqueues = [Asked(call=STORAGE.enqueue(JOB)) for _ in range(2)]
    await send_ahead(conn, *enqueues)
    assert (await answer_of(conn, enqueues[0])).id > 0
    with pytest.raises(UnknownWorker):
        await answer_of(conn, claim)
    assert (await answer_of(conn, enqueues[1])).id > 0
    assert 2 == await rows_in(conn, "ready")


def nap(n: int, nap_s: float) -> Call[int]:
    """Return a call that takes so long."""
    return Call(
        action="nap",
        sql="select %s::int, pg_sleep(%s)::text",
        params=(n, nap_s),
        decode=lambda rows: int(rows[0][0]),
    )


@pytest.mark.parametrize("behind", [0, 1])
async def test_a_call_that_was_sent_ahead_can_be_cancelled(
    conn: TrioConnection[tuple[Any, ...]], behind: int
) -> None:
    """Guards time-outs: it is Cancelled that comes, and no error of the server's."""
    asked = [Asked(call=nap(1, 30.0)), *(Asked(call=nap(2, 0.0)) for _ in range(behind))]
    await send_ahead(conn, *asked)
    with trio.move_on_after(0.1) as scope:
        await answer_of(conn, asked[0])
    assert scope.cancelled_caught
    assert [2] * behind == [await answer_of(conn, one) for one in asked[1:]]


async def test_overlapped_calls_can_be_cancelled(conn: TrioConnection[tuple[Any, ...]]) -> None:
    """Guards time-outs of who stores very many jobs; and the connection goes on."""

    async def naps() -> AsyncIterator[Call[int]]:
        yield nap(1, 30.0)
        yield nap(2, 0.0)

    with trio.move_on_after(0.1) as scope:
        await run_overlapped(conn, naps())
    assert scope.cancelled_caught
    assert 3 == await run_trio(conn, nap(3, 0.0))


async def test_a_call_is_sent_behind_one_that_is_under_way(
    conn: TrioConnection[tuple[Any, ...]],
) -> None:
    """Guards answers: each gets its own, whenever it is asked for, and the connection goes on."""
    enqueues = [Asked(call=STORAGE.enqueue(JOB)) for _ in range(4)]
    await send_ahead(conn, *enqueues[:2])
    first = await answer_of(conn, enqueues[0])
    await send_ahead(conn, enqueues[2])
    # Nobody sent this one before; and the third has come when its answer is asked for.
    last, third = await answer_of(conn, enqueues[3]), await answer_of(conn, enqueues[2])
    second = await answer_of(conn, enqueues[1])
    assert first.id < second.id < third.id < last.id
    assert 4 == await rows_in(conn, "ready")


async def test_what_was_sent_behind_a_call_that_fails_is_done_or_sent_again(
    conn: TrioConnection[tuple[Any, ...]],
) -> None:
    """Guards NoJobLost: an answer that came before, or with the error, is not asked for twice."""
    before, fails, behind = (
        Asked(call=STORAGE.enqueue(JOB)),
        Asked(call=STORAGE.bodies(1, guess=[99])),
        Asked(call=STORAGE.enqueue(JOB)),
    )
    await send_ahead(conn, before, fails, behind)
    with pytest.raises(InvalidInput):
        await answer_of(conn, fails)
    assert (await answer_of(conn, before)).id < (await answer_of(conn, behind)).id
    assert 2 == await rows_in(conn, "ready")


async def rows_in(conn: TrioConnection[tuple[Any, ...]], table: str) -> int:
    """Count the rows of one of the tables."""
    cursor = await conn.execute(f"select count(*) from awa.{table}")
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_broken_connection_is_an_unknown_outcome(
    conn: TrioConnection[tuple[Any, ...]], one: Session
) -> None:
    """The claim may have happened: its token will tell."""
    one.execute("select pg_terminate_backend(%s)", [conn.info.backend_pid])
    with pytest.raises(OutcomeUnknown):
        await run_trio(conn, STORAGE.enqueue(JOB))
    assert conn.closed


def test_under_asyncio_the_same_call_runs(database: str) -> None:
    """FastAPI and friends produce with psycopg's own connection."""

    async def main() -> None:
        conn = await psycopg.AsyncConnection.connect(database, row_factory=dict_row)
        async with conn:
            first = await run_asyncio(conn, STORAGE.enqueue(JOB))
            (second,) = await run_asyncio(conn, STORAGE.enqueue_many([JOB]))
            assert first.id < second.id
            with pytest.raises(SchemaMissing):
                await run_asyncio(conn, Storage("nowhere").schema_version())

    asyncio.run(main())


def test_a_synchronous_connection_runs_it_in_the_callers_transaction(
    session: NewSession, one: Session
) -> None:
    """Whatever rows the caller's connection makes, and rolled back with the caller."""
    theirs = session(autocommit=False, row_factory=dict_row)
    run_sync(theirs, STORAGE.enqueue_many([JOB, JOB]))
    theirs.rollback()
    run_sync(theirs, STORAGE.enqueue(JOB))
    theirs.commit()
    assert [(1,)] == one.execute("select count(*) from awa.jobs").fetchall()


class Dbapi:
    """A plain DB-API connection, as Django's and others' look: only `cursor` is known of it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def cursor(self) -> psycopg.ClientCursor[tuple[Any, ...]]:
        """Parameters are put in by the client, as older drivers do."""
        return psycopg.ClientCursor(self._session)


def test_a_foreign_connection_runs_every_sort_of_call(one: Session) -> None:
    """Arrays, JSON and multiranges travel as text, so that no driver has to know them."""
    theirs = Dbapi(one)
    assert "started" == run_foreign_sync(theirs, STORAGE.worker_start(1, INFO))
    assert 2 == len(run_foreign_sync(theirs, STORAGE.enqueue_many([JOB, JOB])))
    claim = STORAGE.claim(1, call=1, token=7, asks=[Ask(queue="default", limit=5)])
    assert ["{[1,3)}"] == [str(row.seqs) for row in run_foreign_sync(theirs, claim).rows]
    item = SettleItem(slot=0, token=7, part=1, seqs=Ranges([(1, 2)]))
    result = Result(item=1, seq=1, value=b'{"n": 1}')
    (done,) = run_foreign_sync(theirs, STORAGE.complete(1, 5, [item], [result], waits=True))
    assert Answer.SETTLED == done.answer
    with pytest.raises(UnknownWorker):
        run_foreign_sync(
            theirs, STORAGE.claim(2, call=1, token=8, asks=[Ask(queue="default", limit=5)])
        )
    odd = NewJob(kind="k" * 201, args=b"{}")
    with pytest.raises(InvalidInput) as caught:
        run_foreign_sync(theirs, STORAGE.enqueue(odd))
    assert "kind" == caught.value.field


async def test_a_psycopg_connection_is_not_foreign(
    conn: TrioConnection[tuple[Any, ...]], one: Session
) -> None:
    """The bridge takes whatever the caller has."""
    assert 1 == await run_foreign(conn, STORAGE.ensure_lane("default"))
    assert 1 == run_foreign_sync(one, STORAGE.ensure_lane("default"))


async def test_a_connection_of_the_other_sort_is_named(one: Session) -> None:
    """A synchronous connection cannot be awaited, and what is no connection is told so."""
    with pytest.raises(ConfigurationError, match="synchronous"):
        await run_foreign(Dbapi(one), STORAGE.ensure_lane("default"))
    with pytest.raises(ConfigurationError, match="no connection"):
        adapt(object())


def test_placeholders_are_numbered_for_drivers_that_want_it() -> None:
    """A doubled percent sign is one percent sign; binary places are psycopg's alone."""
    assert "$1, $2" == numbered("%s, %b")
    assert '"a%%b", %s' == plain('"a%%b", %b')
    assert "select \"a%b\"($1::int, $2, '%s')" == numbered("select \"a%%b\"(%s::int, %s, '%%s')")


def test_a_call_names_what_the_database_refused(one: Session, session: NewSession) -> None:
    """Each SQLSTATE of ours becomes its error, and a server's refusal one of its own."""
    claim = STORAGE.claim(1, call=1, token=1, asks=[Ask(queue="default", limit=1)])
    snapshot = session()
    snapshot.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with pytest.raises(WrongIsolation), snapshot.transaction():
        run_sync(snapshot, claim)
    run_sync(one, STORAGE.ensure_lane("default"))
    one.execute("create role nobody_special")
    try:
        one.execute("set role nobody_special")
        with pytest.raises(AccessDenied):
            run_sync(one, claim)
    finally:
        one.execute("reset role")
        one.execute("drop role nobody_special")
    one.execute("set statement_timeout = 1")
    with pytest.raises(ServerBusy):
        run_sync(one, STORAGE.enqueue_many([JOB] * 5000))


def test_limits_are_checked_before_anything_is_sent() -> None:
    """Building a Call does no I/O, and still knows what the database would refuse."""
    with pytest.raises(LimitExceeded, match="1001 entries"):
        STORAGE.claim(
            1, call=1, token=1, asks=[Ask(queue="a", limit=501), Ask(queue="b", limit=500)]
        )
    with pytest.raises(LimitExceeded, match="5001 jobs"):
        STORAGE.enqueue_many([JOB] * 5001)


async def batches_of(
    *batches: list[NewJob], made: list[int]
) -> AsyncIterator[Call[tuple[Any, ...]]]:
    """Calls that are made when they are asked for; `made` says how many were."""
    for batch in batches:
        made.append(len(batch))
        yield STORAGE.enqueue_many(batch)


async def test_overlapped_calls_answer_in_their_order(
    conn: TrioConnection[tuple[Any, ...]], one: Session
) -> None:
    """Guards bulk enqueues: each is a transaction of its own, under way while the next is made."""
    made: list[int] = []
    answers = await run_overlapped(conn, batches_of([JOB] * 3, [JOB], [JOB] * 2, made=made))
    assert [3, 1, 2] == made == [len(answer) for answer in answers]
    assert list(range(1, 7)) == [job.id for answer in answers for job in answer]
    found = one.execute("select count(distinct xmin::text), count(*) from awa.ready").fetchone()
    assert (3, 6) == found
    assert not conn.closed


async def test_a_failing_overlapped_call_leaves_what_went_before(
    conn: TrioConnection[tuple[Any, ...]], one: Session
) -> None:
    """Guards errors: the caller gets this call's own, with the connection usable."""
    bad = JOB._replace(kind="")
    made: list[int] = []
    with pytest.raises(InvalidInput, match="jobs\\[1\\]"):
        await run_overlapped(conn, batches_of([JOB], [JOB, bad], [JOB], [JOB], made=made))
    assert [1, 2, 1] == made
    stored = one.execute("select count(*) from awa.ready").fetchone()
    assert stored in {(1,), (2,)}, "the batch that was sent before the error may have been stored"
    assert (await run_trio(conn, STORAGE.enqueue(JOB))).id > 0


async def test_overlapped_calls_under_asyncio_run_one_by_one(database: str) -> None:
    """Guards the other loop: the same answers without a pipeline."""

    async def main() -> list[int]:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as plain:
            calls = batches_of([JOB] * 2, [JOB], made=[])
            return [len(answer) for answer in await run_overlapped(plain, calls)]

    assert [2, 1] == await trio.to_thread.run_sync(asyncio.run, main())
