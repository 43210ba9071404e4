"""How long operators wait for a job, or a page of jobs, among a million.

Every filter that a client offers is asked for: at the newest jobs, in the middle, among the oldest.
"""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import awa
from awa._bench.history import QUEUES, fill_history
from awa._bench.server import fresh_database, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from awa._bench.server import Server

DEPTH: Final = 10
"""How many times as many jobs there are."""
STATES: Final = (
    *(None, "available", "running", "scheduled", "retryable"),
    *("completed", "failed", "cancelled"),
)
KINDS: Final = (None, "bench_job", "mixed_job")
KIND_OF: Final = dict(zip(QUEUES, KINDS[1:], strict=True))
_PLACES: Final = (1.0, 0.5, 0.02)
_PLACES_OF_WAITING: Final = (1.0, 0.8, 0.66)
"""Of the ids: where the page begins. What waits to be claimed is young."""
_REPEAT: Final = 5
_BY_ID: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A page that was asked for: its filters, and the milliseconds of each try."""

    filters: dict[str, Any]
    took_ms: tuple[float, ...]

    @property
    def usual_ms(self) -> float:
        """The middle one: what a page costs, without what the machine does beside it."""
        return statistics.median(self.took_ms)


def measure_pages(server: Server, jobs: int) -> dict[str, float]:
    """Milliseconds for a job by its id, and for pages of 100 jobs."""
    with (
        fresh_database(server) as conninfo,
        open_session(conninfo) as session,
        awa.Client(conninfo) as client,
    ):
        fill_history(client, session, jobs * DEPTH)
        session.execute("vacuum analyze")
        newest = client.list_jobs(limit=1)[0].id
        by_id = list(_by_id(client, newest))
        pages = [_ask(client, filters) for filters in choices(newest)]
    slowest = max(pages, key=lambda page: page.usual_ms)
    whole = [took for page in pages for took in page.took_ms]
    return {
        "pages.by_id_ms.p50": statistics.median(by_id),
        "pages.by_id_ms.p99": _p99(by_id),
        "pages.page_ms.p50": statistics.median(whole),
        "pages.page_ms.p99": _p99(whole),
        "pages.slowest_page_ms": slowest.usual_ms,
    }


def choices(newest: int) -> Iterator[dict[str, Any]]:
    """Every page that is asked for; a queue's jobs have one kind, and only that is asked for."""
    for state, queue, kind in product(STATES, (None, *QUEUES), KINDS):
        if queue is None or kind in {None, KIND_OF[queue]}:
            for place in _PLACES_OF_WAITING if state == "available" else _PLACES:
                before = None if place == 1.0 else int(newest * place) + 1
                yield {"state": state, "queue": queue, "kind": kind, "before_id": before}


def _ask(client: awa.Client, filters: dict[str, Any]) -> Asked:
    tries = range(_REPEAT)
    return Asked(
        filters=filters, took_ms=tuple(_ms(lambda: client.list_jobs(**filters)) for _ in tries)
    )


def _by_id(client: awa.Client, newest: int) -> Iterator[float]:
    draw = random.Random(1)  # noqa: S311  # the same jobs each time
    for _ in range(_BY_ID):
        job = draw.randint(1, newest)
        yield _ms(lambda job=job: client.get_job(job))  # type: ignore[misc]


def _ms(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return (time.perf_counter() - began_s) * 1e3


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]
