"""The queues that a worker is asked to work on, checked: all that is wrong is told at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final, TypeAlias

from awa._client.problems import Problems
from awa._core.limits import CLAIM_ENTRIES_MAX
from awa._core.options import checked_int, checked_name
from awa._core.throttling import Rate, default_burst
from awa._core.tuning import RATE_MAX, WEIGHT_MAX, WORKERS_MAX, Tuning
from awa.errors import InvalidInput

QUEUES_MAX: Final = 500
"""One claim call asks for at least one job of each queue, and for 1,000 in all."""
POLL_MS_MAX: Final = 86_400_000
CLAIMERS_MAX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """One queue of a worker, for `start`; docs/configuration.md tells what each field does.

    `max_workers`, and where the worker's queues share `global_max_workers` also `min_workers` and
    `weight`. None is as the worker, or the database, has it.
    """

    name: str
    max_workers: int | None = None
    min_workers: int | None = None
    weight: int | None = None
    rate_limit: float | tuple[float, int] | None = None
    claim_batch_size: int | None = None
    claimers: int | None = None
    poll_interval_ms: int | None = None
    deadline_duration_ms: int | None = None
    priority_aging_interval_ms: int | None = None


QueueChoice: TypeAlias = QueueConfig | tuple[str, int] | Mapping[str, object]
"""`("email", 2)`, a QueueConfig, or a dictionary of its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The queues of a worker, checked. `declared`: what is stored with a queue at the start."""

    tunings: Mapping[str, Tuning]
    declared: Mapping[str, Mapping[str, object]]

    def workers(self) -> tuple[tuple[str, int], ...]:
        """Each queue with the handlers that may run at once, at the most."""
        return tuple((name, tuning.max_workers) for name, tuning in self.tunings.items())


def checked_queues(
    choices: Iterable[QueueChoice], *, global_max_workers: int | None = None
) -> Chosen:
    """The queues, or one error with all that is wrong with them. Raises InvalidInput."""
    problems = Problems()
    chosen = collected_queues(choices, global_max_workers, problems)
    problems.tell()
    return chosen


def collected_queues(
    choices: Iterable[QueueChoice], global_max_workers: int | None, problems: Problems
) -> Chosen:
    """The queues as far as they are right; what is not is added to the problems."""
    configs = _configs(choices, problems)
    pool: int | None = None
    if global_max_workers is not None:
        pool = _pool(global_max_workers, configs, problems)
    return Chosen(
        tunings={config.name: _tuning(config, pool, problems) for config in configs},
        declared={config.name: _declared(config, problems) for config in configs},
    )


def no_queues(choices: Iterable[QueueChoice], *, problems: Problems) -> Chosen:
    """The queues of a worker that only maintains."""
    if list(choices):
        problems.add("queues", "must be empty: a worker with maintenance_only runs no job")
    return Chosen(tunings={}, declared={})


def _configs(choices: Iterable[QueueChoice], problems: Problems) -> list[QueueConfig]:
    if isinstance(choices, str | bytes | Mapping) or not isinstance(choices, Iterable):
        problems.add("queues", f'must be a list such as [("email", 2)], not {choices!r}')
        return []
    read = [problems.check(partial(_config, choice), None) for choice in choices]
    if not read:
        problems.add("queues", "is empty: a worker needs one, unless it has maintenance_only=True")
    if len(read) > QUEUES_MAX:
        problems.add("queues", f"has {len(read)} queues; the limit is {QUEUES_MAX}")
    configs = [config for config in read if config is not None]
    names = [config.name for config in configs]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add("queues", f"names {name!r} more than once")
    return configs


def _config(choice: Any) -> QueueConfig:
    match choice:
        case QueueConfig():
            config = choice
        case {"name": _, **rest}:
            unknown = sorted(map(str, rest.keys() - FIELDS))
            if unknown:
                known = ", ".join(sorted(FIELDS))
                raise InvalidInput("queues", f"has {choice!r}: no {unknown[0]!r}, but {known}")
            config = QueueConfig(**dict(choice))
        case (name, workers):
            # A pair says how many; None would read as left out.
            config = QueueConfig(name=name, max_workers=0 if workers is None else workers)
        case _:
            raise InvalidInput("queues", f"has {choice!r}, which is no (queue, max_workers)")
    checked_name("queue", config.name)
    return config


FIELDS: Final = frozenset(field.name for field in fields(QueueConfig))


def _pool(total: int, configs: Iterable[QueueConfig], problems: Problems) -> int:
    """How many handlers are shared beside the guaranteed ones."""
    field = "global_max_workers"
    total = problems.check(partial(checked_int, field, total, low=1, high=WORKERS_MAX), 1)
    own = [config.min_workers or 0 for config in configs if isinstance(config.min_workers, int)]
    if sum(own) > total:
        problems.add(field, f"is {total}, and min_workers of all queues together {sum(own)}")
    return max(0, total - sum(own))


def _tuning(config: QueueConfig, pool: int | None, problems: Problems) -> Tuning:
    def number(field: str, otherwise: int, low: int, high: int) -> int:
        given = getattr(config, field)
        if given is None:
            return otherwise
        check = partial(checked_int, field, given, low=low, high=high)
        return problems.check(check, otherwise, queue=config.name)

    most = number("max_workers", 1 if pool is None else WORKERS_MAX, 1, WORKERS_MAX)
    own, weight = number("min_workers", 0, 0, WORKERS_MAX), number("weight", 1, 1, WEIGHT_MAX)
    if pool is None:
        _check_alone(config, problems)
    elif own > most:
        problem = f"is {most}, and min_workers {own}"
        problems.add("max_workers", problem, queue=config.name)
    poll_ms = number("poll_interval_ms", 0, 1, POLL_MS_MAX)
    return Tuning(
        max_workers=most if pool is None else min(most, own + pool),
        guaranteed=own,
        weight=weight,
        claim_batch=number("claim_batch_size", CLAIM_ENTRIES_MAX, 1, CLAIM_ENTRIES_MAX),
        claimers=number("claimers", 1, 1, CLAIMERS_MAX),
        poll_s=poll_ms / 1000 if poll_ms else None,
        rate=problems.check(partial(checked_rate, config.rate_limit), None, queue=config.name),
    )


def _check_alone(config: QueueConfig, problems: Problems) -> None:
    name = config.name
    if config.max_workers is None:
        problems.add("max_workers", "is needed: how many handlers may run at once", queue=name)
    for field in ("min_workers", "weight"):
        if getattr(config, field) is not None:
            problems.add(field, "needs global_max_workers, which the queues share", queue=name)


def checked_rate(value: object, field: str = "rate_limit") -> Rate | None:
    """Jobs per second, or a pair of these and the burst; None for no limit. Raises InvalidInput."""
    match value:
        case None:
            return None
        case (per_s, burst):
            rate = _per_s(field, per_s)
            high = int(RATE_MAX)
            return Rate(per_s=rate, burst=checked_int(f"{field} burst", burst, low=1, high=high))
        case _:
            rate = _per_s(field, value)
            return Rate(per_s=rate, burst=default_burst(rate))


def _per_s(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(field, f"must be jobs per second, or (rate, burst), not {value!r}")
    if not 1 / RATE_MAX <= value <= RATE_MAX:
        raise InvalidInput(field, f"is {value}; it must be from {1 / RATE_MAX:f} to {RATE_MAX:.0f}")
    return float(value)


def _declared(config: QueueConfig, problems: Problems) -> dict[str, object]:
    declared: dict[str, object] = {}
    for field, setting in DECLARED.items():
        given = getattr(config, field)
        if given is not None:
            high = POLL_MS_MAX * 366
            check = partial(checked_int, field, given, low=0, high=high)
            declared[setting] = problems.check(check, 0, queue=config.name) / 1000
    return declared


DECLARED: Final = {
    "deadline_duration_ms": "deadline_s",
    "priority_aging_interval_ms": "aging_s",
}
"""By the fields' names: the settings of a queue that they are stored as."""
