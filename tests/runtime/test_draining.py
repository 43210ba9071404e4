"""Workers that end by themselves, and workers that do only one half of the work."""

from dataclasses import replace
from typing import Any

import pytest
import trio

import awa
from awa._core.entries import Ask, WorkerInfo
from awa._runtime.draining import Burst, Drain
from awa._runtime.settings import WorkerSettings
from tests.workers import Number, health_of, until, until_state

LONG_S = 3600.0
INFO = WorkerInfo(name="lost", host="here", pid=1, queues=("default",), version="0")


async def state_of(client: awa.AsyncClient, job_id: int) -> str:
    """Return the state a job is in."""
    found = await client.get_job(job_id)
    assert found is not None
    return found.state


async def test_a_worker_ends_when_nothing_is_left(database: str) -> None:
    """Guards "drained": what is there, what handlers add, and what is due soon enough, has run."""
    ran: list[int] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", backoff=[0.2])
        async def handle(job: awa.Job[Number]) -> None:
            ran.append(job.args.n)
            if job.args.n == 1 and job.attempt == 1:
                raise OSError("not yet")
            if job.args.n == 2:
                await client.insert(Number(3))

        await client.insert_many([Number(0), Number(1), Number(2)])
        await client.insert(Number(4), delay=0.2)
        later = await client.insert(Number(5), delay=LONG_S)
        await client.insert(Number(6), queue="another")
        done = await client.run_until_drained(due_within_s=60)
        assert [0, 1, 1, 2, 3, 4] == sorted(ran)
        assert (True, True) == (done.drained, done.led)
        assert (6, 5, 1, 1) == (done.claimed, done.completed, done.retried, done.failures)
        assert (0, 1) == (done.available, done.deferred)
        assert done.due_in_s is not None
        assert 60 < done.due_in_s <= LONG_S
        assert "scheduled" == await state_of(client, later.id)
        assert not client.is_working()


async def test_what_is_not_due_yet_is_left(database: str) -> None:
    """Guards the default: a burst does what can be done now, and says what comes next."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, backoff=[LONG_S])
        async def handle(job: awa.Job[Number]) -> None:
            raise OSError("not today")

        job = await client.insert(Number(1))
        await client.insert(Number(2))
        await client.insert(Number(3), queue="paused")
        await client.pause_queue("paused")
        one = await client.run_until_drained(max_jobs=1)
        assert (True, 1, 1) == (one.drained, one.claimed, one.available)
        done = await client.run_until_drained([("default", 1), ("paused", 1)], lead=False)
        assert (True, False, 1) == (done.drained, done.led, done.claimed)
        assert (1, 2) == (done.available, done.deferred), "the paused queue keeps its job"
        assert "retryable" == await state_of(client, job.id)


async def test_a_burst_that_does_its_number_of_jobs_while_it_looks_ends(database: str) -> None:
    """Guards the last look of a burst: it would wait for a claim, and none is sent any more."""
    looks, goes_on = trio.Event(), trio.Event()

    class Slow(awa.AsyncClient):
        def _drain(self, burst: Burst, settings: WorkerSettings) -> Drain:
            drain = super()._drain(burst, settings)
            due_in_s = drain._due_in_s

            async def slowly(within_s: float) -> float | None:
                looks.set()
                await goes_on.wait()
                return await due_in_s(within_s)

            drain._due_in_s = slowly
            return drain

    done: list[awa.WorkDone] = []
    async with Slow(database) as client, trio.open_nursery() as nursery:

        @client.task(Number)
        async def handle(job: awa.Job[Number]) -> None:
            await trio.lowlevel.checkpoint()

        async def burst() -> None:
            done.append(await client.run_until_drained(max_jobs=1))

        nursery.start_soon(burst)
        await looks.wait()
        await client.insert(Number(1))
        await until(lambda: health_of(client).completed == 1)
        goes_on.set()
        await until(lambda: bool(done), "the end of the burst")
    assert (True, 1) == (done[0].drained, done[0].claimed)


async def test_a_burst_that_led_says_so_also_when_it_ends_early(database: str) -> None:
    """Guards the summary of a burst that did its number of jobs, and did not look for more."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number)
        async def handle(job: awa.Job[Number]) -> None:
            await until(lambda: health_of(client).leading)

        await client.insert(Number(1))
        assert (await client.run_until_drained(max_jobs=1)).led


