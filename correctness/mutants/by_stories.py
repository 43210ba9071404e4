"""Catchers that need no test: stories are told on a mutant, the twin judges what was recorded.

They are those of `traces/accepted/`, one after the other in one database that is emptied between
them. No reply is looked at: what notices is the replay, or `awa.check()` behind a story.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from correctness.model import ACTIONS
from correctness.mutants.catching import NOTHING, Finding, of_check, of_refusal
from correctness.mutants.mutant import Mutant
from correctness.recording import Recording
from correctness.replay_by_twin import judge
from correctness.stories import STORIES
from correctness.story_stage import Stage, Story, begin
from correctness.traces import Recorded, cut
from tests.fix_database import Session, open_session
from tests.machine.world import AFRESH

TOLD: Final = frozenset(ACTIONS) | {"census"}
"""What Storage speaks of, or a trace ends with: mutants of anything else are no matter of these."""

_EMPTIED: Final = AFRESH + "; update awa.queue_settings set dead_letters = false"
_WAITED_MAX: Final = 3
"""Stories that wait until their time is up, before no other is told."""


class Watched:
    """A database that is recorded, and emptied again and again."""

    def __init__(self, conninfo: str) -> None:
        """Begin to record: before anybody else has a session there."""
        self.conninfo: Final = conninfo
        self._recording: Final = Recording(conninfo)
        self._session: Final[Session] = open_session(conninfo)
        self._session.execute("set awa.trace = 'off'; set statement_timeout = 0; set jit = off")

    def close(self) -> None:
        """End its own session."""
        self._session.close()

    def empty(self) -> None:
        """Leave nothing but the lanes there are, and keep nothing of what was recorded so far."""
        self._session.execute(_EMPTIED)
        self._recording.events(self._session)

    def check(self) -> Finding:
        """What `awa.check()` says."""
        rows = self._session.execute('select * from awa."check"()').fetchall()
        return Finding(catcher="check", saw=of_check(str(rows)))

    def replay(self) -> Finding:
        """What the twin says of all that was recorded since it was emptied."""
        return Finding(catcher="replay", saw=refused(self._recording.take(self._session)))


def refused(recorded: list[Recorded]) -> str:
    """Why the twin refuses a recording; nothing when it accepts it."""
    try:
        for trace in cut(recorded):
            if (refusal := judge(trace)) is not None:
                return of_refusal(trace.events[refusal.event - 1]["a"], refusal.why)
    except (KeyError, ValueError) as unreadable:
        return f"an event cannot be read: {type(unreadable).__name__}"
    return NOTHING


def asks(mutant: Mutant) -> bool:
    """Whether these, or the state machine, could notice it."""
    return not TOLD.isdisjoint(mutant.actions)


def findings(conninfo: str) -> Iterator[Finding]:
    """Tell the stories until one is refused and one breaks a property."""
    open_for = {"replay", "check"}
    waited = 0
    watched = Watched(conninfo)
    with contextlib.closing(watched), _stage(conninfo) as stage:
        for story in STORIES:
            waited += not _told(story, stage)
            for found in (watched.check(), watched.replay()):
                if found.saw:
                    open_for.discard(found.catcher)
                yield found
            if not open_for or waited >= _WAITED_MAX:
                return
            watched.empty()


@contextmanager
def _stage(conninfo: str) -> Iterator[Stage]:
    with (
        psycopg.connect(conninfo, autocommit=True) as main,
        psycopg.connect(conninfo) as late,
    ):
        yield Stage(conninfo=conninfo, main=main, late=late)


def _told(story: Story, stage: Stage) -> bool:
    """Tell a story, as far as it goes; False when a statement of it waited too long."""
    stage.receipts.clear()
    try:
        begin(stage)
        story(stage)
    except psycopg.errors.QueryCanceled:
        return False
    except (psycopg.Error, LookupError):  # an answer that ends the story: nobody looks at it here
        return True
    finally:
        stage.late.rollback()
    return True
