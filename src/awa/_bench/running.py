"""One run of the benchmark: the chosen measurements, repeated, on one server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from awa._bench import machine
from awa._bench.draining import measure_drain
from awa._bench.figures import Samples
from awa._bench.producing import measure_bulk, measure_limit, measure_single
from awa._bench.report import Report
from awa._bench.server import server_version, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awa._bench.server import Server


def _drain(server: Server, jobs: int) -> dict[str, float]:
    return measure_drain(server, jobs, workers=1)


def _drain2(server: Server, jobs: int) -> dict[str, float]:
    return measure_drain(server, jobs, workers=2)


def _limit(server: Server, jobs: int) -> dict[str, float]:
    return trio.run(measure_limit, server, jobs)


def _single(server: Server, jobs: int) -> dict[str, float]:
    return trio.run(measure_single, server, jobs)


def _bulk(server: Server, jobs: int) -> dict[str, float]:
    return trio.run(measure_bulk, server, jobs)


_MEASURES: Final = {
    "limit": _limit,
    "single": _single,
    "bulk": _bulk,
    "drain": _drain,
    "drain2": _drain2,
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
        for name in measurements:
            progress(f"{name} ({number} of {repeat})")
            samples.add(_MEASURES[name](server, jobs))
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
