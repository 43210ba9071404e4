"""What handlers answer and raise, and where their jobs go."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import trio

import awa
from tests.fix_database import NewSession
from tests.workers import Number, health_of, until, until_state


async def test_completed_stores_its_result(database: str) -> None:
    """Guards both spellings: an outcome that says what returning a value says."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> awa.Completed:
            return awa.Completed({"n": job.args.n} if job.args.n else None)

        await client.start([("q", 2)])
        some, none = await client.insert_many([Number(1), Number(0)], queue="q")
        assert {"n": 1} == (await until_state(client, some.id, "completed")).result
        assert None is (await until_state(client, none.id, "completed")).result


async def test_retry_after_counts_as_an_attempt_and_keeps_its_reason(database: str) -> None:
    """Guards the bound: asking for another attempt for ever ends like failing for ever."""
    jobs: list[awa.Job[Number]] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", max_attempts=3)
        def handle(job: awa.Job[Number]) -> awa.RetryAfter:
            jobs.append(job)
            return awa.RetryAfter(timedelta(milliseconds=1), "not there yet")

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        failed = await until_state(client, handle_of.id, "failed")
        assert ("exhausted", 3) == (failed.reason, failed.attempt)
        assert [1, 2, 3] == [job.attempt for job in jobs]
        assert [(1, "RetryAfter", "not there yet"), (2, "RetryAfter", "not there yet")] == [
            (past.attempt, past.type, past.error) for past in jobs[2].errors
        ]
        await until(lambda: health_of(client).failed == 1)
        assert 2 == health_of(client).retried


async def test_snooze_keeps_the_attempt(database: str) -> None:
    """Guards jobs that wait for something: however often they look, no attempt is used up."""
    seen: list[tuple[int, int]] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", max_attempts=1)
        async def handle(job: awa.Job[Number]) -> awa.Snooze | None:
            seen.append((job.attempt, job.run_lease))
            assert () == job.errors
            return awa.Snooze(0.001) if len(seen) < 4 else None

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await until_state(client, handle_of.id, "completed")
        assert [(1, 1), (1, 2), (1, 3), (1, 4)] == seen
        assert 3 == health_of(client).snoozed


async def test_a_snoozed_job_is_scheduled(database: str) -> None:
    """Guards the view: a job that waits for its time looks like one that was put off."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> awa.Snooze:
            return awa.Snooze(timedelta(hours=job.args.n))

        await client.start([("q", 4)])
        for handle_of in await client.insert_many([Number(n) for n in (1, 2, 1, 3)], queue="q"):
            waiting = await until_state(client, handle_of.id, "scheduled")
            assert 1 == waiting.attempt


async def test_cancel_ends_the_job_with_its_reason(database: str) -> None:
    """Guards jobs whose cause is gone: no failure, no dead letter, a reason to read."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> awa.Cancel:
            return awa.Cancel(f"account {job.args.n} is closed" if job.args.n else None)

        await client.start([("q", 3)])
        first, second, third = await client.insert_many(
            [Number(7), Number(8), Number(0)], queue="q"
        )
        assert "account 7 is closed" == (await until_state(client, first.id, "cancelled")).reason
        assert "account 8 is closed" == (await until_state(client, second.id, "cancelled")).reason
        assert not (await until_state(client, third.id, "cancelled")).reason
        assert (3, 0) == (health_of(client).cancelled, health_of(client).failures)


async def test_a_misplaced_outcome_says_in_history_and_log_what_to_write(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards authors of handlers: neither a raised outcome nor its class is a riddle."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", max_attempts=1)
        def handle(job: awa.Job[Number]) -> object:
            if job.args.n:
                raise awa.Snooze(5)  # type: ignore[misc]  # the mistake
            return awa.Cancel

        await client.start([("q", 2)])
        handles = await client.insert_many([Number(0), Number(1)], queue="q")
        ended = [await until_state(client, handle_of.id, "failed") for handle_of in handles]
        (returned,), (raised,) = (job.errors for job in ended)
        assert (
            "result: is the class Cancel, not an instance of it: write awa.Cancel(...)"
            == (returned["error"])
        )
        assert "BaseException; if it was an outcome" in raised["error"]
        await until(lambda: health_of(client).failed == 2)
    for past in (returned, raised):
        assert any(past["error"] in record.message for record in caplog.records)


