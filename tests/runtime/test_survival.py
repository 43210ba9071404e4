"""What a worker survives: real faults of a real server; each outcome is settled once after them."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import pytest
import trio

import awa
from awa._runtime import worker as worker_module
from awa._runtime.handlers import Handlers
from awa._runtime.settings import WorkerSettings
from awa._runtime.worker import Worker
from awa.embedded import Cluster
from tests.fix_database import NewSession, Session, open_session
from tests.fix_faults import Limited, end_sessions
from tests.workers import Number, health_of, until, until_found, until_state


@dataclass
class Held:
    """A worker in the middle of one attempt, whose handler returns when `gate` is opened."""

    client: awa.AsyncClient
    looker: awa.AsyncClient
    """A client that the fault does not reach."""
    job_id: int
    gate: trio.Event = field(default_factory=trio.Event)
    seen: Counter[int] = field(default_factory=Counter)


@asynccontextmanager
async def holding(conninfo: str, *, looking: str | None = None) -> AsyncIterator[Held]:
    """Start a worker that holds an attempt."""
    async with (
        awa.AsyncClient(looking or conninfo) as looker,
        awa.AsyncClient(conninfo) as client,
    ):
        held = Held(client, looker, 0)

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            held.seen[job.args.n] += 1
            if job.args.n == 0:
                await held.gate.wait()

        # Not by the worker's client: of a role with time-outs they end what is slow to insert.
        held.job_id = (await looker.insert(Number(0), queue="q")).id
        await client.start([("q", 2)])
        await until(lambda: held.seen[0] == 1)
        await until(lambda: health_of(client).listening)
        yield held


async def ended_once(held: Held) -> None:
    """Hold that the attempt became a completed one, and no other was made."""
    await until_state(held.looker, held.job_id, "completed")
    dump = await held.looker.dump_job(held.job_id)
    assert dump is not None
    assert ["completed"] == [attempt.outcome for attempt in dump.attempts]
    assert 1 == held.seen[0]
    assert () == await held.looker.check()


async def works(held: Held, n: int) -> None:
    """Hold that the worker takes new jobs."""
    held_of = await until_found(lambda: inserted(held.looker, n))
    await until_state(held.looker, held_of.id, "completed")
    assert 1 == held.seen[n]


async def inserted(client: awa.AsyncClient, n: int) -> awa.JobHandle | None:
    """Insert a job as soon as the database takes it."""
    try:
        return await client.insert(Number(n), queue="q")
    except awa.WorldError:
        return None


def said(caplog: pytest.LogCaptureFixture, start: str) -> bool:
    """Whether a record of the log starts so."""
    return any(record.getMessage().startswith(start) for record in caplog.records)


@contextmanager
def read_only(cluster: Cluster) -> Iterator[None]:
    """Have the server take no writes, as in a failover or when its disk is nearly full."""
    with open_session(cluster.conninfo()) as session:
        session.execute("alter system set default_transaction_read_only = on")
        session.execute("select pg_reload_conf()")
        yield
        session.execute("set transaction_read_only = off")
        session.execute("alter system reset default_transaction_read_only")
        session.execute("select pg_reload_conf()")


async def test_a_server_that_takes_no_writes_is_waited_for(
    own_cluster: Cluster, own_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards outcomes in a failover: kept, and settled once after it."""
    async with holding(own_database) as held:
        with read_only(own_cluster):
            held.gate.set()
            await until(lambda: said(caplog, "settle: complete failed"))
        await ended_once(held)
        await works(held, 1)


