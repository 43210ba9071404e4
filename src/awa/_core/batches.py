"""How many jobs go into one `enqueue_many`: by number and by bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awa._core import limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from awa._core.options import NewJob


def batches(jobs: Iterable[NewJob]) -> Iterator[list[NewJob]]:
    """Cut jobs into lists, in order, each within ENQUEUE_JOBS_MAX and about ENQUEUE_BYTES_MAX.

    A list passes the byte limit by less than one job.
    """
    batch: list[NewJob] = []
    size = 0
    for job in jobs:
        batch.append(job)
        size += len(job.args) + len(job.opts)
        if len(batch) == limits.ENQUEUE_JOBS_MAX or size >= limits.ENQUEUE_BYTES_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
