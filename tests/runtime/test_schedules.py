"""Schedules in running workers: declared, fired on time, once whoever leads, and replaced."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import trio

import awa
from awa.errors import InvalidInput
from tests.fix_database import NewSession, Session
from tests.fix_workers import NewWorker, leader_name
from tests.workers import Number, health_of, until


@asynccontextmanager
async def leading(conninfo: str) -> AsyncIterator[awa.AsyncClient]:
    """Run a worker that claims nothing of the tests' jobs, but may lead."""
    async with awa.AsyncClient(conninfo) as client:
        await client.start([("nothing", 1)])
        yield client
        client.abort()


def fired(session: Session, name: str) -> list[datetime]:
    """Return the instants of a schedule's jobs, in the order of their ids."""
    rows = session.execute(
        "select extra -> 'metadata' ->> 'cron_fire_time' from awa.jobs"
        " where extra -> 'metadata' ->> 'cron_name' = %s order by id",
        [name],
    )
    return [datetime.fromisoformat(at) for (at,) in rows]


async def test_a_declared_schedule_fires_and_its_handler_runs(database: str) -> None:
    """Guards the whole way: a declaration, a leader, a job, a handler that knows its instant."""
    ran: list[awa.Job[Number]] = []
    async with awa.AsyncClient(database, namespace="app") as client:
        client.periodic("tick", "* * * * * *", Number, Number(7), tags=["t"], jitter_s=0.1)

        @client.task(Number, queue="q", priority=3)
        async def handle(job: awa.Job[Number]) -> None:
            ran.append(job)

        await client.start([("q", 2)])
        with pytest.raises(awa.ConfigurationError, match="add a schedule before it starts"):
            client.periodic("late", "@daily", Number, Number(1))
        await until(lambda: len(ran) >= 2)
        (found,) = await client.list_schedules()
        assert ("app", "tick", True, "* * * * * *") == (
            found.namespace,
            found.name,
            found.declared,
            found.cron,
        )
        await client.shutdown()
    assert {(7, ("t",))} == {(job.args.n, tuple(job.tags)) for job in ran}
    instants = [datetime.fromisoformat(job.metadata["cron_fire_time"]) for job in ran]
    assert instants == sorted(set(instants))
    assert {"tick"} == {job.metadata["cron_name"] for job in ran}


async def test_leaders_that_come_and_go_fire_each_instant_once(
    database: str, session: NewSession
) -> None:
    """Guards FiredOnce and DueFires: the leader is cut off again and again, and its heirs go on."""
    one = session()
    every = timedelta(milliseconds=200)
    async with leading(database) as first, leading(database) as second:
        await first.put_schedule(
            *("s", None, Number(1)),
            every=every,
            missed_fire_policy="catch_up",
            catch_up_max=1000,
            queue="unserved",
        )
        for _ in range(4):
            before = len(fired(one, "s"))
            await until(lambda n=before: len(fired(one, "s")) >= n + 3)  # type: ignore[misc]
            cut = one.execute(
                "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory'"
                " and classid = awa.lk_leader()::oid and granted"
            ).fetchone()
            assert cut is not None
        await until(lambda: health_of(first).leading or health_of(second).leading)
        before = len(fired(one, "s"))
        await until(lambda: len(fired(one, "s")) >= before + 3)
        assert await first.pause_schedule("s")
    found = fired(one, "s")
    assert [found[0] + n * every for n in range(len(found))] == found


async def test_a_leader_that_is_killed_has_an_heir_that_leaves_nothing_out(
    session: NewSession, database: str, new_worker: NewWorker
) -> None:
    """Guards the same for processes: after a SIGKILL each instant that passed is fired once."""
    one = session()
    workers = {name: new_worker(name) for name in ("a", "b")}
    one.execute(
        'select awa.put_schedule(\'n\', \'s\', \'{"every_s": 0.2, "kind": "k", "args": {},'
        ' "opts": {"queue": "unserved"}, "missed_fire_policy": "catch_up", "catch_up_max": 1000}\')'
    )
    await until(lambda: len(fired(one, "s")) >= 3)
    leader = leader_name(database)
    assert leader is not None
    workers[leader].kill()
    before = len(fired(one, "s"))
    await until(lambda: len(fired(one, "s")) >= before + 3)
    one.execute("select awa.delete_schedule('n', 's')")
    found = fired(one, "s")
    every = timedelta(milliseconds=200)
    assert [found[0] + n * every for n in range(len(found))] == found


