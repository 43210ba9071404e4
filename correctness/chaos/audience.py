"""What is looked at while faults go on: sessions on the server, memory of the workers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import psycopg
import trio

from correctness.chaos.preparing import open_session
from correctness.chaos.processes import WorkerProcess

LOOK_INTERVAL_S: Final = 0.5

SESSIONS: Final = """\
select application_name, count(*) from pg_stat_activity
where application_name like 'awa worker %' group by 1"""


@dataclass(slots=True)
class Audience:
    """Looks, as often as the server lets it."""

    conninfo: Callable[[], str]
    workers: list[WorkerProcess]
    sessions_max: dict[str, int] = field(default_factory=dict)
    """The most sessions that a worker of this name had at a time."""
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
                rows = session.execute(SESSIONS).fetchall()
        except psycopg.Error:
            return
        for name, count in rows:
            self.sessions_max[name] = max(count, self.sessions_max.get(name, 0))
