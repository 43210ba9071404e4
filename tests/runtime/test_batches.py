"""Handlers that take many jobs at once: sizes, outcomes of each, deadlines, cancels."""

from typing import Any

import pytest
import trio

import awa
from tests.workers import Number, health_of, until, until_state

SECOND_S = 1.0


async def test_jobs_are_run_in_batches_of_one_call(database: str) -> None:
    """Guards what batches are for: as many jobs in a call as wait, in order, and no more."""
    batches: list[list[int]] = []
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, queue="q", max_size=4, max_wait_ms=100)
        async def handle(jobs: awa.JobBatch[Number]) -> None:
            await trio.lowlevel.checkpoint()
            assert len({job.id for job in jobs}) == len(jobs)
            assert {("number", "q", 1)} == {(job.kind, job.queue, job.attempt) for job in jobs}
            batches.append([job.args.n for job in jobs])

        await client.insert_many([Number(n) for n in range(10)], queue="q")
        await client.start([("q", 20)])
        await until(lambda: health_of(client).completed == 10)
        assert [4, 4, 2] == sorted(map(len, batches), reverse=True)
        assert list(range(10)) == [n for batch in sorted(batches) for n in batch]

        batches.clear()
        await client.insert(Number(99))
        await until(lambda: health_of(client).completed == 11)
        assert [[99]] == batches, "one that stays alone runs alone"


async def test_a_batch_is_no_larger_than_the_permits_of_its_queue(database: str) -> None:
    """Guards the bound a user chose: jobs in batches count like others, beside others."""
    running = most = 0
    go_on = trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, queue="q", max_size=50, max_wait_ms=0)
        async def handle(jobs: awa.JobBatch[Number]) -> None:
            nonlocal running, most
            running += len(jobs)
            most = max(most, running)
            await go_on.wait()
            running -= len(jobs)

        @client.task(dict, kind="single", queue="q")
        async def single(_job: awa.Job[dict[str, Any]]) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await go_on.wait()
            running -= 1

        for n in range(6):
            await client.insert(Number(n), queue="q")
            await client.insert({"n": n}, kind="single", queue="q")
        await client.start([("q", 5)])
        await until(lambda: running == 5)
        assert 5 == health_of(client).queues["q"].running
        go_on.set()
        await until(lambda: health_of(client).completed == 12)
        assert 5 == most


async def test_each_job_of_a_batch_has_an_outcome_of_its_own(database: str) -> None:
    """Guards partial success: a mapping, or a list, says what becomes of each job."""
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, queue="q", max_size=9, max_wait_ms=200, backoff=[0.0])
        async def by_id(jobs: awa.JobBatch[Number]) -> dict[int, Any]:
            await trio.lowlevel.checkpoint()
            said: dict[int, Any] = {
                1: awa.Cancel("not wanted"),
                2: awa.Snooze(3600),
                3: awa.TerminalError("never"),
                4: ValueError("once"),
                5: {"five": 5},
                6: object(),
            }
            return {
                job.id: said[job.args.n]
                for job in jobs
                if job.args.n in said and (job.args.n != 4 or job.attempt == 1)
            }

        @client.batch_task(dict, kind="listed", queue="r", max_size=3, max_wait_ms=200)
        def listed(jobs: awa.JobBatch[dict[str, int]]) -> list[int]:
            return [2 * job.args["n"] for job in jobs]

        numbers = await client.insert_many([Number(n) for n in range(7)], max_attempts=2)
        doubles = await client.insert_many([{"n": n} for n in range(3)], kind="listed", queue="r")
        await client.start([("q", 20), ("r", 20)])
        states = ["completed", "cancelled", "scheduled", "failed", "completed", "completed"]
        ended = [
            await until_state(client, job.id, state)
            for job, state in zip(numbers[:6], states, strict=True)
        ]
        assert [None, {"five": 5}] == [ended[0].result, ended[5].result]
        assert (2, "ValueError") == (ended[4].attempt, ended[4].errors[0]["type"])
        wrong = await until_state(client, numbers[6].id, "failed")
        assert "has no JSON form" in wrong.errors[-1]["error"]
        done = [await until_state(client, job.id, "completed") for job in doubles]
        assert [0, 2, 4] == [job.result for job in done]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("done", "of a batch must be None, a list"),
        ([1, 2, 3], "has 3 outcomes for 2 jobs"),
        ({0: None}, "names 0, which is no job of the batch"),
        (LookupError("together"), "together"),
    ],
    ids=["a string", "too many", "a stranger", "raised"],
)
async def test_an_error_of_a_batch_fails_each_of_its_jobs(
    database: str, answer: Any, problem: str
) -> None:
    """Guards against outcomes that would be somebody else's: wrong answers are for nobody."""
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, queue="q", max_size=2, max_wait_ms=10_000, max_attempts=1)
        async def handle(_jobs: awa.JobBatch[Number]) -> Any:
            await trio.lowlevel.checkpoint()
            if isinstance(answer, Exception):
                raise answer
            return answer

        jobs = await client.insert_many([Number(n) for n in range(2)])
        await client.start([("q", 20)])
        for job in jobs:
            failed = await until_state(client, job.id, "failed")
            assert problem in failed.errors[-1]["error"]


