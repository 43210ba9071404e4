"""The leader's upkeep: the ring turns, slots are emptied, and what ended long ago is forgotten."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from awa._core.limits import RING_SLOTS
from awa._runtime.reconnecting import Session as Reconnecting
from awa._runtime.retiring import Retirer
from awa._runtime.seat import Seat
from awa._runtime.settings import Retention
from awa._runtime.turning import Turner
from awa._storage.functions import Storage
from tests.fix_database import NewSession, Session

AT_ONCE = Retention(completed_s=0.0, slot_s=0.0, finals_s=0.0, dead_letters_s=0.0)
KEEPING = Retention(slot_s=0.0)
W = 7
Receipts = list[tuple[Any, ...]]


@pytest.fixture
async def seat(database: str) -> AsyncIterator[Seat]:
    """Return the seat of a leader."""
    session = Reconnecting(name="lead", conninfo=database)
    yield Seat(session, on_lost=lambda: None)
    await session.aclose()


@pytest.fixture
def conn(session: NewSession) -> Session:
    """Return a session with a worker."""
    opened = session()
    opened.execute("select awa.worker_start(%s, '{}')", [W])
    return opened


def enqueue(conn: Session, jobs: int = 1, opts: str = "{}") -> None:
    """Store jobs in the current slot."""
    conn.execute("select awa.enqueue('k', '{}', %s) from generate_series(1, %s)", [opts, jobs])


def claim(conn: Session, call: int) -> Receipts:
    """Claim what there is, under the call's number as token; return the receipts."""
    return conn.execute(
        "select slot, part, seqs::text from awa.claim(%s, %s, %s, array['default'], array[1000])"
        " where answer = 'got'",
        [W, call, call],
    ).fetchall()


def complete(conn: Session, token: int, receipts: Receipts) -> None:
    """Complete what this claim took."""
    for slot, part, seqs in receipts:
        conn.execute(
            "select awa.complete(%s, %s, array[%s::smallint], array[%s::bigint],"
            " array[%s::smallint], array[%s::int8multirange])",
            [W, 1000 * token + part, slot, token, part, seqs],
        )


def current(conn: Session) -> int:
    """Return the slot that new entries go to."""
    row = conn.execute("select last_value from awa.ring_seq").fetchone()
    assert row is not None
    return int(row[0])


def filled(conn: Session) -> set[int]:
    """Return the slots that hold an entry."""
    return {row[0] for row in conn.execute("select distinct slot from awa.ready").fetchall()}


async def test_an_old_slot_is_left_and_emptied_when_everything_in_it_has_ended(
    seat: Seat, conn: Session
) -> None:
    """Guards disk space: what was completed goes, and what is open stays."""
    turner = Turner(seat, Storage(), AT_ONCE)
    enqueue(conn, 3)
    receipts = claim(conn, 1)
    await turner.once()
    assert (1, {0}) == (current(conn), filled(conn))
    complete(conn, 1, receipts)
    await Turner(seat, Storage(), AT_ONCE).once()
    assert (1, set()) == (current(conn), filled(conn))


async def test_history_is_kept_for_its_retention(seat: Seat, conn: Session) -> None:
    """Guards looking back: a slot that has ended stays as long as was chosen."""
    enqueue(conn)
    complete(conn, 1, claim(conn, 1))
    await Turner(seat, Storage(), KEEPING).once()
    assert (1, {0}) == (current(conn), filled(conn))


async def test_a_ring_at_rest_does_not_turn(seat: Seat, conn: Session) -> None:
    """Guards idle databases: an empty slot is never too old."""
    await Turner(seat, Storage(), AT_ONCE).once()
    assert 0 == current(conn)


async def test_a_full_ring_gives_up_history_first(seat: Seat, conn: Session) -> None:
    """Guards the bound of the ring: without room the oldest history goes before its time."""
    turner = Turner(seat, Storage(), KEEPING)
    for n in range(1, RING_SLOTS + 1):
        enqueue(conn)
        complete(conn, n, claim(conn, n))
        await turner.once()
    assert RING_SLOTS - 1 == current(conn)
    assert set(range(RING_SLOTS)) - filled(conn) == {0}
    await turner.once()
    assert 0 == current(conn)


async def test_a_full_ring_carries_the_last_live_entries_forward(seat: Seat, conn: Session) -> None:
    """Guards against one forgotten job: it moves, and its slot is emptied."""
    turner = Turner(seat, Storage(), KEEPING)
    receipts = {}
    for n in range(1, RING_SLOTS + 1):
        enqueue(conn, 2)
        receipts[n] = claim(conn, n)
        await turner.once()
    assert RING_SLOTS - 1 == current(conn)
    await turner.once()
    assert 0 == current(conn)
    open_entries = conn.execute("select count(*) from awa.jobs where state = 'running'").fetchone()
    assert (2 * RING_SLOTS,) == open_entries
    for token, held in receipts.items():
        complete(conn, token, held)
    done = conn.execute("select count(*) from awa.jobs where state = 'completed'").fetchone()
    assert (2 * RING_SLOTS,) == done
    assert [] == conn.execute('select * from awa."check"()').fetchall()


async def test_a_ring_full_of_live_entries_goes_on_and_says_so(
    seat: Seat, conn: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards work: entries keep going to the current slot, and the log says why disk use grows."""
    reader = "begin; lock table awa.ready in access share mode"
    turner = Turner(seat, Storage(), KEEPING)
    for n in range(1, RING_SLOTS):
        enqueue(conn)
        claim(conn, n)
        await turner.once()
    enqueue(conn)
    conn.execute(reader)
    for _ in range(2):
        await turner.once()
    conn.execute("rollback")
    assert RING_SLOTS - 1 == current(conn)
    assert 1 == sum("the ring is full" in record.message for record in caplog.records)


async def test_ended_jobs_are_forgotten_after_their_retention(seat: Seat, conn: Session) -> None:
    """Guards tables that are no ring: failed and cancelled jobs go when their time is over."""
    enqueue(conn, 5, '{"delay_s": 600}')
    conn.execute("select awa.cancel_pending(1, array_agg(job_id)) from awa.deferred")
    assert (5,) == conn.execute("select count(*) from awa.finals").fetchone()
    await Retirer(seat, Storage(), Retention()).once()
    assert (5,) == conn.execute("select count(*) from awa.finals").fetchone()
    await Retirer(seat, Storage(), AT_ONCE).once()
    assert (0,) == conn.execute("select count(*) from awa.finals").fetchone()
