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


def _drain(measurement: str, workers: str, target: Target | None) -> tuple[Figure, ...]:
    """One worker and two give the same figures."""
    meanings = {
        "jobs_per_s": ("jobs/s", f"from the first handler's start until none is open, {workers}"),
        "wal_bytes_per_job": ("B/job", "WAL written meanwhile"),
        "commits_per_job": ("1/job", "transactions, reads included; the harness's own taken off"),
        "updated_deleted_rows": ("rows", "rows updated or deleted in all, for all jobs"),
        "worker_cpu_s_per_1k": ("s/1k jobs", "processor time of the workers"),
        "postgres_cpu_s_per_1k": ("s/1k jobs", "processor time of every server process"),
    }
    return tuple(
        Figure(
            name=f"{measurement}.{name}",
            unit=unit,
            meaning=meaning,
            measurement=measurement,
            target=target if name == "jobs_per_s" else None,
        )
        for name, (unit, meaning) in meanings.items()
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
    *_drain("drain2", "two workers", None),
    Figure(
        name="total.wal_bytes_per_job",
        unit="B/job",
        meaning="WAL of a job's whole life: bulk enqueue, claim, completion",
        measurement="drain",
        target=Target(bound=420, at_least=False),
    ),
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

    def medians(self) -> dict[str, float]:
        """The middle of each figure's repetitions, in the order of FIGURES."""
        measured = (figure.name for figure in FIGURES if figure.name in self.values)
        return {name: statistics.median(self.values[name]) for name in measured}


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
