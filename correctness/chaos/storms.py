"""Sessions: terminated over and over, or not to be had because others took them all."""

import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Final

import psycopg
import trio

import awa
from correctness.chaos.jobs import QUICK, Errand, Mix, Wish
from correctness.chaos.preparing import HAND, open_session
from correctness.chaos.producing import book
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage
from correctness.chaos.ticking import begin_ticking

STORM_S: Final = 10.0
GUSTS_A_SECOND: Final = 3.0
POOL: Final = 2
CALLERS: Final = 12
HELD_S: Final = 1.0
SHORTAGE_S: Final = 8.0
CONNECTIONS: Final = 40

REFUSALS: Final = {
    "workers' troubles as the server was full": "connection slots are reserved|too many clients",
    "workers' troubles as the role was full": "too many connections for role",
}

TERMINATE: Final = f"""\
select count(pg_terminate_backend(pid)) from pg_stat_activity
where usename = '{HAND}' and application_name like %s"""
OURS: Final = "awa worker %"
ANY: Final = "%"


async def storm(stage: Stage) -> None:
    """Terminate all sessions of workers and producers, some times a second, for a while."""
    await stage.start_workers(2)
    stage.start_producers(2, mix=Mix(owning=8.0, noting=4.0))
    await begin_ticking(stage)
    await stage.probe()
    over_s = trio.current_time() + stage.minutes * 60
    while trio.current_time() < over_s:
        calm_s = trio.current_time() + STORM_S
        while trio.current_time() < calm_s:
            terminate(stage, ANY)
            await trio.sleep(stage.dice.expovariate(GUSTS_A_SECOND))
        await stage.probe()
        await trio.sleep(stage.dice.uniform(0.5, 3.0))
    stage.must_bite("sessions terminated", stage.figures["sessions terminated"])


def terminate(stage: Stage, whose: str) -> None:
    """Terminate the sessions of this name."""
    ended = stage.query(TERMINATE, [whose])[0][0]
    stage.fault("gust of terminated sessions", f"{ended} sessions")
    count = stage.figures.get("sessions terminated", 0)
    stage.figures["sessions terminated"] = count + ended


async def exhaust(stage: Stage) -> None:
    """Use up the server's connections, the role's while sessions are terminated, a client's."""
    stage.clients_max += POOL
    await stage.start_workers(2)
    stage.start_producers(2)
    stage.query("create role greedy login password 'greedy' connection limit -1")
    await stage.probe()
    over_s = trio.current_time() + stage.minutes * 60
    while trio.current_time() < over_s:
        for shortage in (server_full, role_full):
            async with shortage(stage):
                terminate(stage, OURS)
                await trio.sleep(SHORTAGE_S)
            await stage.probe()
        await starve(stage)
    logs = "".join(worker.log() for worker in stage.workers)
    for what, refusal in REFUSALS.items():
        stage.must_bite(what, len(re.findall(refusal, logs)))


async def starve(stage: Stage) -> None:
    """Have more callers than a client has connections, all of which are held for a while."""
    stage.fault("all connections of a client's pool held")
    waited_s: list[float] = []
    async with awa.AsyncClient(stage.conninfo, pool_size=POOL) as client:

        async def hold(*, task_status: trio.TaskStatus[None]) -> None:
            async with client.transaction():
                task_status.started()
                await trio.sleep(HELD_S)

        async def call() -> None:
            began_s = trio.current_time()
            errand = Errand(n=stage.books.next_number())
            await book(stage.books, client, [stage.books.wish(Wish(kind=QUICK, errand=errand))])
            waited_s.append(trio.current_time() - began_s)

        async with trio.open_nursery() as nursery:
            for _ in range(POOL):
                await nursery.start(hold)
            for _ in range(CALLERS):
                nursery.start_soon(call)
    waited = sum(seconds > HELD_S / 2 for seconds in waited_s)
    stage.must_bite("callers that waited for a client's pool", waited)


@asynccontextmanager
async def server_full(stage: Stage) -> AsyncIterator[None]:
    """Have others take every connection that is free, and each that becomes free."""
    stage.fault("all connections of the server taken")
    conninfo = psycopg.conninfo.make_conninfo(stage.admin, user="greedy", password="greedy")  # noqa: S106
    with ExitStack() as taken:
        async with trio.open_nursery() as nursery:

            async def grab() -> None:
                while True:
                    try:
                        while True:
                            taken.enter_context(open_session(conninfo))
                    except psycopg.OperationalError:
                        await trio.sleep(0.02)

            nursery.start_soon(grab)
            await trio.sleep(0.5)
            yield
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def role_full(stage: Stage) -> AsyncIterator[None]:
    """Allow the role no connection more."""
    stage.fault("the role's connection limit set to 0")
    stage.query(f"alter role {HAND} connection limit 0")
    yield
    stage.query(f"alter role {HAND} connection limit -1")


SCENARIOS: Final = (
    Scenario(
        name="storm",
        does="pg_terminate_backend of all sessions, three times a second for 10 s, again and again",
        run=storm,
        minutes=0.4,
    ),
    Scenario(
        name="exhaustion",
        does="no connection to be had: all of the server's, the role's, a client's",
        run=exhaust,
        minutes=0.2,
        settings={"max_connections": str(CONNECTIONS)},
    ),
)
