"""How many handlers run: of a queue's own, of a pool that queues share, and at what rate."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

import awa
from awa._core.tuning import Tuning
from awa._runtime.limits import POLL_LISTENING_S
from tests.fix_database import Session
from tests.workers import Number, health_of, until

RUNS_S_MAX = POLL_LISTENING_S - 1.5
"""Sooner than any fallback look would find the job."""


@dataclass
class Stage:
    """Handlers that run until they are let go, by queue."""

    running: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    ran: list[tuple[str, float]] = field(default_factory=list)
    free: set[str] = field(default_factory=set)
    leave: Counter[str] = field(default_factory=Counter)

    async def play(self, queue: str) -> None:
        """Run until the queue is free, or one of it may leave."""
        self.running[queue] += 1
        self.ran.append((queue, trio.current_time()))
        for name, jobs in (*self.running.items(), ("all", self.running.total())):
            self.most[name] = max(self.most[name], jobs)
        while queue not in self.free and not self.leave[queue]:
            await trio.sleep(0.002)
        if queue not in self.free:
            self.leave[queue] -= 1
        self.running[queue] -= 1

    def shows(self, **running: int) -> bool:
        """Return whether so many handlers run, and no others."""
        return Counter(running) == +self.running


@asynccontextmanager
async def staged(
    database: str, stage: Stage, queues: list[Any], **options: Any
) -> AsyncIterator[awa.AsyncClient]:
    """Start a worker whose handlers play on the stage."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number)
        async def handle(job: awa.Job[Number]) -> None:
            await stage.play(job.queue)

        for queue in "ab":
            await client.insert_many([Number(n) for n in range(stage.leave["jobs"])], queue=queue)
        await client.start(queues, **options)
        yield client
        stage.free.update("ab")


def tuning_of(client: awa.AsyncClient, queue: str) -> Tuning:
    """Return what the client's worker holds to in a queue now."""
    worker = client._worker
    assert worker is not None
    return worker._tuner._tunings[queue]


def with_jobs(jobs: int) -> Stage:
    """Return a stage for so many jobs in each queue."""
    return Stage(leave=Counter(jobs=jobs))


A_AND_B: list[Any] = [{"name": "a", "weight": 3}, {"name": "b", "weight": 1}]


async def test_queues_share_handlers_by_their_weights(database: str) -> None:
    """Guards fair shares: three to one from the first claim on, and never more than there are."""
    stage = with_jobs(40)
    async with staged(database, stage, A_AND_B, global_max_workers=4):
        await until(lambda: stage.shows(a=3, b=1), "three to one")
        for _ in range(5):
            stage.leave.update("ab")
            await until(lambda: not stage.leave["a"] and not stage.leave["b"], "an end")
            await until(lambda: stage.shows(a=3, b=1), "three to one")
        stage.free.update("ab")
        await until(lambda: len(stage.ran) == 80 and stage.shows(), "the rest")
    assert 4 == stage.most["all"]


async def test_what_one_queue_leaves_idle_another_one_has(database: str) -> None:
    """Guards work conservation, and the late comer: it gets its share as handlers end."""
    stage = with_jobs(0)
    async with staged(database, stage, A_AND_B, global_max_workers=4) as client:
        await client.insert_many([Number(n) for n in range(12)], queue="b")
        await until(lambda: stage.shows(b=4), "all of them for b")
        await client.insert_many([Number(n) for n in range(12)], queue="a")
        stage.leave["b"] = 3
        await until(lambda: stage.shows(a=3, b=1), "its share for a")
        stage.leave["b"] = 1
        await until(lambda: not stage.leave["b"], "one more of b")
        await until(lambda: stage.shows(a=3, b=1), "its share for b")
    assert 4 == stage.most["all"]