async def test_a_job_that_its_batch_cannot_read_fails_before_the_others_run(
    database: str,
) -> None:
    """Guards the company of a job with wrong arguments: they are run without it."""
    seen: list[int] = []
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, queue="q", max_size=3, max_wait_ms=10_000)
        async def handle(jobs: awa.JobBatch[Number]) -> None:
            await trio.lowlevel.checkpoint()
            seen.extend(job.args.n for job in jobs)

        first = await client.insert(Number(1))
        await client.insert({"n": "two"}, kind="number", queue="q")
        await client.insert(Number(3))
        await client.start([("q", 20)])
        await until(lambda: health_of(client).completed == 2)
        assert [1, 3] == seen
        await until(lambda: health_of(client).failed == 1)
        await until_state(client, first.id, "completed")


async def test_a_cancelled_job_is_marked_and_its_batch_goes_on(database: str) -> None:
    """Guards the company of a job that an operator cancels: their call is not cut off for it."""
    batches: list[awa.JobBatch[Number]] = []
    go_on = trio.Event()
    cut = 0
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, queue="q", max_size=3, max_wait_ms=10_000)
        async def handle(jobs: awa.JobBatch[Number]) -> None:
            nonlocal cut
            batches.append(jobs)
            try:
                await go_on.wait()
            except trio.Cancelled:
                cut += 1
                raise

        jobs = await client.insert_many([Number(n) for n in range(3)])
        await client.start([("q", 20)])
        await until(lambda: bool(batches))
        assert (await client.cancel(jobs[1].id)).done
        (batch,) = batches
        await until(batch[1].is_cancelled)
        assert [False, True, False] == [job.is_cancelled() for job in batch]
        go_on.set()
        await until(lambda: health_of(client).completed == 2)
        await until(lambda: health_of(client).ended_elsewhere == 1)
        assert 0 == cut
        assert "cancelled" == (await until_state(client, jobs[1].id, "cancelled")).state

        go_on = trio.Event()
        all_three = await client.insert_many([Number(n) for n in range(3)])
        await until(lambda: len(batches) == 2)
        for job in all_three:
            await client.cancel(job.id)
        await until(lambda: cut == 1, "the end of a batch that nobody wants")
        await until(lambda: health_of(client).ended_elsewhere == 4)


async def test_the_earliest_deadline_ends_a_batch_and_shutdown_gives_it_back(
    database: str,
) -> None:
    """Guards attempts in batches like others: a deadline is a failed attempt, a shutdown none."""
    begun = 0
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, queue="q", max_size=2, max_wait_ms=60_000, max_attempts=1)
        async def handle(_jobs: awa.JobBatch[Number]) -> None:
            nonlocal begun
            begun += 1
            await trio.sleep_forever()

        short = await client.insert(Number(1), deadline=SECOND_S)
        long = await client.insert(Number(2), deadline=0)
        await client.start([("q", 20)])
        for job in (short, long):
            failed = await until_state(client, job.id, "failed")
            assert "deadline" == failed.errors[-1]["type"]
        assert begun <= 1, "on a slow machine its time is over before it begins"

        begun = 0
        kept = await client.insert_many([Number(n) for n in range(2)], deadline=0)
        await until(lambda: begun == 1)
        waits = await client.insert(Number(9), deadline=0)
        await until_state(client, waits.id, "running")
        await client.shutdown(timeout_ms=0)
        for job in (*kept, waits):
            assert 1 == (await until_state(client, job.id, "available")).attempt


async def test_a_batch_that_does_not_end_is_left_behind(database: str) -> None:
    """Guards the queue against a handler that ignores its end: the jobs go on without it."""
    begun: list[int] = []
    go_on = trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, queue="q", max_size=2, max_wait_ms=60_000, backoff=[0.0])
        async def handle(jobs: awa.JobBatch[Number]) -> None:
            begun.append(len(jobs))
            if len(begun) == 1:
                with trio.CancelScope(shield=True):
                    await go_on.wait()

        await client.insert_many([Number(n) for n in range(2)], deadline=SECOND_S)
        await client.start([("q", 2)], grace_s=0.1)
        await until(lambda: health_of(client).completed == 2)
        assert [2, 2] == begun
        assert 1 == health_of(client).queues["q"].left_behind
        go_on.set()
        await until(lambda: health_of(client).queues["q"].left_behind == 0)
