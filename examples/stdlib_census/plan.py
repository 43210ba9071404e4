"""Which jobs there are, and what shall happen to some of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import awa
from examples.stdlib_census.census import CountFile, stdlib_root

QUEUE: Final = "census"
FILES_MIN: Final = 10
"""Fewer files are too few for everything that shall happen."""
FAILS_EVERY: Final = 50
"""One file of so many fails at first."""
SLOW_JOBS: Final = 6
SLOW_S: Final = 2.0
"""In the middle some files are read slowly: who reads them is killed meanwhile."""
DELAY_S: Final = 8.0
"""The last file is counted no sooner than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The jobs of one census."""

    now: tuple[CountFile, ...]
    later: CountFile
    missing: tuple[CountFile, ...]
    """Files that are not there: no attempt can succeed."""

    @property
    def files(self) -> list[str]:
        """The files that can be counted."""
        return [*(job.path for job in self.now), self.later.path]

    @property
    def failing(self) -> int:
        """How many files fail at first."""
        return sum(job.fails_first for job in self.now)

    @property
    def letters(self) -> list[str]:
        """What has to be among the dead letters at the end, and nothing else."""
        return sorted(job.path for job in self.missing)


def plan_of(files: Sequence[str]) -> Plan:
    """Say what shall happen to these files; at least FILES_MIN."""
    *most, last = files
    middle = range(len(most) // 2, len(most) // 2 + SLOW_JOBS)
    now = tuple(
        CountFile(
            path,
            fails_first=number % FAILS_EVERY == 0,
            slow_s=SLOW_S if number in middle else 0.0,
        )
        for number, path in enumerate(most)
    )
    missing = (CountFile(str(stdlib_root() / "no_such_module.py")),)
    return Plan(now=now, later=CountFile(last), missing=missing)


def store(plan: Plan, client: awa.Client) -> datetime:
    """Enqueue all jobs, and return the time of the one that has one.

    Jobs of this queue that fail become dead letters.
    """
    client.configure_queue(QUEUE, dead_letters=True)
    # Of the first priority, so that it need not wait behind the others when its time has come.
    later = client.insert(plan.later, queue=QUEUE, delay=DELAY_S, priority=1)
    waiting = client.get_job(later.id)
    assert waiting is not None
    assert waiting.run_at is not None
    client.insert_many((*plan.missing, *plan.now), queue=QUEUE)
    return waiting.run_at
