"""The answer to "are you well?"."""

from dataclasses import dataclass
from typing import Final

import psycopg
import sniffio
import trio

from awa._core.options import checked_duration_s, checked_int
from awa._runtime.health import WorkerHealth
from awa._runtime.limits import HEARTBEAT_TIMEOUT_S
from awa._storage.executors import run_asyncio
from awa._storage.functions import Storage
from awa._storage.install import require_version
from awa._storage.pool import Pool
from awa.errors import AwaError

PORT_MAX: Final = 65535
ANSWER_MIN_S: Final = 0.1
"""In less the database would be said not to answer that had no time to."""


def checked_port(port: int | None) -> int | None:
    """A TCP port, 0 for any free one, or None for none. Raises InvalidInput."""
    return None if port is None else checked_int("health_port", port, low=0, high=PORT_MAX)


def checked_patience_s(patience: float | None) -> float | None:
    """How long handlers may hold a queue; None for ever. Raises InvalidInput."""
    return None if patience is None else checked_duration_s("handler_stall_s", patience)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`problems` says in words what is wrong; `healthy` is that there is nothing."""

    problems: tuple[str, ...]
    worker: WorkerHealth | None

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def worker_problems(worker: WorkerHealth) -> list[str]:
    """What is wrong with a worker, in words."""
    problems = []
    if worker.state == "starting":
        problems.append("the worker has not reached the database yet")
    if worker.beat_age_s > HEARTBEAT_TIMEOUT_S:
        problems.append(f"no heartbeat was answered for {worker.beat_age_s:.0f} s")
    problems += [f"{stall.what}: {stall.why}" for stall in worker.stalls]
    problems += [
        f"no capable worker: kind {kind!r} has no handler here" for kind in worker.unknown_kinds
    ]
    problems += [
        f"queue {name!r}: {queue.left_behind} handlers did not end when they were cancelled"
        for name, queue in worker.queues.items()
        if queue.left_behind
    ]
    return problems


async def health_of(
    pool: Pool, storage: Storage, worker: WorkerHealth | None, *, timeout_s: float
) -> Health:
    """Ask the database within the time limit, and judge the worker."""
    database = await _database_problem(pool, storage, timeout_s)
    problems = [] if database is None else [database]
    problems += [] if worker is None else worker_problems(worker)
    return Health(problems=tuple(problems), worker=worker)


async def _database_problem(pool: Pool, storage: Storage, timeout_s: float) -> str | None:
    try:
        if sniffio.current_async_library() == "trio":
            with trio.fail_after(timeout_s):
                await _ask(pool, storage)
        else:
            import asyncio  # noqa: PLC0415  # only where it runs already

            async with asyncio.timeout(timeout_s):
                await _ask(pool, storage)
    except (trio.TooSlowError, TimeoutError):
        return f"the database did not answer within {timeout_s:g} s"
    except (AwaError, psycopg.Error) as error:
        return str(error).partition("\n")[0]
    return None


async def _ask(pool: Pool, storage: Storage) -> None:
    async with pool.connection() as conn:
        require_version(await run_asyncio(conn, storage.schema_version()), storage.schema)