class Closed(awa.TerminalError):
    """The account is closed."""


async def test_a_terminal_error_fails_the_job_at_once(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards attempts that would be in vain; raised in a nursery it counts as well."""
    async with awa.AsyncClient(database) as client:

        async def fail() -> None:
            raise Closed("no such account")

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            if job.args.n == 1:
                await fail()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail)

        await client.start([("q", 2)])
        for handle_of in await client.insert_many([Number(1), Number(2)], queue="q"):
            failed = await until_state(client, handle_of.id, "failed")
            assert ("terminal", 1) == (failed.reason, failed.attempt)
        await until(lambda: health_of(client).failed == 2)
    told = [record.message for record in caplog.records if "cannot succeed" in record.message]
    assert ["failed: Closed: no such account; it cannot succeed"] * 2 == [
        message.partition("attempt 1 ")[2] for message in told
    ]


async def test_the_policy_of_a_kind_decides_what_is_tried_again(database: str) -> None:
    """Guards `fail_on`, `retry_on`, and that a kind's policy is its own."""
    errors = {1: ValueError(), 2: KeyError(), 3: OSError(), 4: TimeoutError()}

    @dataclass
    class Plain:
        n: int

    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", retry_on=OSError, fail_on=[TimeoutError], backoff=[3600])
        async def handle(job: awa.Job[Number]) -> None:
            raise errors[job.args.n]

        @client.task(Plain, queue="q", backoff=[3600])
        async def handle_plain(job: awa.Job[Plain]) -> None:
            raise errors[job.args.n]

        await client.start([("q", 8)])
        chosen = await client.insert_many([Number(n) for n in errors], queue="q")
        plain = await client.insert_many([Plain(n) for n in errors], queue="q")
        for handle_of, state in zip(
            chosen, ["failed", "failed", "retryable", "failed"], strict=True
        ):
            await until_state(client, handle_of.id, state)
        for handle_of in plain:
            await until_state(client, handle_of.id, "retryable")


async def test_the_back_off_of_a_kind_says_when(database: str, session: NewSession) -> None:
    """Guards the delay: that of the kind's function, or the database's where it fails."""

    @dataclass
    class Broken:
        pass

    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", backoff=lambda attempt, _error: timedelta(hours=attempt))
        async def handle(job: awa.Job[Number]) -> None:
            raise ValueError

        @client.task(Broken, queue="q", backoff=lambda _attempt, _error: 1 / 0)
        async def handle_broken(job: awa.Job[Broken]) -> None:
            raise ValueError

        await client.start([("q", 2)])
        hour = await client.insert(Number(1))
        usual = await client.insert(Broken(), max_attempts=25)
        await until_state(client, hour.id, "retryable")
        await until(lambda: health_of(client).retried >= 2)
        with session() as conn:
            ((hour_s,),) = conn.execute(
                "select extract(epoch from run_at - now())::float8 from awa.deferred"
                " where job_id = %s",
                [hour.id],
            ).fetchall()
        assert 3500 < hour_s <= 3600
        again = await until_state(client, usual.id, "retryable")
        assert again.attempt >= 2


async def test_the_history_keeps_the_last_five_errors(database: str) -> None:
    """Guards the row of a job that fails for weeks: its history stays short, and the newest."""
    seen: list[tuple[int, ...]] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", max_attempts=8, backoff=[0])
        async def handle(job: awa.Job[Number]) -> None:
            seen.append(tuple(past.attempt for past in job.errors))
            assert all(len(past.error) <= 2000 for past in job.errors)
            if job.attempt < 8:
                raise ValueError("x" * 5000)

        await client.start([("q", 1)])
        handle_of = await client.insert(Number(1))
        await until_state(client, handle_of.id, "completed")
        assert [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5)] == seen[:6]
        assert [(2, 3, 4, 5, 6), (3, 4, 5, 6, 7)] == seen[6:]


