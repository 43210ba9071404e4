"""The database on which edges are driven: its sessions, the numbers that are drawn, a new start.

A number that Storage has drawn and not used is held by a session of its own. Its transaction began
as every appending function does, by `begin_append` and a number from the lane's sequence. Whatever
uses the number runs in that transaction, with the sequence set back to it for the one call: so the
function draws it, whenever that is, and commits as a producer would who began so long ago.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from correctness.edges.moves import Beside
from correctness.model import Lane, Refused, Scope, start
from correctness.model.graph import Step as Edge
from correctness.model.state import NOTHING, State
from tests.fix_actions import configure
from tests.fix_database import Session, open_session
from tests.fix_sql import value
from tests.machine.changes import Step
from tests.machine.oracle import Divergence, Oracle, demand
from tests.machine.tables import Database, Tables, read
from tests.machine.world import AFRESH

QUEUE: Final = "q"
LANE: Final = 1
SLOTS: Final = frozenset(range(16))
NO_ROWS: Final = frozenset[Any]()
UNBORN: Final = Tables(
    entries=NO_ROWS,
    claims=NO_ROWS,
    closures=NO_ROWS,
    withdrawn=NOTHING,
    deferred=NO_ROWS,
    finals=NO_ROWS,
    dead=NO_ROWS,
    progress=NO_ROWS,
    state=State(0, 1, NOTHING),
    floor=State(0, 1, NOTHING),
    last=0,
)
BEGIN_APPEND: Final = "select awa.begin_append(l.lane, l.queue_id, l.queue) from awa.lanes l"
"""There is one lane."""
LOSSES: Final = (
    "create or replace function awa.losses_max() returns int language sql immutable as 'select {}'"
)
DRAW: Final = "select nextval(seq) from awa.lanes"


class Follower(Oracle):
    """The twin of the only lane, which remembers the steps it took."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = replace(scope, slots=SLOTS)
        self.lanes[LANE] = start(scope)
        self.taken: Final[list[Edge]] = []

    @property
    def lane(self) -> Lane:
        """Answer where it stands."""
        return self.lanes[LANE]

    def act(self, number: int, action: Callable[..., Lane | Refused], *args: Any) -> None:
        """Take a step. Raise Divergence when the twin refuses it."""
        before = self.lanes[number]
        after = action(before, self.scope, *args)
        if isinstance(after, Refused):
            raise Divergence(f"{action.__name__}{args}: {after}")
        self.taken.append(Edge(before, action.__name__, after))
        self.lanes[number] = after


