"""How much a worker may take of each queue now: its share of the handlers, and its rate.

All of it is decided where claims are made: permits are shared anew before each, and tokens are
spent by what a claim took. What operators say comes in between two claims.
"""

import logging
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import trio

from awa._core.sharing import Demand, allotments
from awa._core.throttling import Bucket, Rate
from awa._core.tuning import QueueOverrides, Tuning
from awa._runtime.limits import BEHIND_MAX, CLAIM_BATCH_MAX, THROTTLE_LOOK_S
from awa._runtime.permits import Permits
from awa._runtime.running import QueueRun
from awa._runtime.settings import WorkerSettings

_log: Final = logging.getLogger("awa.worker")
_NOTHING: Final = QueueOverrides()
_NOW: Final = 0.0


class Room(NamedTuple):
    """How many jobs to ask for. None, and a time: nothing is missing but that it comes."""

    jobs: int
    not_before_s: float = _NOW


class Tuner:
    """What one worker holds to in its queues, as long as it lives, however often it starts anew."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._said: Final = {name: settings.tuning_of(name) for name, _ in settings.queues}
        self._total: Final = settings.global_max_workers
        self._poll_s: Final = settings.poll_s
        self._permits: Mapping[str, Permits] = {}
        self._overrides: Mapping[str, QueueOverrides] = {}
        self._tunings: Final = dict(self._said)
        self._buckets: Final[dict[str, Bucket]] = {}
        self._behind: Final = dict.fromkeys(self._said, 0.0)
        self._lag: Final = dict.fromkeys(self._said, 0.0)
        """By how many permits each queue had less than its exact share since they were shared."""
        self._shared_s = 0.0

    def begin(self, permits: Mapping[str, Permits]) -> None:
        """Nobody runs now. What was taken of a rate before stays taken."""
        self._permits = permits
        self._lag.update(dict.fromkeys(self._lag, 0.0))
        self._shared_s = trio.current_time()
        for name, tuning in self._tunings.items():
            self._tune(name, tuning)
            if self._total is None:
                permits[name].workers = tuning.max_workers

    # What operators say ----------------------------------------------------------------------

    def override(
        self, found: Mapping[str, QueueOverrides], queues: Mapping[str, QueueRun]
    ) -> list[str]:
        """Hold to these from now on, and to no others; answers the queues that changes."""
        changed = [
            name
            for name in self._said
            if found.get(name, _NOTHING) != self._overrides.get(name, _NOTHING)
        ]
        self._overrides = found
        for name in changed:
            said = found.get(name, _NOTHING)
            self._tune(name, said.over(self._said[name]))
            if self._total is None:
                queues[name].permit(self._tunings[name].max_workers)
            _log.info("queue %s: its overrides are now %s", name, said.shown())
        return changed

    def poll_s(self, name: str) -> float:
        """How often this queue is asked for while the worker cannot be woken."""
        poll_s = self._tunings[name].poll_s
        return self._poll_s if poll_s is None else poll_s

    def claimers(self, name: str) -> int:
        """How many sessions may claim from this queue at once."""
        return self._tunings[name].claimers

    def _tune(self, name: str, tuning: Tuning) -> None:
        self._tunings[name] = tuning
        self._permits[name].batch_max = min(tuning.claim_batch, CLAIM_BATCH_MAX)
        bucket, now_s = self._buckets.pop(name, None), trio.current_time()
        if tuning.rate is not None:
            full = Bucket.full(tuning.rate, now_s)
            self._buckets[name] = full if bucket is None else bucket.retuned(tuning.rate, now_s)

    # Shares ----------------------------------------------------------------------------------

    def share(
        self, queues: Mapping[str, QueueRun], contending: Collection[str], now_s: float
    ) -> None:
        """Say how many handlers of each queue may run, where the queues share them."""
        if self._total is None:
            return
        elapsed_s, self._shared_s = now_s - self._shared_s, now_s
        demands = [
            self._demand(queue, elapsed_s, contends=name in contending)
            for name, queue in queues.items()
        ]
        for queue, shared in zip(queues.values(), allotments(self._total, demands), strict=True):
            self._lag[queue.name] = shared.exact - max(shared.permits, queue.busy_runners)
            queue.permit(shared.permits)

    def _demand(self, queue: QueueRun, elapsed_s: float, *, contends: bool) -> Demand:
        name, busy = queue.name, queue.busy_runners
        tuning = self._tunings[name]
        behind = self._behind[name] + self._lag[name] * elapsed_s
        # What was owed to a queue without work is not saved up for it.
        behind = max(-BEHIND_MAX, min(behind, BEHIND_MAX)) if contends else 0.0
        self._behind[name] = behind
        wanted = tuning.max_workers if contends else busy + queue.jobs_waiting()
        return Demand(
            most=tuning.max_workers,
            guaranteed=tuning.guaranteed,
            weight=tuning.weight,
            busy=busy,
            wanted=wanted,
            behind=behind,
        )

    # Rates -----------------------------------------------------------------------------------

    def room(self, queue: QueueRun, now_s: float, *, kept: int = 0) -> Room:
        """How many jobs of this queue to claim now; room for so many is `kept` for others."""
        jobs = queue.limit(kept=kept)
        bucket = self._buckets.get(queue.name)
        if bucket is None or jobs == 0:
            return Room(jobs)
        worthwhile = min(jobs, bucket.rate.burst, _tokens_of_a_look(bucket.rate))
        tokens = bucket.available(now_s) - queue.permits.asked - kept
        if tokens < worthwhile:
            return Room(0, bucket.ready_s(worthwhile))
        return Room(min(jobs, tokens))

    def took(self, name: str, jobs: int, now_s: float) -> None:
        """So many jobs of this queue were claimed."""
        if name in self._buckets:
            self._buckets[name] = self._buckets[name].taken(jobs, now_s)


def _tokens_of_a_look(rate: Rate) -> int:
    return max(1, int(rate.per_s * THROTTLE_LOOK_S))
