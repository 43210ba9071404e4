"""The leader: on time, one at a time, replaced when it is lost, and quiet when there is nothing."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

import pytest
import trio

import awa
from awa._core.entries import Observed, Promotion
from awa._runtime.limits import IDLE_SESSION_TIMEOUT_S
from awa._runtime.settings import WorkerSettings
from awa._runtime.worker import Worker
from awa._storage.calls import Call, Rows
from awa._storage.functions import Storage
from tests.facts import Stopwatch
from tests.fix_database import NewSession, Session
from tests.fix_workers import leader_name
from tests.workers import Number, until

T = TypeVar("T")
LATE_S_MAX: Final = 3.0
"""On a busy machine; a promoter that was not told looks only after five seconds."""
PROMISED_S: Final = 0.25 + 0.25
"""Where the machine has nothing else to do: so late it is promoted, and so soon it runs then."""
DELAY_S: Final = 0.3


@asynccontextmanager
async def working(
    conninfo: str, name: str, *, storage: Storage | None = None, **settings: Any
) -> AsyncIterator[Worker]:
    """Run a worker on queue q whose handlers do nothing."""
    client = awa.AsyncClient(conninfo)

    @client.task(Number, queue="q")
    async def handle(job: awa.Job[Number]) -> None:
        del job

    given = WorkerSettings(
        conninfo=conninfo, schema="awa", queues=(("q", 4),), version="0", name=name, **settings
    )
    worker = Worker(given, client._handlers)
    worker._storage = storage or worker._storage
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        yield worker
        worker.abort()


def leads(worker: Worker) -> bool:
    """Whether this worker is the leader."""
    return worker.health().leading


async def test_scheduled_jobs_run_on_time(database: str, session: NewSession) -> None:
    """Guards schedules: the promoter sleeps until the next job is due, and hears of earlier ones.

    Each job comes when the promoter sleeps until a much later one.
    """
    ran: list[float] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            ran.append(time.time())
            del job

        await client.start([("q", 2)])
        worker = client._worker
        assert worker is not None
        await until(lambda: leads(worker))
        await client.insert(Number(0), delay=600)
        for n in range(1, 4):
            watch, due = Stopwatch(), time.time() + DELAY_S
            await client.insert(Number(n), delay=DELAY_S)
            await until(lambda n=n: len(ran) == n)  # type: ignore[misc]
            assert due <= ran[-1] < due + LATE_S_MAX
            assert watch.unhindered_s() < DELAY_S + PROMISED_S
        await client.shutdown()


async def test_a_worker_that_starts_tries_to_lead_before_any_pause(database: str) -> None:
    """Guards the first second: who has not tried to listen yet is not deaf, and need not wait.

    With beats so far apart a follower's pause between two looks lasts for hours.
    """
    async with working(database, "w", heartbeat_s=3600.0) as worker:
        await until(lambda: leads(worker))


async def test_a_job_deferred_by_a_long_transaction_is_not_forgotten(
    database: str, session: NewSession
) -> None:
    """Guards the timer's order: who read it before the promoter looked tells nobody."""
    promotions = NotedPromotions()
    async with working(database, "w", storage=promotions) as worker:
        await until(lambda: leads(worker))
        producer = session(autocommit=False)
        later(producer, 1, "1.5 seconds")
        with session() as other:
            # This one sets the timer to a time after the first job's.
            later(other, 2, "30 seconds")
            # The leader is told of each that comes before those, and looks: at last after all that.
            for job in (3, 4):
                looks = promotions.looks
                later(other, job, f"{30 - job} seconds")
                await until(lambda seen=looks: promotions.looks > seen)  # type: ignore[misc]
        producer.commit()
        due_s = trio.current_time() + 1.0
        with session() as looking:
            await until(lambda: state(looking, 1) == "completed")
        assert trio.current_time() < due_s + LATE_S_MAX


class NotedPromotions(Storage):
    """A storage that counts the ends of the promoter's looks."""

    def __init__(self) -> None:
        super().__init__("awa")
        self.looks = 0

    def set_timer(self, at: datetime | None) -> Call[None]:
        """Count, and set it."""
        self.looks += 1
        return super().set_timer(at)


class NotedSilences(Storage):
    """A storage that notes how long the sessions of leader and listener may say nothing."""

    def __init__(self) -> None:
        super().__init__("awa")
        self.noted: dict[str, str] = {}

    def lead(self) -> Call[bool]:
        """Note it of the session that leads."""
        return self._noting(super().lead())

    def look_on(self) -> Call[tuple[tuple[Observed, ...], bool]]:
        """Note it of the session that listens."""
        return self._noting(super().look_on())

    def _noting(self, call: Call[T]) -> Call[T]:
        def decode(rows: Rows) -> T:
            self.noted[call.action] = rows[0][-1]
            return call.decode([row[:-1] for row in rows])

        sql = f"select c.*, current_setting('idle_session_timeout') from ({call.sql}) c"
        return replace(call, sql=sql, decode=decode)


