"""What is looked at while faults go on: sessions on the server, memory of the workers."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from typing import Final

import psycopg
import trio

from correctness.chaos.preparing import HAND, open_session
from correctness.chaos.processes import WorkerProcess

LOOK_INTERVAL_S: Final = 0.5
LOOKS: Final = 4
"""Sessions count that are there so many looks long: one that is replaced ends a moment later."""

SESSIONS: Final = """\
select case when application_name like 'awa worker %%' then application_name else '' end, count(*)
from pg_stat_activity where usename = %s group by 1"""
OTHERS: Final = ""


@dataclass(slots=True)
class Audience:
    """Looks, as often as the server lets it."""

    conninfo: Callable[[], str]
    workers: list[WorkerProcess]
    sessions_max: dict[str, int] = field(default_factory=dict)
    """The most sessions that a worker of this name had, look after look."""
    others_max: int = 0
    """The most that all producers had together, likewise."""
    _looks: deque[Counter[str]] = field(default_factory=lambda: deque(maxlen=LOOKS))
    resident: dict[str, list[int]] = field(default_factory=dict)
    """Bytes in memory of each worker, look by look."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for worker in self.workers:
                if (found := worker.resident_bytes()) is not None:
                    self.resident.setdefault(worker.name, []).append(found)
            await trio.to_thread.run_sync(self.look, abandon_on_cancel=True)
            await trio.sleep(LOOK_INTERVAL_S)

    def look(self) -> None:
        """Count sessions; a server that does not answer has none to count."""
        try:
            with open_session(self.conninfo()) as session:
                self.take(Counter(dict(session.execute(SESSIONS, [HAND]).fetchall())))
        except psycopg.Error:
            self._looks.clear()

    def take(self, sessions: Counter[str]) -> None:
        """Note how many each has, if they had as many at the looks before."""
        self._looks.append(sessions)
        if len(self._looks) < LOOKS:
            return
        lasting = reduce(and_, self._looks)
        self.others_max = max(self.others_max, lasting.pop(OTHERS, 0))
        for name, count in lasting.items():
            self.sessions_max[name] = max(count, self.sessions_max.get(name, 0))
