"""What handlers say of their progress: seen while they run, and by the next attempt."""

from typing import Any

import pytest
import trio

import awa
from awa._runtime import noting
from tests.fix_database import NewSession
from tests.workers import Number, until, until_found, until_state

RELEASE = """
    select awa.release(0, 1, array[slot], array[token], array[part],
                       array[int8multirange(int8range(seq, seq + 1))]) from awa.attempts
"""


async def test_the_next_attempt_goes_on_where_the_last_one_was(
    database: str, session: NewSession
) -> None:
    """Guards ProgressKept: what was set last before a retry and a snooze, without a word of it.

    Of a job that completed nothing is told any more.
    """
    seen: list[Any] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", backoff=[0])
        async def handle(job: awa.Job[Number]) -> object:
            seen.append(job.progress)
            job.set_progress(10 * len(seen), f"round {len(seen)}")
            job.update_metadata({f"place_{len(seen)}": len(seen)})
            if len(seen) == 1:
                raise ValueError
            return awa.Snooze(0) if len(seen) == 2 else None

        await client.start([("q", 1)])
        stored = await client.insert(Number(1), queue="q")
        plain = await client.insert(Number(2), kind="other", queue="elsewhere")
        done = await until_state(client, stored.id, "completed")
        other = await client.get_job(plain.id)
    first = {"percent": 10, "message": "round 1", "metadata": {"place_1": 1}}
    both = {"place_1": 1, "place_2": 2}
    assert [None, first, {"percent": 20, "message": "round 2", "metadata": both}] == seen
    assert None is done.progress
    assert other is not None
    assert None is other.progress
    with session() as looker:
        assert (2,) == looker.execute("select count(*) from awa.leases").fetchone()


async def test_progress_is_seen_while_the_handler_runs(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the coalesced flush, and the one that a handler waits for; both from threads too."""
    monkeypatch.setattr(noting, "NOTE_INTERVAL_S", 0.05)
    over = trio.Event()
    async with awa.AsyncClient(database) as client:

        @client.task(Number, kind="task", queue="q")
        async def task(job: awa.Job[Number]) -> None:
            for percent in range(60):
                job.set_progress(percent)
            await over.wait()

        @client.task(Number, kind="thread", queue="q")
        def thread(job: awa.Job[Number]) -> None:
            job.set_progress(250, "far too much")
            job.flush_progress_sync()
            trio.from_thread.run(over.wait)

        async def percent_of(job_id: int) -> float | None:
            found = await client.get_job(job_id)
            return None if found is None or found.progress is None else found.progress["percent"]

        await client.start([("q", 2)])
        one = await client.insert(Number(1), kind="task")
        two = await client.insert(Number(2), kind="thread")

        async def as_set() -> bool:
            return (await percent_of(one.id), await percent_of(two.id)) == (59, 100)

        await until_found(as_set, "progress that is seen")
        over.set()
        await until_state(client, one.id, "completed")
        await until_state(client, two.id, "completed")


async def test_an_attempt_that_has_ended_says_nothing_any_more(
    database: str, session: NewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards OnlyOpenNotes: released behind its worker's back, and its job runs elsewhere.

    So it is told, also when the worker itself has sent the note before it asks.
    """
    monkeypatch.setattr(noting, "NOTE_INTERVAL_S", 0.05)
    seen: list[Any] = []
    notes: list[noting.Notes] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            seen.append(job.progress)
            if job.run_lease == 2:
                return
            desk: Any = job._reached()
            notes.append(desk._notes)
            job.set_progress(1)
            await job.flush_progress()
            with session() as operator:
                operator.execute(RELEASE)
            job.set_progress(2)
            with pytest.raises(awa.StaleAttempt):
                await job.flush_progress()
            job.set_progress(3)
            await until(lambda: not notes[0]._waiting)
            with pytest.raises(awa.StaleAttempt):
                await job.flush_progress()

        await client.start([("q", 1)])
        stored = await client.insert(Number(1), queue="q")
        await until_state(client, stored.id, "completed")
        assert not notes[0]._over
    assert [None, {"percent": 1}] == seen


async def test_what_the_database_refuses_is_told_to_who_asks(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards `flush_progress`: it answers no note that is not there, whoever has sent it.

    Also the company of a refused note, which comes in one call with it, and the job's outcome.
    """
    monkeypatch.setattr(noting, "NOTE_INTERVAL_S", 0.05)
    notes: list[noting.Notes] = []
    async with awa.AsyncClient(database) as client:

        @client.batch_task(Number, queue="q", max_size=2, max_wait_ms=60_000)
        async def handle(jobs: awa.JobBatch[Number]) -> list[object]:
            first, second = jobs
            desk: Any = first._reached()
            first.update_metadata({"huge": [1e300] * 200})
            second.set_progress(7)
            notes.append(desk._notes)
            await until(lambda: not notes[0]._waiting)
            await second.flush_progress()
            with pytest.raises(awa.InvalidInput, match="progress: must be JSON of at most 32768"):
                await first.flush_progress()
            first.update_metadata({"huge": None})
            await first.flush_progress()
            first.update_metadata({"huge": [1e300] * 200})
            return [awa.Cancel(), awa.Cancel()]

        await client.start([("q", 2)])
        stored = await client.insert_many([Number(1), Number(2)], queue="q")
        said = [(await until_state(client, job.id, "cancelled")).progress for job in stored]
        assert not notes[0]._refused
    assert [{"metadata": {"huge": None}}, {"percent": 7}] == said
    assert 2 == len([record for record in caplog.records if "is dropped" in record.message])


async def test_what_is_too_much_is_refused_where_it_is_said(database: str) -> None:
    """Guards the bounds: the handler's own line raises, and what it said before stands.

    What it reads of itself is what others read of it.
    """
    said: list[Any] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", max_attempts=1)
        async def handle(job: awa.Job[Number]) -> None:
            job.set_progress(5)
            with pytest.raises(awa.InvalidInput):
                job.set_progress(float("nan"))
            with pytest.raises(awa.InvalidInput):
                job.set_progress(1, "m" * 2000)
            with pytest.raises(awa.InvalidInput, match="16384"):
                job.update_metadata({"much": "x" * 20_000})
            with pytest.raises(awa.InvalidInput):
                job.update_metadata({"nul": "\0"})
            strange: Any = {5: 3}
            with pytest.raises(awa.InvalidInput, match="strings as keys"):
                job.update_metadata(strange)
            assert {"percent": 5} == job.progress
            job.update_metadata({"pair": (1, {2: 3})})
            said.append(job.progress)
            raise ValueError

        await client.start([("q", 1)])
        stored = await client.insert(Number(1), queue="q")
        failed = await until_state(client, stored.id, "failed")
    assert said == [failed.progress]
    assert {"percent": 5, "metadata": {"pair": [1, {"2": 3}]}} == failed.progress
