"""One run of the benchmark: the chosen measurements, repeated, on one server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from awa._bench import machine
from awa._bench.batched import measure_batch
from awa._bench.capacity import measure_prefetch, measure_sleepers
from awa._bench.draining import PRODUCER, SNAPSHOT, measure_drain
from awa._bench.figures import DRAINS, Samples, ratios_to_drain
from awa._bench.mixed import measure_mixed
from awa._bench.paced import measure_paced
from awa._bench.paging import measure_pages
from awa._bench.producing import measure_bulk, measure_limit, measure_single
from awa._bench.promoting import measure_promote
from awa._bench.recovering import measure_recovery
from awa._bench.report import Report
from awa._bench.server import server_version, settings_of
from awa._bench.steady import measure_idle, measure_steady

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awa._bench.server import Server


BACKLOG: Final = 10
"""How many times as many jobs a deep backlog has."""
TURNS: Final = 3
"""How often the drains that are compared run in a round, one right after the other: rates of runs
that are minutes apart differ more than what is compared."""
COMPARABLE_JOBS: Final = 5_000
"""With fewer jobs a drain says next to nothing, however often it runs."""
_COMPARED: Final = ("drain", "batch", "pinned", "beside", "mixed")


def _limit(server: Server, jobs: int) -> dict[str, float]:
    return trio.run(measure_limit, server, jobs)


def _single(server: Server, jobs: int) -> dict[str, float]:
    return trio.run(measure_single, server, jobs)


def _bulk(server: Server, jobs: int) -> dict[str, float]:
    return trio.run(measure_bulk, server, jobs)


def _drain(server: Server, jobs: int) -> dict[str, float]:
    return measure_drain(server, jobs, name="drain")


def _drain2(server: Server, jobs: int) -> dict[str, float]:
    return measure_drain(server, jobs, name="drain2", workers=2)


def _pinned(server: Server, jobs: int) -> dict[str, float]:
    return measure_drain(server, jobs, name="pinned", company=SNAPSHOT)


def _beside(server: Server, jobs: int) -> dict[str, float]:
    return measure_drain(server, jobs, name="beside", company=PRODUCER)


def _backlog(server: Server, jobs: int) -> dict[str, float]:
    return measure_drain(server, jobs * BACKLOG, name="backlog")


_MEASURES: Final = {
    "limit": _limit,
    "single": _single,
    "bulk": _bulk,
    "drain": _drain,
    "drain2": _drain2,
    "prefetch": measure_prefetch,
    "batch": measure_batch,
    "pinned": _pinned,
    "beside": _beside,
    "mixed": measure_mixed,
    "paced": measure_paced,
    "steady": measure_steady,
    "promote": measure_promote,
    "idle": measure_idle,
    "sleepers": measure_sleepers,
    "recovery": measure_recovery,
    "backlog": _backlog,
    "pages": measure_pages,
}


def run_bench(
    server: Server,
    *,
    measurements: Sequence[str],
    jobs: int,
    repeat: int,
    progress: Callable[[str], None],
) -> Report:
    """Measure everything `repeat` times, in rounds, so that each figure sees the whole run's time.

    `progress` is told what begins. Raises InternalError when jobs are lost, run twice or left.
    """
    samples = Samples()
    calibration: list[float] = []
    for number in range(1, repeat + 1):
        calibration.append(machine.calibration_ms())
        found = Samples()
        for turn in turns(measurements, times=TURNS if jobs >= COMPARABLE_JOBS else 1):
            measured = Samples()
            for name in turn:
                progress(f"{name} ({number} of {repeat})")
                measured.add(_MEASURES[name](server, jobs))
            found.add_all(measured)
            found.add(ratios_to_drain(measured.means()))
        samples.add(found.medians())
    return Report(
        jobs=jobs,
        repeat=repeat,
        server=server.what,
        samples=samples,
        settings=settings_of(server),
        versions=machine.versions(server_version(server)),
        machine=machine.machine(),
        calibration_ms=tuple(calibration),
    )


def turns(measurements: Sequence[str], *, times: int = TURNS) -> list[tuple[str, ...]]:
    """What runs in a round, in its order. What a turn holds is compared within it.

    Where drains are compared, they have so many turns.

    Each turn goes the other way than the one before, so that nothing is always the first; the deep
    backlog takes so long that it has plain drains on both sides.
    """
    compared = tuple(name for name in measurements if name in _COMPARED)
    if "drain" not in compared or not set(measurements) & set(DRAINS):
        return [(name,) for name in measurements]
    order: list[tuple[str, ...]] = []
    for name in measurements:
        if name == "backlog":
            order.append(("drain", name, "drain"))
        elif name not in _COMPARED:
            order.append((name,))
        elif name == "drain" and len(compared) > 1:
            order += [compared[:: (-1) ** number] for number in range(times)]
    return order
