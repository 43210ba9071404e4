"""The queues that a worker is asked to work on, checked."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from awa._core.options import checked_int, checked_name
from awa.errors import InvalidInput

WORKERS_MAX = 10_000
QUEUES_MAX = 500
"""One claim call asks for at least one job of each queue, and for 1,000 in all."""

QueueChoice: TypeAlias = tuple[str, int] | Mapping[str, object]
"""`("email", 2)`, or `{"name": "email", "max_workers": 2}`."""


def checked_queues(choices: Iterable[QueueChoice]) -> tuple[tuple[str, int], ...]:
    """Queues with the number of handlers that may run at once. Raises InvalidInput."""
    if isinstance(choices, str | bytes | Mapping):
        raise InvalidInput("queues", f'must be a list such as [("email", 2)], not {choices!r}')
    queues = tuple(_checked(choice) for choice in choices)
    names = [name for name, _ in queues]
    if not names:
        raise InvalidInput("queues", "is empty: a worker needs at least one queue")
    if len(names) > QUEUES_MAX:
        raise InvalidInput("queues", f"has {len(names)} queues; the limit is {QUEUES_MAX}")
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput("queues", f"names {name!r} more than once")
    return queues


def _checked(choice: object) -> tuple[str, int]:
    match choice:
        case {"name": name, "max_workers": workers, **rest} if not rest:
            pass
        case (name, workers):
            pass
        case _:
            raise InvalidInput("queues", f"has {choice!r}, which is no (queue, max_workers)")
    high = WORKERS_MAX
    return checked_name("queue", name), checked_int("max_workers", workers, low=1, high=high)
