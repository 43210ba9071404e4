"""Workers in tests: clients of the test's database, and facts to wait for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import trio

import awa

WAIT_S_MAX: Final = 60.0
LOOK_INTERVAL_S: Final = 0.005


@dataclass
class Number:
    """Arguments of the tests' jobs."""

    n: int


def health_of(client: awa.AsyncClient) -> awa.WorkerHealth:
    """Return what the client's worker says of itself now."""
    assert client._worker is not None
    return client._worker.health()


async def until(fact: Callable[[], bool], what: str = "it") -> None:
    """Return once `fact()` is true; fail when it does not come true within the limit."""
    with trio.move_on_after(WAIT_S_MAX):
        while True:
            if fact():
                return
            await trio.sleep(LOOK_INTERVAL_S)
    raise AssertionError(f"{what} did not happen within {WAIT_S_MAX} s")


async def until_state(client: awa.AsyncClient, job_id: int, state: str) -> awa.JobRecord:
    """Return the job once it is in this state."""

    async def look() -> awa.JobRecord | None:
        found = await client.get_job(job_id)
        return found if found is not None and found.state == state else None

    found: awa.JobRecord = await until_found(look, f"state {state} of job {job_id}")
    return found


async def until_found(look: Callable[[], Awaitable[Any]], what: str = "it") -> Any:
    """Return the first answer of `look()` that is true."""
    with trio.move_on_after(WAIT_S_MAX):
        while True:
            found = await look()
            if found:
                return found
            await trio.sleep(LOOK_INTERVAL_S)
    raise AssertionError(f"{what} did not happen within {WAIT_S_MAX} s")