async def test_a_burst_ends_when_its_time_is_up(database: str) -> None:
    """Guards the limit: what still runs is given back, and the summary says that it is not done."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number)
        async def handle(job: awa.Job[Number]) -> None:
            await trio.sleep_forever()

        job = await client.insert(Number(1))
        done = await client.run_until_drained(timeout_s=2, timeout_ms=0)
        assert (False, 1, 1) == (done.drained, done.released, done.available)
        assert "available" == await state_of(client, job.id)
        with pytest.raises(awa.InvalidInput, match="max_jobs"):
            await client.run_until_drained(max_jobs=0)
        with trio.move_on_after(1):
            await client.run_until_drained(timeout_ms=0)
        await client.stopped()
        assert not client.is_working(), "who cancels a burst is left without a worker"


async def test_a_tick_leads_and_a_second_one_beside_it_does_not(database: str) -> None:
    """Guards cron without a daemon: what is due is promoted, whoever leads."""
    began, go_on = trio.Event(), trio.Event()
    ticks: list[awa.WorkDone] = []

    def handled(client: awa.AsyncClient) -> awa.AsyncClient:
        @client.task(Number)
        async def handle(job: awa.Job[Number]) -> None:
            if job.args.n == 1:
                began.set()
                await go_on.wait()

        return client

    async def tick(client: awa.AsyncClient) -> None:
        ticks.append(await client.tick(budget_s=60))

    async with (
        handled(awa.AsyncClient(database)) as client,
        handled(awa.AsyncClient(database)) as other,
        trio.open_nursery() as nursery,
    ):
        await client.insert(Number(1), delay=0.001)
        nursery.start_soon(tick, client)
        await began.wait()
        await until(lambda: health_of(client).leading)
        await client.insert(Number(2))
        beside = await other.tick(budget_s=60)
        assert (True, False) == (beside.drained, beside.led)
        go_on.set()
        await until(lambda: bool(ticks))
    (first,) = ticks
    assert (True, True, 2) == (first.drained, first.led, first.completed + beside.completed)


class Quick(awa.AsyncClient):
    """A client whose workers presume others dead after less than a second."""

    def _settings(self, queues: Any, options: Any, *, timeout_ms: int = 0) -> WorkerSettings:
        settings = super()._settings(queues, options, timeout_ms=timeout_ms)
        return replace(settings, heartbeat_s=0.2)


async def test_a_tick_waits_for_what_a_lost_worker_held(database: str) -> None:
    """Guards a tick after one that was killed: its jobs are rescued, and run."""
    ran: list[int] = []
    async with awa.AsyncClient(database) as producer:
        job = await producer.insert(Number(1))
        storage, lost = producer._storage, 77
        await producer._run(storage.worker_start(lost, INFO))
        await producer._run(
            storage.claim(lost, call=1, token=7, asks=[Ask(queue="default", limit=1)])
        )
        assert "running" == await state_of(producer, job.id)
        async with Quick(database) as client:

            @client.task(Number)
            async def handle(job: awa.Job[Number]) -> None:
                ran.append(job.id)

            done = await client.tick(budget_s=120)
        assert [job.id] == ran
        assert (True, True, 1) == (done.drained, done.led, done.completed)


async def test_a_worker_may_only_maintain(database: str) -> None:
    """Guards the role: it leads and promotes, runs no job, and says what it is."""
    async with awa.AsyncClient(database) as client, awa.AsyncClient(database) as other:

        @other.task(Number)
        async def handle(job: awa.Job[Number]) -> None:
            pass

        await client.start([], maintenance_only=True)
        await until(lambda: health_of(client).leading)
        await other.start([("default", 1)], lead=False)
        job = await other.insert(Number(1), delay=0.05)
        await until_state(client, job.id, "completed")
        assert "maintenance" == health_of(client).role
        assert "dispatch" == health_of(other).role
        assert 0 == health_of(client).claimed
        roles = {one.role for one in (await client.vitals()).workers}
        assert {"maintenance", "dispatch"} == roles


async def test_roles_that_leave_nothing_to_do_are_refused(database: str) -> None:
    """Guards the start: a worker without work is a mistake, and is told so."""
    async with awa.AsyncClient(database) as client:
        with pytest.raises(awa.InvalidInput, match="maintenance_only"):
            await client.start([])
        with pytest.raises(awa.InvalidInput, match="queues"):
            await client.start([("q", 1)], maintenance_only=True)
        with pytest.raises(awa.InvalidInput, match="lead"):
            await client.start([], maintenance_only=True, lead=False)
        with pytest.raises(awa.InvalidInput, match="never drains"):
            await client.tick([], maintenance_only=True)
        with pytest.raises(awa.ConfigurationError, match="no handlers"):
            await client.tick()


async def test_behind_a_pooler_a_burst_drains_and_nobody_only_maintains(pooled: str) -> None:
    """Guards poolers: without a listener or a leader's session what is due is promoted and run."""
    ran: list[int] = []
    async with awa.AsyncClient(pooled) as client:

        @client.task(Number)
        async def handle(job: awa.Job[Number]) -> None:
            ran.append(job.args.n)

        await client.insert(Number(1))
        await client.insert(Number(2), delay=0.1)
        done = await client.run_until_drained(due_within_s=60)
        assert (True, False, [1, 2]) == (done.drained, done.led, ran)
        with pytest.raises(awa.ConfigurationError, match="direct_url"):
            await client.start([], maintenance_only=True)


def test_a_synchronous_program_works_in_bursts_too(database: str) -> None:
    """Guards the twin: cron jobs and scripts need no event loop of their own."""
    with awa.Client(database) as client:

        @client.task(Number)
        def handle(job: awa.Job[Number]) -> int:
            return job.args.n + 1

        job = client.insert(Number(1))
        done = client.tick(budget_s=60)
        assert (True, 1) == (done.drained, done.completed)
        client.insert(Number(2))
        assert 1 == client.run_until_drained().completed
        found = client.get_job(job.id)
        assert found is not None
        assert 2 == found.result