async def test_what_nobody_can_follow_stands_in_no_others_way(
    database: str, session: NewSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the others: a zone that this leader does not know is told, and tried again."""
    one = session()
    for zone in ("Europe/Atlantis", "UTC"):
        one.execute(
            "select awa.put_schedule('n', %s, jsonb_build_object('cron', '* * * * * *',"
            " 'timezone', %s::text, 'kind', 'k', 'args', '{}'::jsonb))",
            [zone, zone],
        )
    async with leading(database):
        await until(lambda: len(fired(one, "UTC")) >= 2)
        await until(lambda: "Atlantis" in caplog.text)
    assert [] == fired(one, "Europe/Atlantis")


async def test_a_running_job_is_cancelled_for_the_next_where_its_schedule_replaces(
    database: str,
) -> None:
    """Guards overlap = replace: the handler hears of it, and the new job runs."""
    begun: list[int] = []
    cancelled: list[int] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            begun.append(job.id)
            if len(begun) > 1:
                return
            try:
                await trio.sleep_forever()
            finally:
                cancelled.append(job.id)

        client.periodic("s", "@yearly", Number, Number(1), overlap="replace")
        await client.start([("q", 5)])
        first = await client.trigger_schedule("s")
        await until(lambda: begun == [first.job_id])
        second = await client.trigger_schedule("s")
        assert awa.TriggerAnswer.INSERTED is second.answer
        await until(lambda: cancelled == [first.job_id])
        await until(lambda: begun == [first.job_id, second.job_id])
        assert first.job_id is not None
        record = await client.get_job(first.job_id)
        assert record is not None
        assert ("cancelled", "replaced") == (record.state, record.reason)
        client.abort()


async def test_deployments_remove_their_own_schedules_only(
    database: str, session: NewSession
) -> None:
    """Guards namespaces: a start takes back what its own namespace declares no more."""

    async def deploy(namespace: str | None, *names: str) -> None:
        async with awa.AsyncClient(database, namespace=namespace) as client:
            for name in names:
                client.periodic(name, "@daily", Number, Number(1))
            await client.start([("nothing", 1)], lead=False)
            client.abort()

    await deploy("a", "x", "y")
    await deploy("b", "x", "y")
    await deploy(None, "x")
    await deploy(None, "y")
    await deploy("a", "y")
    await deploy("b")
    found = session().execute("select namespace, name from awa.schedules order by 1, 2").fetchall()
    assert [("a", "y"), ("default", "x"), ("default", "y")] == found


async def test_a_tick_fires_what_was_missed_since_the_last_one(
    database: str, session: NewSession
) -> None:
    """Guards programs that a clock starts: no worker has to run for a schedule to be kept."""
    one = session()
    ran: list[int] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q")
        async def handle(job: awa.Job[Number]) -> None:
            ran.append(job.args.n)

        client.periodic("s", "@daily", Number, Number(1))
        assert (await client.tick([("q", 1)], budget_s=30)).drained
        assert [] == ran
        one.execute(
            "update awa.cron_schedules set upto = now() - interval '3 days', next_at = now()"
        )
        one.execute("select awa.tell_schedule('env_older', 'default', 's')")
        assert (await client.tick([("q", 1)], budget_s=30)).drained
        assert [1] == ran


async def test_a_restart_moves_no_interval(database: str, session: NewSession) -> None:
    """Guards `every`: its instants are multiples, whenever workers start and stop."""
    one = session()
    for _ in range(2):
        async with awa.AsyncClient(database) as client:
            client.periodic("s", None, Number, Number(1), every=0.5, queue="unserved")
            await client.start([("nothing", 1)])
            before = len(fired(one, "s"))
            await until(lambda n=before: len(fired(one, "s")) >= n + 2)  # type: ignore[misc]
            client.abort()
    found = fired(one, "s")
    assert found == sorted(set(found))
    assert {0.0} == {at.timestamp() % 0.5 for at in found}


@dataclass
class Needy:
    """Arguments that cannot be made without any."""

    text: str


@pytest.mark.parametrize(
    ("field", "cron", "options"),
    [
        ("cron", "0 0 30 2 *", {}),
        ("cron", None, {}),
        ("cron", "@daily", {"every": 5}),
        ("timezone", "@daily", {"timezone": "Nowhere"}),
        ("timezone", None, {"every": 5, "timezone": "UTC"}),
        ("every", None, {"every": 0}),
        ("anchor", None, {"every": 5, "anchor": datetime(2030, 1, 1)}),  # noqa: DTZ001  # just so
        ("overlap", "@daily", {"overlap": "maybe"}),
        ("missed_fire_policy", "@daily", {"missed_fire_policy": "never"}),
        ("catch_up_max", "@daily", {"catch_up_max": 0}),
        ("jitter_s", "@daily", {"jitter_s": 1e9}),
        ("max_lateness_s", "@daily", {"max_lateness_s": -1}),
        ("priority", "@daily", {"priority": 9}),
        ("unique", "@daily", {"unique": True}),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_at_once(
    field: str, cron: str | None, options: dict[str, Any]
) -> None:
    """Guards programs: the error comes where the mistake is, and nothing is stored."""
    with pytest.raises(InvalidInput) as refused:
        awa.Client("postgresql:///unused").periodic("s", cron, Number, Number(1), **options)
    assert field == refused.value.field


def test_the_arguments_of_a_schedule_fit_their_class() -> None:
    """Guards handlers: what is declared can be decoded; and a name is declared once."""
    client = awa.Client("postgresql:///unused", namespace="mine")
    client.periodic("s", "@daily", Needy, Needy("x"))
    twin = client.asynchronous()
    assert ("mine", ["s"]) == (twin.namespace, list(twin._declarations.by_name))
    with pytest.raises(InvalidInput, match="declared already"):
        client.periodic("s", "@daily", Needy, Needy("x"))
    with pytest.raises(InvalidInput, match="without any"):
        client.periodic("t", "@daily", Needy)
    with pytest.raises(InvalidInput, match="must be of type Needy"):
        client.periodic("t", "@daily", Needy, Number(1))


async def test_schedules_are_looked_at_while_nobody_speaks(
    database: str, session: NewSession
) -> None:
    """Guards databases where nothing notifies: the leader looks from time to time."""
    one = session()
    async with leading(database) as client:
        await until(lambda: health_of(client).leading)
        one.execute("set awa.notify = 'off'")
        one.execute(
            'select awa.put_schedule(\'n\', \'s\', \'{"every_s": 0.3, "kind": "k", "args": {}}\')'
        )
        await until(lambda: fired(one, "s") != [])