def later(session: Session, number: int, delay: str) -> None:
    """Store a job that is due after a delay."""
    session.execute(
        "select awa.enqueue('number', jsonb_build_object('n', %s::int), jsonb_build_object("
        "'queue', 'q', 'delay_s', extract(epoch from %s::interval)))",
        [number, delay],
    )


def state(session: Session, number: int) -> str | None:
    """Return the state of the job with this number."""
    row = session.execute(
        "select state from awa.jobs where (args->>'n')::int = %s", [number]
    ).fetchone()
    return None if row is None else str(row[0])


def test_two_leaders_at_once_promote_each_job_once(
    one: Session, other: Session, start: Callable[..., Any], blocked: Callable[[int], None]
) -> None:
    """Guards OneLivePlacePerJob: nothing depends on there being one leader."""
    for n in range(200):
        later(one, n, "0.1 seconds")
    one.execute("select pg_sleep(0.1)")
    one.execute("begin")
    (first,) = one.execute("select promoted from awa.promote(120)").fetchall()
    (second,) = other.execute("select promoted from awa.promote(120)").fetchall()
    one.execute("commit")
    assert (120, 80) == (first[0], second[0])
    counts = "select count(*), count(distinct job_id) from awa.ready"
    assert (200, 200) == other.execute(counts).fetchone()


async def test_another_worker_leads_when_the_leader_is_cut_off(
    database: str, session: NewSession
) -> None:
    """Guards failover: the lock is the session's, so who lost the session leads no more.

    A session whose other end hangs the server ends itself: leaders and listeners bound its silence.
    """
    silences = NotedSilences()
    async with working(database, "a", storage=silences) as a:
        await until(lambda: leads(a))
        assert dict.fromkeys(("lead", "observe"), f"{IDLE_SESSION_TIMEOUT_S:g}s") == silences.noted
        async with working(database, "b") as b:
            with session() as conn:
                cut = conn.execute(
                    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
                    " and classid = awa.lk_leader()::oid and granted"
                ).fetchall()
            assert [(True,)] == cut
            await until(lambda: not leads(a))
            await until(lambda: leads(a) != leads(b))
            with session() as conn:
                later(conn, 1, "0.1 seconds")
                await until(lambda: state(conn, 1) == "completed")


async def test_a_worker_that_is_told_not_to_lead_does_not(
    database: str, session: NewSession
) -> None:
    """Guards roles: machines that only run handlers, beside one that does the rest."""
    async with working(database, "no", lead=False, heartbeat_s=0.5) as no:
        await until(lambda: no._statistics.beats >= 3)
        assert not leads(no)
        async with working(database, "yes") as yes:
            await until(lambda: leads(yes))
            assert "yes" == leader_name(database)


Looked = tuple[tuple[Observed, ...], bool]


class BrokenPromotion(Storage):
    """A storage whose first promotions fail on the server."""

    def __init__(self) -> None:
        super().__init__("awa")
        self.failures = 2

    def promote(self, **options: Any) -> Call[Promotion]:
        """Ask for the impossible, twice."""
        if self.failures:
            self.failures -= 1
            options["max_jobs"] = -1
        return super().promote(**options)


async def test_a_sweep_that_fails_is_tried_again_and_stops_no_other(
    database: str, session: NewSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the whole: trouble with promotions is logged; others are rescued meanwhile."""
    with session() as conn:
        later(conn, 1, "0.1 seconds")
        conn.execute("select awa.worker_start(7, '{}')")
        async with working(database, "w", storage=BrokenPromotion(), heartbeat_s=0.5) as worker:
            await until(lambda: leads(worker))
            await until(lambda: numbers(conn).isdisjoint({7}), "the rescue of worker 7")
            await until(lambda: state(conn, 1) == "completed")
    assert 2 == sum("promote failed" in record.message for record in caplog.records)
    assert [] == [r.message for r in caplog.records if "does not lead any more" in r.message]


def numbers(session: Session) -> set[int]:
    """Return the workers that have a row."""
    return {row[0] for row in session.execute("select worker from awa.workers").fetchall()}


async def test_an_idle_worker_says_little(database: str, session: NewSession) -> None:
    """Guards the server of somebody who forgot a worker: a few statements a second, no more."""
    commits = "select xact_commit from pg_stat_database where datname = current_database()"
    async with working(database, "w") as worker:
        await until(lambda: leads(worker))
        await until(lambda: worker._statistics.beats == 2)
        with session() as conn:
            first = conn.execute(commits).fetchone()
        begun_s = trio.current_time()
        await until(lambda: worker._statistics.beats == 3)
        with session() as conn:
            last = conn.execute(commits).fetchone()
    assert first is not None
    assert last is not None
    # Sessions report what they did a little later: some of the start is in it.
    assert last[0] - first[0] < 15 * (trio.current_time() - begun_s)