async def test_a_server_that_crashes_finds_the_outcome_after_its_recovery(
    own_cluster: Cluster, own_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards outcomes over a crash of the server: an immediate stop, then recovery."""
    async with holding(own_database) as held:
        await trio.to_thread.run_sync(own_cluster.stop, "immediate")
        held.gate.set()
        await until(lambda: said(caplog, "settle: complete failed"))
        await trio.to_thread.run_sync(own_cluster.start)
        await works(held, 1)
        await ended_once(held)


async def test_a_worker_that_leaves_while_the_server_is_down_waits_for_it(
    own_cluster: Cluster,
    own_database: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards a roll-out during an outage: the time to shut down is there for outcomes as well."""
    monkeypatch.setattr(worker_module, "LAST_FLUSH_S", 0.05)
    async with holding(own_database) as held:
        await trio.to_thread.run_sync(own_cluster.stop, "immediate")
        held.gate.set()
        held.client.stop(timeout_ms=60_000)
        await until(lambda: said(caplog, "settle: complete failed"))
        await trio.to_thread.run_sync(own_cluster.start)
        await held.client.stopped()
        await ended_once(held)
    assert not said(caplog, "1 outcomes could not be settled")


@pytest.mark.bulk
async def test_sessions_terminated_again_and_again_lose_and_double_nothing(
    database: str, session: NewSession
) -> None:
    """Guards against storms: an administrator ends every session, over and over."""
    seen: Counter[int] = Counter()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            seen[job.args.n] += 1
            await trio.lowlevel.checkpoint()

        await client.enqueue_many_copy((Number(n) for n in range(2000)), queue="q")
        storm = session()
        await client.start([("q", 4)])
        ended = 0
        for share in range(1, 11):
            await until(lambda done=share * 150: seen.total() >= done)  # type: ignore[misc]
            ended += await trio.to_thread.run_sync(end_sessions, storm)
        assert ended > 0
        await until(lambda: len(seen) == 2000)
        await client.shutdown()
    assert {1} == set(seen.values())
    assert [("completed", 2000)] == storm.execute(
        "select outcome, count(*) from awa.attempts group by 1"
    ).fetchall()


async def test_a_role_without_connections_left_is_waited_for(
    database: str, limited: Limited, one: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards outcomes where somebody used up the connections: kept until one is to be had."""
    async with holding(limited.conninfo, looking=database) as held:
        limited.alter("connection limit 0")
        end_sessions(one)
        held.gate.set()
        await until(lambda: said(caplog, "settle: complete failed"))
        await until(lambda: said(caplog, "listen: listen failed"))
        limited.alter("connection limit -1")
        await ended_once(held)
        await works(held, 1)


@pytest.mark.parametrize(
    ("lead", "claimers", "needed"), [(True, 1, 5), (False, 1, 3), (False, 3, 5)]
)
async def test_a_limit_too_small_for_one_worker_is_refused_with_the_number_needed(
    limited: Limited, lead: bool, claimers: int, needed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the first start: half a worker would claim what it cannot settle.

    What its handlers may open beside that is told, with the number that would do.
    """
    async with awa.AsyncClient(limited.conninfo) as client:
        client.task(Number, queue="q")(lambda _job: None)
        queue = awa.QueueConfig(name="q", max_workers=1, claimers=claimers)
        limited.alter(f"connection limit {needed - 1}")
        with pytest.raises(awa.ConfigurationError, match=f"needs {needed} connections .*role"):
            await client.start([queue], lead=lead)
        limited.alter(f"connection limit {needed}")
        await client.start([queue], lead=lead, transaction_connections=2)
        told = f"may open 3 more, .* up to 2 for .*allow {needed + 3} for each worker"
        assert re.search(told, caplog.text)
        await until(lambda: health_of(client).listening)
        await until(lambda: health_of(client).leading is lead)


async def test_rights_that_are_taken_away_are_waited_for(
    database: str, limited: Limited, one: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards a running worker from a slip with grants: what ends a start does not end it."""
    async with holding(limited.conninfo, looking=database) as held:
        one.execute("alter schema awa rename to gone")
        held.gate.set()
        await until(lambda: said(caplog, "settle: complete failed"))
        one.execute("alter schema gone rename to awa")
        await ended_once(held)
        await works(held, 1)


@pytest.mark.by_hand
async def test_what_ends_a_first_start_does_not_end_a_worker_that_starts_anew(
    database: str, one: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards a worker that was presumed dead in the middle of a migration."""
    async with holding(database) as held:
        one.execute("alter function awa.worker_start rename to worker_started")
        one.execute("delete from awa.workers")
        end_sessions(one)
        await until(lambda: said(caplog, "start: worker_start failed"))
        one.execute("alter function awa.worker_started rename to worker_start")
        await works(held, 1)
        held.gate.set()


@pytest.mark.by_hand
async def test_a_server_out_of_transaction_ids_is_waited_for(
    database: str, one: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards outcomes: a server that refuses all writes refuses no result in particular.

    It says so with the code that also stands for values that are too large.
    """
    async with holding(database) as held:
        one.execute(
            "create function refuse() returns trigger language plpgsql as $$"
            " begin raise exception 'no more transaction ids' using errcode = '54000'; end $$"
        )
        one.execute(
            "create trigger refuse before insert on awa.closures for each row"
            " execute function refuse()"
        )
        held.gate.set()
        await until(lambda: said(caplog, "settle: complete failed"))
        one.execute("drop function refuse cascade")
        await ended_once(held)
    assert not said(caplog, "queue q, number")


async def test_nobody_is_presumed_dead_while_nobody_can_beat(
    own_cluster: Cluster, own_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards living workers after a long time without writes: silence says nothing then."""
    settings = WorkerSettings(
        conninfo=own_database, schema="awa", queues=(("q", 1),), version="0", heartbeat_s=0.4
    )
    worker = Worker(settings, Handlers())
    silence_s = settings.patience().timeout_s
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        await until(lambda: worker.health().leading)
        assert worker._incarnation is not None
        listener = worker._incarnation.listener
        with read_only(own_cluster):
            await until(lambda: worker.health().beat_age_s > 3 * silence_s)
        await until(lambda: worker.health().beat_age_s < silence_s)
        # Nor is a connection made anew for each beat that is refused.
        assert 1 == listener.sessions
        worker.stop(timeout_s=0)
    assert said(caplog, "a beat failed")
    assert not said(caplog, "leader: rescue failed")
    assert not said(caplog, "worker ")
    assert not said(caplog, "this worker was presumed dead")


async def test_the_time_outs_of_a_role_do_not_reach_its_workers(
    database: str, limited: Limited, one: Session, other: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards workers from settings made for web requests: a settle waits as long as it must."""
    for name in ("statement_timeout", "lock_timeout", "idle_session_timeout"):
        limited.alter(f"set {name} = '50ms'")
    async with holding(limited.conninfo, looking=database) as held:
        with one.transaction():
            one.execute("lock table awa.closures in access exclusive mode")
            held.gate.set()
            await until(lambda: bool(other.execute(SETTLE_WAITS).fetchall()))
            one.execute("select pg_sleep(0.2)")  # longer than the role's time-outs
        await ended_once(held)
    assert not said(caplog, "settle:")


SETTLE_WAITS = (
    "select from pg_locks l join pg_stat_activity a using (pid)"
    """ where not l.granted and a.query like '%."complete"(%'"""
)
