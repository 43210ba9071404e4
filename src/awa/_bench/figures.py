"""What is measured: every figure with its unit, what it means, and what we want it to be.

A figure's name is its key in the JSON. Names end in their unit; a ratio has none.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Final

from awa.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound that a figure has to keep."""

    bound: float
    at_least: bool
    """True: more is better. False: the figure may not exceed the bound."""

    def is_reached(self, value: float) -> bool:
        """Whether the value keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of the report. `measurement` is the run that gives it."""

    name: str
    unit: str
    meaning: str
    measurement: str
    target: Target | None = None


CHANGED_MAX: Final = Target(bound=0.003, at_least=False)
DRAINS: Final = ("batch", "pinned", "beside", "mixed", "backlog")
"""What is compared with the plain drains of the same turn."""


def _drain(
    measurement: str, which: str, target: Target | None = None, ratio: Target | None = None
) -> tuple[Figure, ...]:
    """The figures that every drain gives."""
    meanings: dict[str, tuple[str, str, Target | None]] = {
        "jobs_per_s": (
            "jobs/s",
            f"from the first handler's start until none is open, {which}",
            target,
        ),
        "wal_bytes_per_job": ("B/job", "WAL written meanwhile", None),
        "commits_per_job": (
            "1/job",
            "transactions, reads included; the harness's own taken off",
            None,
        ),
        "updated_deleted_rows": ("rows", "rows updated or deleted in all, for all jobs", None),
        "updated_deleted_rows_per_job": ("rows/job", "the same for each job", CHANGED_MAX),
        "worker_cpu_s_per_1k": ("s/1k jobs", "processor time of the workers", None),
        "postgres_cpu_s_per_1k": ("s/1k jobs", "processor time of every server process", None),
    }
    return tuple(
        Figure(
            name=f"{measurement}.{name}",
            unit=unit,
            meaning=meaning,
            measurement=measurement,
            target=bound,
        )
        for name, (unit, meaning, bound) in meanings.items()
    ) + (_ratio(measurement, ratio) if ratio else ())


def _ratio(measurement: str, target: Target) -> tuple[Figure, ...]:
    name, meaning = (
        f"{measurement}.ratio_to_drain",
        "jobs/s by those of the plain drains of the same turn",
    )
    return (Figure(name=name, unit="", meaning=meaning, measurement=measurement, target=target),)


def _steady(rate: int, bounds: dict[str, Target]) -> tuple[Figure, ...]:
    meanings = {
        "pickup_ms": "from the producer's word that its job is stored to the handler's start",
        "end_to_end_ms": "from the time when the insert was due to the durable completion",
    }
    return tuple(
        Figure(
            name=f"steady.{name}_at_{rate}.{cut}",
            unit="ms",
            meaning=f"{meaning}; {rate} one-job transactions a second",
            measurement="steady",
            target=bounds.get(cut) if name == "pickup_ms" else None,
        )
        for name, meaning in meanings.items()
        for cut in ("p50", "p95", "p99")
    )


def _promote(bounds: dict[str, Target]) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            name=f"promote.late_ms.{cut}",
            unit="ms",
            meaning="from the time a job is scheduled for to its handler's start",
            measurement="promote",
            target=bounds.get(cut),
        )
        for cut in ("p50", "p95", "p99")
    )


def _pages() -> tuple[Figure, ...]:
    limit = Target(bound=10, at_least=False)
    return tuple(
        Figure(name=f"pages.{name}", unit="ms", meaning=meaning, measurement="pages", target=target)
        for name, meaning, target in (
            ("by_id_ms.p50", "a job by its id, among ten times as many", None),
            ("by_id_ms.p99", "the same", limit),
            ("page_ms.p50", "a page of 100 jobs, over all filters and places", None),
            ("page_ms.p99", "the same", limit),
            ("slowest_page_ms", "the filter and place that takes longest, usually", None),
        )
    )


