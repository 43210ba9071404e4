"""How many jobs to ask for: permits, and jobs claimed ahead when jobs are short.

A permit is held from the claim until the outcome is durable. Nothing here waits or reads a clock.
"""

from dataclasses import dataclass
from typing import Final

from awa._core.limits import CLAIM_ENTRIES_MAX
from awa._runtime.limits import (
    CLAIM_BATCH_MAX,
    PREFETCH_HORIZON_S,
    PREFETCH_JOBS_MAX,
)

# A long job must end prefetching soon; many short ones may earn it back slowly.
_WEIGHT_LONGER: Final = 0.2
_WEIGHT_SHORTER: Final = 0.02
_DURATION_MIN_S: Final = 1e-6


@dataclass(slots=True, kw_only=True)
class Permits:
    """The permits of one queue.

    `workers`: handlers that may run at once. `held`: jobs claimed whose outcome is not durable.
    `asked`: jobs that claims without an answer may yet bring.
    `mean_s`: the recent duration of a handler. `ahead_max`: jobs that may be claimed ahead.
    `batch_max`: jobs asked for at once.
    """

    workers: int
    held: int = 0
    asked: int = 0
    mean_s: float | None = None
    ahead_max: int = PREFETCH_JOBS_MAX
    batch_max: int = CLAIM_BATCH_MAX

    def asks(self, jobs: int) -> None:
        """A claim leaves that may take so many."""
        self.asked += jobs

    def answered(self, jobs: int) -> None:
        """The answer to a claim of so many is known; what it took is told by `took`."""
        assert 0 <= jobs <= self.asked
        self.asked -= jobs

    def took(self, jobs: int) -> None:
        """So many jobs were claimed."""
        self.held += jobs
        self.ahead_max = min(self.ahead_max + 1 + self.ahead_max // 8, PREFETCH_JOBS_MAX)

    def gave_back(self) -> None:
        """Jobs claimed ahead did not start in time.

        On a machine that is slow for lack of processors, claiming as many again and giving them
        back again would make it slower still.
        """
        self.ahead_max //= 2

    def returned(self, jobs: int) -> None:
        """So many outcomes became durable."""
        assert 0 <= jobs <= self.held
        self.held -= jobs

    def measured(self, duration_s: float) -> None:
        """A handler ran for so long."""
        mean_s = self.mean_s
        if mean_s is None:
            self.mean_s = duration_s
            return
        weight = _WEIGHT_LONGER if duration_s > mean_s else _WEIGHT_SHORTER
        self.mean_s = mean_s + (duration_s - mean_s) * weight

    def limit(self, *, oldest_running_s: float, kept: int = 0) -> int:
        """How many jobs to ask for now; 0 for none. Room for so many is `kept` for others."""
        prefetch = prefetch_limit(
            workers=self.workers, mean_s=self.mean_s, oldest_running_s=oldest_running_s
        )
        prefetch = min(prefetch, self.ahead_max)
        held = self.held + self.asked + kept
        return claim_limit(
            workers=self.workers, prefetch=prefetch, held=held, batch_max=self.batch_max
        )


def prefetch_limit(*, workers: int, mean_s: float | None, oldest_running_s: float) -> int:
    """How many jobs may wait behind the running ones: as many as start within the horizon.

    None behind a handler that has already run longer than that, and none before one was measured.
    """
    if mean_s is None or oldest_running_s > PREFETCH_HORIZON_S:
        return 0
    jobs = int(workers * PREFETCH_HORIZON_S / max(mean_s, _DURATION_MIN_S))
    return min(jobs, PREFETCH_JOBS_MAX)


def claim_limit(*, workers: int, prefetch: int, held: int, batch_max: int = CLAIM_BATCH_MAX) -> int:
    """How many jobs to ask for with so many held.

    Short jobs are worth waiting for a batch: a claim costs the same for 1 and for 1,000.
    """
    free = workers + prefetch - held
    batch = min(workers + prefetch, batch_max)
    worthwhile = batch // 2 if prefetch > 0 else 1
    if free < max(1, worthwhile):
        return 0
    return min(free, batch_max)


def share_out(limits: dict[str, int]) -> dict[str, int]:
    """Cut the wanted numbers to what one call may ask for, in proportion; nobody gets none."""
    wanted = {queue: limit for queue, limit in limits.items() if limit > 0}
    total = sum(wanted.values())
    if total <= CLAIM_ENTRIES_MAX:
        return wanted
    assert len(wanted) <= CLAIM_ENTRIES_MAX
    scale = (CLAIM_ENTRIES_MAX - len(wanted)) / total
    return {queue: 1 + int(limit * scale) for queue, limit in wanted.items()}
