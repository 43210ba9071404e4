"""A sleeping worker is woken, and the right one."""

import trio

import awa
from awa._runtime.limits import POLL_LISTENING_S
from awa._runtime.sleeping import Phase
from tests.fix_database import NewSession
from tests.workers import Number, until

WOKEN_S_MAX = POLL_LISTENING_S - 1.5
"""Sooner than any poll would find the job."""


def phase_of(client: awa.AsyncClient) -> Phase | None:
    """Return how near to sleep a client's worker is on the queue `q`."""
    worker = client._worker
    if worker is None or worker._incarnation is None:
        return None
    return worker._incarnation.hands.claimer._sleeping.queues["q"].phase


async def start(client: awa.AsyncClient, ran: list[str], name: str, workers: int = 1) -> None:
    """Start a worker that notes its name for each job, and wait until it sleeps."""

    @client.task(Number, queue="q")
    async def handle(job: awa.Job[Number]) -> None:
        ran.append(name)
        if job.args.n < 0:
            await trio.sleep_forever()

    await client.start([("q", workers)])
    await until(lambda: phase_of(client) is Phase.QUIET, "sleep")


async def woken(ran: list[str], jobs: int) -> None:
    """Return when so many jobs have begun; fail when only a poll could have found them."""
    with trio.fail_after(WOKEN_S_MAX):
        await until(lambda: len(ran) >= jobs)


async def test_an_insert_wakes_a_sleeping_worker(database: str) -> None:
    """Guards NoLostWakeup: each of several jobs in a row, long before the fallback poll."""
    ran: list[str] = []
    async with awa.AsyncClient(database) as client:
        await start(client, ran, "only")
        for n in range(3):
            await client.insert(Number(n))
            await woken(ran, n + 1)
            await until(lambda: phase_of(client) is Phase.QUIET, "sleep")


async def test_a_job_in_flight_when_its_worker_went_to_sleep_is_picked_up_at_its_commit(
    database: str, session: NewSession
) -> None:
    """Guards NoLostWakeup: it tested the flag before it was up, so its commit notifies nobody."""
    ran: list[str] = []
    producer = session(autocommit=False)
    async with awa.AsyncClient(database) as client:
        await client.insert(Number(0), queue="q")
        producer.execute("select awa.enqueue('number', '{\"n\": 1}', '{\"queue\": \"q\"}')")

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            ran.append("only")

        await client.start([("q", 1)])
        await woken(ran, 1)
        await until(lambda: phase_of(client) is Phase.POLLING, "polling")
        producer.commit()
        await woken(ran, 2)


async def test_a_job_in_a_lane_that_its_worker_could_not_lock_is_looked_for_again(
    database: str, session: NewSession
) -> None:
    """Guards NoLostWakeup (BusyUntoldBesideGot): its commit has woken the worker once already."""
    ran: list[str] = []
    claimer, producer = session(autocommit=False), session(autocommit=False)
    async with awa.AsyncClient(database) as client:
        await client.insert(Number(0), queue="q", priority=1)
        await start(client, ran, "only", workers=5)
        await woken(ran, 1)
        await until(lambda: phase_of(client) is Phase.QUIET, "sleep")
        claimer.execute(
            "select pg_advisory_xact_lock(awa.lk_lane(), lane) from awa.lanes where queue = 'q'"
        )
        for priority in (1, 4):
            producer.execute(
                "select awa.enqueue('number', '{\"n\": 1}', jsonb_build_object('queue', 'q',"
                " 'priority', %s::int))",
                [priority],
            )
        producer.commit()
        await woken(ran, 2)
        claimer.commit()
        await woken(ran, 3)


async def test_a_worker_that_leaves_wakes_another(database: str) -> None:
    """Guards NoLostWakeup: the flags of a worker that leaves are passed on, not just dropped."""
    ran: list[str] = []
    async with awa.AsyncClient(database) as first, awa.AsyncClient(database) as second:
        await start(first, ran, "first")
        await start(second, ran, "second")
        await first.shutdown()
        await second.insert(Number(1))
        await woken(ran, 1)
        assert ["second"] == ran


async def test_a_worker_without_permits_lets_another_be_woken(database: str) -> None:
    """Guards NoLostWakeup: whoever is busy must not be the one that is notified."""
    ran: list[str] = []
    async with awa.AsyncClient(database) as first, awa.AsyncClient(database) as second:
        await start(first, ran, "first")
        await start(second, ran, "second")
        await second.insert(Number(-1))
        await woken(ran, 1)
        await second.insert(Number(-2))
        await woken(ran, 2)
        assert ["first", "second"] == sorted(ran)
        await first.shutdown(timeout_ms=0)
        await second.shutdown(timeout_ms=0)


async def test_no_job_waits_for_a_poll_at_whatever_pace_jobs_come(database: str) -> None:
    """Guards NoLostWakeup: a worker that keeps its flags, or looks by itself, forgets no job."""
    ran: list[str] = []
    async with awa.AsyncClient(database) as first, awa.AsyncClient(database) as second:
        await start(first, ran, "first", workers=2)
        await start(second, ran, "second", workers=5)
        for number, gap_s in enumerate([0.0, 0.001, 0.004, 0.02] * 20):
            await first.insert(Number(number), queue="q")
            await trio.sleep(gap_s)
            if number % 20 == 19:
                await woken(ran, number + 1)