FIGURES: Final = (
    Figure(
        name="limit.roundtrip_per_s",
        unit="1/s",
        meaning="`select 1`, one after the other",
        measurement="limit",
    ),
    Figure(
        name="limit.copy_per_s",
        unit="rows/s",
        meaning="COPY of the same rows in one transaction",
        measurement="limit",
    ),
    Figure(
        name="limit.bare_insert_per_s",
        unit="rows/s",
        meaning="one-row INSERTs, a transaction each: primary key and jsonb",
        measurement="single",
    ),
    Figure(
        name="enqueue.single_per_s",
        unit="jobs/s",
        meaning="client.insert, a transaction each",
        measurement="single",
    ),
    Figure(
        name="enqueue.single_ratio_to_bare_insert",
        unit="",
        meaning="the last two, taken in turns",
        measurement="single",
        target=Target(bound=0.5, at_least=True),
    ),
    Figure(
        name="enqueue.bulk_per_s",
        unit="jobs/s",
        meaning="client.enqueue_many_copy of all jobs",
        measurement="bulk",
        target=Target(bound=60_000, at_least=True),
    ),
    Figure(
        name="enqueue.wal_bytes_per_job",
        unit="B/job",
        meaning="WAL of that bulk enqueue",
        measurement="bulk",
    ),
    Figure(
        name="enqueue.client_cpu_s_per_1k",
        unit="s/1k jobs",
        meaning="processor time of the client in that bulk enqueue",
        measurement="bulk",
    ),
    Figure(
        name="enqueue.postgres_cpu_s_per_1k",
        unit="s/1k jobs",
        meaning="processor time of every server process in that bulk enqueue",
        measurement="bulk",
    ),
    *_drain("drain", "one worker", Target(bound=40_000, at_least=True)),
    *_drain("drain2", "two workers"),
    Figure(
        name="total.wal_bytes_per_job",
        unit="B/job",
        meaning="WAL of a job's whole life: bulk enqueue, claim, completion",
        measurement="drain",
        target=Target(bound=420, at_least=False),
    ),
    Figure(
        name="overhead.us_per_job",
        unit="us",
        meaning="processor time of the worker in that drain, the handler's next to nothing in it",
        measurement="drain",
        target=Target(bound=20, at_least=False),
    ),
    Figure(
        name="prefetch.jobs_per_s",
        unit="jobs/s",
        meaning="the same drain by a worker with ten permits",
        measurement="prefetch",
        target=Target(bound=25_000, at_least=True),
    ),
    Figure(
        name="batch.jobs_per_s",
        unit="jobs/s",
        meaning="the same drain by a handler that takes up to 1,000 jobs at once",
        measurement="batch",
    ),
    Figure(
        name="batch.worker_cpu_s_per_1k",
        unit="s/1k jobs",
        meaning="processor time of the worker",
        measurement="batch",
    ),
    Figure(
        name="batch.postgres_cpu_s_per_1k",
        unit="s/1k jobs",
        meaning="processor time of every server process",
        measurement="batch",
    ),
    *_ratio("batch", Target(bound=1.5, at_least=True)),
    *_drain("pinned", "under a snapshot held open", ratio=Target(bound=0.9, at_least=True)),
    *_drain("beside", "beside a producer that stays open", ratio=Target(bound=0.9, at_least=True)),
    Figure(
        name="mixed.jobs_per_s",
        unit="jobs/s",
        meaning="4 % of the jobs fail first, 4 % are snoozed first, 20 % are unique",
        measurement="mixed",
    ),
    Figure(
        name="mixed.worker_cpu_s_per_1k",
        unit="s/1k jobs",
        meaning="processor time of the worker",
        measurement="mixed",
    ),
    Figure(
        name="mixed.postgres_cpu_s_per_1k",
        unit="s/1k jobs",
        meaning="processor time of every server process",
        measurement="mixed",
    ),
    *_ratio("mixed", Target(bound=0.6, at_least=True)),
    *(
        Figure(
            name=f"limit.insert_ms_at_200.{cut}",
            unit="ms",
            meaning="a one-row INSERT, a transaction each, 200 a second",
            measurement="paced",
        )
        for cut in ("p50", "p99")
    ),
    *_steady(
        200, {"p50": Target(bound=3, at_least=False), "p99": Target(bound=12, at_least=False)}
    ),
    *_steady(1000, {}),
    *_promote({"p99": Target(bound=250, at_least=False)}),
    Figure(
        name="idle.queries_per_s",
        unit="1/s",
        meaning="transactions of a worker that leads and has nothing to do",
        measurement="idle",
        target=Target(bound=1.5, at_least=False),
    ),
    Figure(name="idle.wal_bytes_per_s", unit="B/s", meaning="WAL of the same", measurement="idle"),
    Figure(
        name="sleepers.rss_mb",
        unit="MB",
        meaning="memory of a worker in which 1,000 asynchronous handlers wait",
        measurement="sleepers",
        target=Target(bound=200, at_least=False),
    ),
    Figure(
        name="recovery.kill9_s.median",
        unit="s",
        meaning="from SIGKILL until all open jobs of a worker run at another one; the usual time",
        measurement="recovery",
    ),
    Figure(
        name="recovery.kill9_s.worst",
        unit="s",
        meaning="the same; the longest time",
        measurement="recovery",
        target=Target(bound=5, at_least=False),
    ),
    Figure(
        name="recovery.restart_s",
        unit="s",
        meaning="from the server's return until a job that is stored then runs; own servers only",
        measurement="recovery",
        target=Target(bound=5, at_least=False),
    ),
    *_drain("backlog", "ten times as many jobs", ratio=Target(bound=0.9, at_least=True)),
    Figure(
        name="memory.early_rss_mb",
        unit="MB",
        meaning="of the worker, after a tenth of that backlog",
        measurement="backlog",
    ),
    Figure(
        name="memory.late_rss_mb",
        unit="MB",
        meaning="of the worker, at its end",
        measurement="backlog",
    ),
    Figure(
        name="memory.late_to_early",
        unit="",
        meaning="the last two",
        measurement="backlog",
        target=Target(bound=1.1, at_least=False),
    ),
    *_pages(),
)

