"""The schedules of `tests/schedules/` as catchers: each is played, recorded, judged and checked.

They are played in one database with gates, which is emptied between them.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from correctness.mutants.by_stories import Watched
from correctness.mutants.catching import NOTHING, Finding
from correctness.mutants.mutant import Mutant
from correctness.mutants.of_schedules import ACTIONS_OF
from tests.fix_database import Session, open_session
from tests.schedules.every import SCHEDULES
from tests.schedules.schedule import Schedule
from tests.schedules.world import World


class _Sessions:
    """Sessions that are used again, because each has its plans to make."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo: Final = conninfo
        self._idle: list[Session] = []
        self._used: list[Session] = []

    def __call__(self, **options: Any) -> Session:
        found = self._idle.pop() if self._idle and not options else self._new(**options)
        self._used.append(found)
        return found

    def _new(self, **options: Any) -> Session:
        return open_session(self._conninfo, **options)

    def end(self) -> None:
        """Take all back, and end those that are still at something."""
        for session in self._used:
            if session.info.transaction_status == TransactionStatus.INTRANS:
                session.rollback()
            if session.info.transaction_status == TransactionStatus.IDLE:
                session.execute("reset all")
                session.execute("select pg_advisory_unlock_all()")
                self._idle.append(session)
            else:
                self._kill(session)
        self._used.clear()

    def _kill(self, session: Session) -> None:
        with open_session(self._conninfo) as killer:
            killer.execute("select pg_terminate_backend(%s, 10000)", [session.info.backend_pid])
        session.close()

    def close(self) -> None:
        """Close all."""
        self.end()
        for session in self._idle:
            session.close()


def driving(mutant: Mutant) -> list[Schedule]:
    """The schedule that is the mutant's own; else all that are of one of its actions."""
    own = [schedule for schedule in SCHEDULES if schedule.witness == mutant.name]
    return own or [
        schedule
        for schedule in SCHEDULES
        if not set(ACTIONS_OF[schedule.witness]).isdisjoint(mutant.actions)
    ]


def findings(schedules: list[Schedule], conninfo: str) -> Iterator[Finding]:
    """Play schedules until one is broken; the replay and the check look at those that were."""
    watched = Watched(conninfo)
    with closing(watched), closing(_Sessions(conninfo)) as sessions:
        sessions().execute("select awa.ensure_lane('default')")
        for schedule in schedules:
            sessions.end()
            watched.empty()
            seen = _played(schedule, sessions)
            sessions.end()
            yield Finding(catcher="schedule", saw=seen)
            yield watched.check()
            if not schedule.by_hand:
                yield watched.replay()
            if seen:
                return


def _played(schedule: Schedule, sessions: _Sessions) -> str:
    """Play one; answer which properties it breaks."""
    try:
        world = World(sessions)
        schedule.play(world)
        broken = ", ".join(sorted(world.broken()))
    except (AssertionError, LookupError, ValueError, psycopg.Error) as ended:
        return f"{schedule.witness} is not played to its end: {type(ended).__name__}"
    return f"{broken} in {schedule.witness}" if broken else NOTHING
