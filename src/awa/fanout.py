"""One logical queue over several physical ones, for a workload that one queue is too narrow for.

Jobs of one key always go to the same physical queue and keep their order there; between keys there
is none. Each physical queue has lanes, settings and a sleeping worker of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self, TypedDict

from awa._client.queues import QUEUES_MAX, QueueConfig
from awa._core.limits import QUEUE_LENGTH_MAX
from awa._core.options import checked_int, checked_name, checked_ordering_key
from awa._core.sharding import partition_of
from awa.errors import InvalidInput

__all__ = ["KeyRoute", "QueueConfig", "QueueFanout", "QueueRoute"]

INDEX_MAX: Final = 2**63 - 1


class QueueRoute(TypedDict):
    """Options of an insert: where it goes."""

    queue: str


class KeyRoute(QueueRoute):
    """Options of an insert: where it goes, and what it is ordered by there."""

    ordering_key: str


class QueueFanout:
    """A logical queue over `partitions` physical ones: `name`, `name__p1`, `name__p2` and so on.

    ::

        orders = awa.QueueFanout("orders", 4)
        await client.start(orders.queue_configs(max_workers_per_partition=8))
        await client.insert(OrderPaid(order=7), **orders.route_by_key("customer-7"))

    Producers and workers must agree on the number. To raise it, deploy the workers first; to lower
    it, the producers, and keep workers on the old queues until those are empty. Either way most
    keys move, so jobs stored before and after are not ordered among each other.
    Raises InvalidInput.
    """

    def __init__(self, logical_queue: str, partitions: int) -> None:
        name = checked_name("logical_queue", logical_queue)
        count = checked_int("partitions", partitions, low=1, high=QUEUES_MAX)
        self._queues = (name, *(f"{name}__p{n}" for n in range(1, count)))
        longest = len(self._queues[-1])
        if longest > QUEUE_LENGTH_MAX:
            problem = f"makes names of {longest} characters; the limit is {QUEUE_LENGTH_MAX}"
            raise InvalidInput("logical_queue", problem)

    @classmethod
    def from_physical_queues(cls, queues: Iterable[str]) -> Self:
        """A fan-out over queues that have names already; their order counts."""
        if isinstance(queues, str | bytes) or not isinstance(queues, Iterable):
            raise InvalidInput("queues", f"must be a list of names, not {queues!r}")
        names = tuple(checked_name("queues", name) for name in queues)
        if not 1 <= len(names) <= QUEUES_MAX or len(set(names)) < len(names):
            raise InvalidInput("queues", f"must be 1 to {QUEUES_MAX} names, each of them once")
        made = cls(names[0], 1)
        made._queues = names
        return made

    @property
    def queues(self) -> tuple[str, ...]:
        """The physical queues."""
        return self._queues

    def queue_for_key(self, key: str | bytes) -> str:
        """Where the jobs of this key go; the same on every machine and in every release."""
        return self._queues[partition_of(checked_ordering_key(key), len(self._queues))]

    def queue_for_index(self, index: int) -> str:
        """Where the job of this ordinal goes, round and round: for jobs that need no order."""
        checked_int("index", index, low=0, high=INDEX_MAX)
        return self._queues[index % len(self._queues)]

    def route_by_key(self, key: str | bytes) -> KeyRoute:
        """Options for `insert`: the key's queue, and its order there."""
        return {"queue": self.queue_for_key(key), "ordering_key": checked_ordering_key(key)}

    def route_by_index(self, index: int) -> QueueRoute:
        """Options for `insert`: the ordinal's queue."""
        return {"queue": self.queue_for_index(index)}

    def queue_configs(
        self,
        *,
        max_workers_per_partition: int | None = None,
        min_workers_per_partition: int | None = None,
        weight: int | None = None,
        rate_limit_per_partition: float | tuple[float, int] | None = None,
        claim_batch_size: int | None = None,
        claimers: int | None = None,
        poll_interval_ms: int | None = None,
        deadline_duration_ms: int | None = None,
        priority_aging_interval_ms: int | None = None,
    ) -> list[QueueConfig]:
        """All physical queues, as `start` takes them. A worker may also take only some.

        Each of them gets what is said here, as a `QueueConfig` of its own; `start` checks it.
        """
        return [
            QueueConfig(
                name=queue,
                max_workers=max_workers_per_partition,
                min_workers=min_workers_per_partition,
                weight=weight,
                rate_limit=rate_limit_per_partition,
                claim_batch_size=claim_batch_size,
                claimers=claimers,
                poll_interval_ms=poll_interval_ms,
                deadline_duration_ms=deadline_duration_ms,
                priority_aging_interval_ms=priority_aging_interval_ms,
            )
            for queue in self._queues
        ]