MEASUREMENTS: Final = tuple(dict.fromkeys(figure.measurement for figure in FIGURES))
"""In the order in which they run."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What the repetitions gave, by figure."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, found: dict[str, float]) -> None:
        """Take over the figures of one repetition."""
        for name, value in found.items():
            self.values.setdefault(name, []).append(value)

    def add_all(self, other: Samples) -> None:
        """Take over every value of the other."""
        for name, values in other.values.items():
            self.values.setdefault(name, []).extend(values)

    def means(self) -> dict[str, float]:
        """The mean of each figure."""
        return {name: statistics.fmean(values) for name, values in self.values.items()}

    def medians(self) -> dict[str, float]:
        """The middle of each figure's repetitions, in the order of FIGURES."""
        measured = (figure.name for figure in FIGURES if figure.name in self.values)
        return {name: statistics.median(self.values[name]) for name in measured}


def ratios_to_drain(found: dict[str, float]) -> dict[str, float]:
    """How the drains of a turn compare with its plain one, where both were measured."""
    plain = found.get("drain.jobs_per_s")
    if plain is None:
        return {}
    return {
        f"{name}.ratio_to_drain": found[f"{name}.jobs_per_s"] / plain
        for name in DRAINS
        if f"{name}.jobs_per_s" in found
    }


def chosen_measurements(names: tuple[str, ...]) -> tuple[str, ...]:
    """The measurements that give these figures or groups of figures; all for no name.

    A name is a figure (`drain.jobs_per_s`), its first part (`enqueue`) or a measurement (`bulk`).
    Raises ConfigurationError for a name that is none of these.
    """
    if not names:
        return MEASUREMENTS
    chosen: set[str] = set()
    for name in names:
        found = {
            figure.measurement
            for figure in FIGURES
            if name in {figure.name, figure.name.split(".")[0], figure.measurement}
        }
        if not found:
            raise ConfigurationError(
                f"there is no figure {name!r}; there are {', '.join(f.name for f in FIGURES)}"
            )
        chosen |= found
    return tuple(name for name in MEASUREMENTS if name in chosen)