async def test_what_is_guaranteed_is_there_at_once_and_a_bound_holds(database: str) -> None:
    """Guards min_workers, for which nobody has to end, and max_workers, whatever is idle."""
    stage = with_jobs(0)
    queues = [{"name": "a", "min_workers": 1}, {"name": "b", "weight": 9, "max_workers": 2}]
    async with staged(database, stage, queues, global_max_workers=4) as client:
        await client.insert_many([Number(n) for n in range(9)], queue="b")
        await until(lambda: stage.shows(b=2), "what b may have of the pool")
        await client.insert_many([Number(n) for n in range(9)], queue="a")
        with trio.fail_after(RUNS_S_MAX):
            await until(lambda: stage.shows(a=2, b=2), "a's own, and what b may not have")
        stage.leave["b"] = 3
        await until(lambda: not stage.leave["b"] and stage.shows(a=2, b=2), "others of b")
    assert 2 == stage.most["b"]


async def test_queues_that_share_one_handler_take_turns(database: str) -> None:
    """Guards starvation: where shares are smaller than one handler they hold over time."""
    stage = with_jobs(30)
    stage.free.update("ab")
    async with staged(database, stage, A_AND_B, global_max_workers=1):
        await until(lambda: len(stage.ran) == 60, "all jobs")
    assert 1 == stage.most["all"]
    first = Counter(queue for queue, _ in stage.ran[:40])
    assert first["b"] > 0


async def test_jobs_start_no_sooner_than_their_rate_allows(database: str) -> None:
    """Guards rate_limit: the burst, and from then on what the time brings."""
    stage = with_jobs(12)
    stage.free.update("ab")
    queues = [{"name": "a", "max_workers": 5, "rate_limit": (20, 4)}]
    began_s = trio.current_time()
    async with staged(database, stage, queues):
        await until(lambda: len(stage.ran) == 12, "all jobs")
    for started, (_, time_s) in enumerate(stage.ran, start=1):
        assert started <= 4 + (time_s - began_s) * 20


async def test_who_is_out_of_tokens_lets_another_worker_be_woken(database: str) -> None:
    """Guards NoLostWakeup: as without permits, whoever cannot take a job is not notified of it."""
    slow, fast = Stage(free={"a"}), Stage(free={"a"})
    limited = [{"name": "a", "max_workers": 5, "rate_limit": (0.001, 1)}]
    async with (
        staged(database, slow, limited) as client,
        awa.AsyncClient(database) as other,
    ):
        await client.insert(Number(0), queue="a")
        await until(lambda: len(slow.ran) == 1, "the one of the burst")

        @other.task(Number)
        async def handle(job: awa.Job[Number]) -> None:
            await fast.play(job.queue)

        await other.start([("a", 5)])
        for n in range(1, 4):
            await client.insert(Number(n), queue="a")
            with trio.fail_after(RUNS_S_MAX):
                await until(lambda n=n: len(fast.ran) == n, "the others")  # type: ignore[misc]
    assert 1 == len(slow.ran)


async def test_no_claim_takes_more_than_the_batch_size(database: str, one: Session) -> None:
    """Guards claim_batch_size: one claims row holds so many jobs at the most."""
    stage = with_jobs(30)
    stage.free.update("ab")
    queues = [{"name": "a", "max_workers": 20, "claim_batch_size": 7}]
    async with staged(database, stage, queues):
        await until(lambda: len(stage.ran) == 30, "all jobs")
    rows = one.execute(
        "select (select sum(upper(r) - lower(r)) from unnest(c.seqs) r)::int from awa.claims c"
    ).fetchall()
    assert 7 == max(jobs for (jobs,) in rows)


async def test_what_a_worker_declares_of_its_queue_is_stored(database: str, one: Session) -> None:
    """Guards deadline_duration_ms and priority_aging_interval_ms: they hold for every worker."""
    config = awa.QueueConfig(
        name="a", max_workers=1, deadline_duration_ms=2500, priority_aging_interval_ms=0
    )
    async with staged(database, with_jobs(0), [config]):
        found = one.execute(
            "select deadline_s, aging_s from awa.queue_settings where queue = 'a'"
        ).fetchall()
    assert [(2.5, 0.0)] == found