async def test_what_a_kind_says_holds_for_jobs_of_this_client(database: str) -> None:
    """Guards defaults: given at the task, used by `insert`, unless it says otherwise."""
    seen: dict[int, awa.Job[Number]] = {}
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", priority=1, max_attempts=7, deadline=60)
        async def handle(job: awa.Job[Number]) -> None:
            seen[job.args.n] = job

        await client.start([("q", 4)])
        usual = await client.insert(Number(1))
        other = await client.insert(Number(2), priority=3, max_attempts=2, deadline=0)
        many = await client.insert_many([Number(3)])
        bare = await client.insert({"n": 4}, kind="number")
        for handle_of in (usual, other, *many, bare):
            await until_state(client, handle_of.id, "completed")
        assert {1: (1, 7), 2: (3, 2), 3: (1, 7), 4: (1, 7)} == {
            n: (job.priority, job.max_attempts) for n, job in sorted(seen.items())
        }
        deadline = seen[1].deadline
        assert deadline is not None
        assert timedelta(0) < deadline - seen[1].enqueued_at < timedelta(seconds=75)
        assert None is seen[2].deadline


@pytest.mark.parametrize(
    ("option", "value"), [("priority", 5), ("max_attempts", 0), ("deadline", -1), ("backoff", 1)]
)
async def test_a_wrong_option_of_a_task_is_told_at_once(
    database: str, option: str, value: Any
) -> None:
    """Guards deployments: no worker starts with a handler that cannot be what it says."""
    async with awa.AsyncClient(database) as client:
        with pytest.raises(awa.InvalidInput, match=option):
            client.task(Number, **{option: value})


@pytest.mark.by_hand
async def test_a_queue_may_keep_its_failures_as_dead_letters(
    database: str, session: NewSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the policy: exhausted and terminal failures alike, per queue; never a cancel."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> awa.Cancel | None:
            if job.args.n == 1:
                raise Closed("for good")
            if job.args.n == 2:
                raise ValueError("last attempt")
            return awa.Cancel("not wanted")

        await client.start([("q", 3), ("other", 1)])
        with session() as conn:
            conn.execute("update awa.queue_settings set dead_letters = true where queue = 'q'")
        handles = await client.insert_many(
            [Number(n) for n in (1, 2, 3)], queue="q", max_attempts=1
        )
        other = await client.insert(Number(1), queue="other")
        await until_state(client, handles[2].id, "cancelled")
        await until_state(client, other.id, "failed")
        await until(lambda: health_of(client).dead_lettered == 2)
        with session() as conn:
            found = conn.execute("select job_id, reason from awa.dlq order by job_id").fetchall()
        assert [(handles[0].id, "terminal"), (handles[1].id, "exhausted")] == found
    assert 2 == len([r for r in caplog.records if "is a dead letter now" in r.message])


@pytest.mark.bulk
async def test_a_thousand_mixed_outcomes_all_end_as_they_should(database: str) -> None:
    """Guards the whole: every job at its own end, with the attempts it should have had."""
    last: dict[int, int] = {}
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", max_attempts=3, backoff=[0])
        async def handle(job: awa.Job[Number]) -> object:
            last[job.args.n] = job.attempt
            match job.args.n % 8:
                case 0:
                    raise ValueError("always")
                case 1:
                    return awa.Snooze(0) if job.run_lease < 3 else "snoozed twice"
                case 2:
                    return awa.Cancel("unwanted")
                case 3:
                    raise awa.TerminalError("for good")
                case 4 if job.attempt < 3:
                    return awa.RetryAfter(0, "later")
                case 5 if job.attempt < 2:
                    raise OSError("once")
                case 6:
                    return {"n": job.args.n}
            return None

        handles = await client.insert_many([Number(n) for n in range(1000)], queue="q")
        await client.start([("q", 20)])
        ends = [
            ("failed", 3),
            ("completed", 1),
            ("cancelled", 1),
            ("failed", 1),
            ("completed", 3),
            ("completed", 2),
            ("completed", 1),
            ("completed", 1),
        ]
        for n, handle_of in enumerate(handles):
            state, attempt = ends[n % 8]
            found = await until_state(client, handle_of.id, state)
            assert (attempt, attempt) == (found.attempt, last[n])
        assert () == await client.check()
