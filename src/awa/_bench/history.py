"""A deep history: very many jobs in every state, stored and ended in batches as workers do it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from awa._bench.jobs import MixedJob, bench_jobs
from awa._core.entries import Ask, Fault, SettleItem, WorkerInfo
from awa._core.limits import CLAIM_ENTRIES_MAX
from awa._core.ranges import Ranges
from awa._storage.executors import run_sync
from awa._storage.functions import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    import awa
    from awa._core.entries import ClaimRow

    Session = psycopg.Connection[tuple[Any, ...]]

QUEUES: Final = ("default", "mail")
"""Jobs of the first are BenchJob's, of the second MixedJob's."""
ROUNDS: Final = 20
"""What is stored and claimed takes turns, so that states lie spread over the ids."""
ENDED: Final = 0.6
"""So much of each round is claimed; most of it completes."""
SCHEDULED: Final = 0.05
_WORKER: Final = 1
_LATER_S: Final = 86_400.0
_FAILED, _RETRIED = 10, 10
"""Of the first numbers of each claim."""
_OPEN_EACH: Final = 10
"""One claim in so many leaves an attempt open."""
_CANCELLED: Final = 400
"""One by one, from the newest."""


@dataclass(slots=True)
class _Worker:
    """Claims, and ends what it claimed: most as completed, some otherwise."""

    session: Session
    storage: Storage
    calls: Iterator[int]

    def start(self) -> None:
        info = WorkerInfo(name="history", host="", pid=0, queues=QUEUES, version="")
        run_sync(self.session, self.storage.worker_start(_WORKER, info))

    def end_some(self, queue: str, wanted: int) -> None:
        """Claim so many jobs of a queue, and end them."""
        left = wanted
        while left > 0:
            call = next(self.calls)
            asks = [Ask(queue=queue, limit=min(CLAIM_ENTRIES_MAX, left))]
            claim = self.storage.claim(_WORKER, call=call, token=call, asks=asks)
            rows = run_sync(self.session, claim).rows
            if not rows:
                return
            for row in rows:
                left -= len(row.seqs)
                self._end(row, call)

    def _end(self, row: ClaimRow, call: int) -> None:
        numbers = list(row.seqs)
        unwell = _FAILED + _RETRIED
        failed, retried = numbers[:_FAILED], numbers[_FAILED:unwell]
        well = numbers[unwell + (call % _OPEN_EACH == 0) :]
        faults = [Fault(item=1, seq=seq, delay_s=_LATER_S) for seq in retried]
        for settle in (
            self.storage.fail(_WORKER, call, [_item(row, call, failed)]),
            self.storage.retry(_WORKER, call, [_item(row, call, retried)], faults),
            self.storage.complete(_WORKER, call, [_item(row, call, well)]),
        ):
            run_sync(self.session, settle)


def fill_history(client: awa.Client, session: Session, jobs: int) -> None:
    """Store so many jobs: three fifths have ended, nearly all well; the rest waits or runs."""
    worker = _Worker(session, Storage(), count(1))
    worker.start()
    each = max(1, jobs // ROUNDS // len(QUEUES))
    later = int(each * SCHEDULED)
    for _ in range(ROUNDS):
        for queue in QUEUES:
            client.enqueue_many_copy(_jobs(queue, each - later), queue=queue)
            client.enqueue_many_copy(_jobs(queue, later), queue=queue, delay=_LATER_S)
            worker.end_some(queue, int(each * ENDED))
    waiting = client.list_jobs(state="available", limit=min(_CANCELLED, each))
    for job in waiting:
        client.cancel(job.id)


def _jobs(queue: str, number: int) -> list[Any]:
    if queue == QUEUES[0]:
        return list(bench_jobs(number))
    return [MixedJob(n, "go on") for n in range(number)]


def _item(row: ClaimRow, token: int, numbers: list[int]) -> SettleItem:
    seqs = Ranges.from_sorted(numbers)
    return SettleItem(slot=row.slot, token=token, part=row.part, seqs=seqs)