class Ground:
    """One database with one lane, or none yet."""

    def __init__(self, conninfo: str, scope: Scope, *, born: bool = True) -> None:
        self.conninfo: Final = conninfo
        self.scope: Final = scope
        self.born: Final = born
        self.main: Final = self._open()
        self._holders: Final[dict[int, Session]] = {}
        self.drawn: Final[set[int]] = set()
        self.bystander: Final = self._open()
        self.claiming: Final = self._open()
        self.elder: Final = self._open()
        self.names: Final[dict[int, int]] = {}
        """The ring's slots as the scope calls them: it has fewer."""
        self.main.execute(LOSSES.format(scope.loss_max))
        if born:
            self.ensure_lane()
            configure(self.main, QUEUE, aging_s=0)
        self.oracle = Follower(scope)
        self.elder_there = False
        self.now: Database

    def _open(self) -> Session:
        session = open_session(self.conninfo)
        session.execute("set lock_timeout = '2s'")
        session.execute("set jit = off")
        return session

    def close(self) -> None:
        """Close all sessions."""
        for session in (
            self.main,
            self.bystander,
            self.claiming,
            self.elder,
            *self._holders.values(),
        ):
            session.close()

    def ensure_lane(self) -> int:
        """Create the lane, which has the number 1."""
        return int(value(self.main, "select awa.ensure_lane(%s)", [QUEUE]))

    def begin_afresh(self) -> None:
        """Begin a path where the lane is there and nothing else."""
        for session in (self.bystander, self.elder, *self._holders.values()):
            session.rollback()
        self.drawn.clear()
        self.main.execute(AFRESH)
        self.begin()
        if self.now.lanes[LANE] != UNBORN:
            raise Divergence(f"a new start left {self.now}")

    def begin(self) -> None:
        """Begin a path with what is there: a lane, or not even that."""
        self.elder.execute("begin")
        self.elder.execute("select pg_current_xact_id()")
        self.elder_there = True
        self.names.clear()
        self.names.update({slot: slot for slot in self.scope.slots})
        self.oracle = Follower(self.scope)
        if value(self.main, "select exists (select from awa.lanes)"):
            self.oracle.lanes[LANE] = replace(self.oracle.lane, born=True)
        self.now = self._read()

    # Numbers.

    def draw(self) -> None:
        """Somebody begins to append and draws a number."""
        number = self.now.lanes[LANE].last + 1
        holder = self._holders.get(number) or self._open()
        self._holders[number] = holder
        holder.execute("begin")
        holder.execute(BEGIN_APPEND)
        demand(value(holder, DRAW) == number, f"drew another number than {number}")
        self.drawn.add(number)

    def undraw(self, number: int) -> None:
        """Whoever holds the number rolls back."""
        self._holders[number].execute("rollback")
        self.drawn.remove(number)

    @contextmanager
    def appending(self, number: int, slot: int = -1) -> Iterator[Session]:
        """Yield a session whose next call draws this number and commits; any, if it is 0.

        It appends in this slot: the hint may have been read before the ring turned.
        """
        if not number:
            yield self.main
            return
        holder = self._holders[number]
        holder.execute("select setval(seq, %s, false) from awa.lanes", [number])
        self._hint(slot)
        yield holder
        self._hint(self.now.ring)
        holder.execute("select setval(seq, %s) from awa.lanes", [self.now.lanes[LANE].last])
        holder.execute("commit")
        self.drawn.remove(number)

    def _hint(self, slot: int) -> None:
        self.main.execute("select setval('awa.ring_seq', %s)", [self.slot(slot)])

    @contextmanager
    def bystanders(self, beside: Beside) -> Iterator[None]:
        """Let the elder go, and somebody be there who may still append, as the move wants it."""
        if beside in {"nobody", "an appender"} and self.elder_there:
            self.elder.execute("rollback")
            self.elder_there = False
        if beside in {"anybody", "nobody"}:
            yield
            return
        self.bystander.execute("begin")
        self.bystander.execute(BEGIN_APPEND)
        yield
        self.bystander.execute("rollback")

    # What is there.

    def _read(self) -> Database:
        found = read(self.main)
        names = self.names
        lanes = {
            number: replace(
                tables,
                entries=frozenset(e._replace(slot=names[e.slot]) for e in tables.entries),
                claims=frozenset(r._replace(slot=names[r.slot]) for r in tables.claims),
            )
            for number, tables in found.lanes.items()
        }
        lanes.setdefault(LANE, UNBORN)
        return replace(found, lanes=lanes, ring=names[found.ring])

    def look(self) -> Step:
        """Answer what the last call did to the tables."""
        was, self.now = self.now, self._read()
        self.oracle.draw(self.now)
        return Step(self.oracle, was, self.now, alone=True)

    def agree(self) -> None:
        """Raise Divergence unless the tables are what the twin says."""
        self.oracle.land({LANE: frozenset(self.drawn)})
        self.oracle.stand_alike(self.now)

    def check(self) -> None:
        """Raise Divergence when the SQL's own check finds a property broken."""
        broken = self.main.execute('select * from awa."check"()').fetchall()
        demand(not broken, f"check: {broken}")

    # The ring.

    def slot(self, name: int) -> int:
        """Answer the slot that has this name just now: the last one that was given it."""
        return next(slot for slot, called in reversed(self.names.items()) if called == name)