async def test_a_running_worker_holds_to_an_override_at_once(database: str) -> None:
    """Guards overrides: fewer handlers as those that run end, more at once, and then the old."""
    stage = with_jobs(40)
    async with staged(database, stage, [("a", 3)]) as client:
        await until(lambda: stage.shows(a=3), "its own three")
        await client.override_queue("a", max_workers=1)
        await until(lambda: health_of(client).queues["a"].max_workers == 1, "word of it")
        stage.leave["a"] = 4
        await until(lambda: stage.shows(a=1) and len(stage.ran) == 5, "one")
        await client.override_queue("a", max_workers=6)
        with trio.fail_after(RUNS_S_MAX):
            await until(lambda: stage.shows(a=6), "six")
        await client.override_queue("a", clear=True)
        await until(lambda: health_of(client).queues["a"].max_workers == 3, "word of it")
    assert 6 == stage.most["a"]


async def test_a_worker_begins_with_the_overrides(database: str) -> None:
    """Guards the first claim: what was overridden before the start holds from the start."""
    stage = with_jobs(40)
    async with awa.AsyncClient(database) as client:
        await client.insert(Number(0), queue="a")
        await client.override_queue("a", max_workers=2, claim_batch_size=1)
    async with staged(database, stage, A_AND_B, global_max_workers=8):
        await until(lambda: stage.shows(a=2, b=6), "two of a")
    assert 2 == stage.most["a"]


async def test_weights_and_rates_are_overridden_too(database: str) -> None:
    """Guards weight and rate: shares change as handlers end, and claims stop without tokens."""
    stage = with_jobs(60)
    async with staged(database, stage, A_AND_B, global_max_workers=4) as client:
        await until(lambda: stage.shows(a=3, b=1), "three to one")
        await client.override_queue("a", weight=1, by="kim")
        await until(lambda: tuning_of(client, "a").weight == 1, "word of it")
        stage.leave["a"] = 1
        await until(lambda: stage.shows(a=2, b=2), "two to two")
        await client.override_queue("b", rate_limit=(0.001, 1))
        (said,) = [one.overrides for one in await client.queue_stats() if one.queue == "b"]
        assert awa.QueueOverrides(rate=0.001, burst=1) == said
        await until(lambda: tuning_of(client, "b").rate is not None, "word of it")
        stage.free.add("b")
        await until(lambda: stage.shows(a=4), "all of them for a")
        assert Counter(queue for queue, _ in stage.ran)["b"] <= 4


async def test_who_hears_nothing_finds_overrides_by_its_beats(database: str) -> None:
    """Guards pick-up without NOTIFY: a worker whose listener was away asks when it is back."""
    stage = with_jobs(9)
    async with staged(database, stage, [("a", 3)]) as client:
        await until(lambda: stage.shows(a=3), "its own three")
        async with client._opened().connection() as conn:
            await conn.execute("set awa.notify = off")
            await conn.execute("select awa.override_queue('a', '{\"max_workers\": 1}')")
            await conn.execute("reset awa.notify")
            await conn.execute(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
                " and classid = awa.lk_alive()::oid"
            )
        await until(lambda: health_of(client).queues["a"].max_workers == 1, "a look")


async def test_jobs_of_batches_count_in_a_shared_pool(database: str) -> None:
    """Guards global_max_workers: every job of a batch is one of the handlers that queues share."""
    stage, sizes = with_jobs(20), list[int]()
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, max_size=10, max_wait_ms=1)
        async def handle(jobs: awa.JobBatch[Number]) -> None:
            sizes.append(len(jobs))
            async with trio.open_nursery() as nursery:
                for job in jobs:
                    nursery.start_soon(stage.play, job.queue)

        for queue in "ab":
            await client.insert_many([Number(n) for n in range(20)], queue=queue)
        await client.start(A_AND_B, global_max_workers=4)
        await until(lambda: stage.shows(a=3, b=1), "three to one")
        stage.free.update("ab")
        await until(lambda: len(stage.ran) == 40 and stage.shows(), "all jobs")
    assert 4 == stage.most["all"]
    assert max(sizes) <= 4
