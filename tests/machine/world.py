"""The database that the machine plays with: its sessions, its open transactions, a new start.

One session calls in autocommit; two others may hold a transaction open over many steps. Whatever
would wait for those gives up after a moment, and nothing is written: a busy answer in other words.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import psycopg

from correctness.model.state import NOTHING, Seqs
from tests.fix_actions import configure
from tests.fix_database import Session, open_session
from tests.fix_sql import value
from tests.machine.asking import PRIORITIES, QUEUE
from tests.machine.changes import Step
from tests.machine.oracle import SCOPE, Oracle, demand
from tests.machine.tables import Database, read

Answer = TypeVar("Answer")

WAITED: Final = "55P03"
"""Lock not available."""

# Truncating all files of the ring takes a third of a second, so only what holds something is. Lanes
# stay: making a sequence costs more than setting it back.
AFRESH: Final = """
do $$
declare
    t text;
begin
    for t in select format('awa.%s_%s', n, k)
             from unnest(array['ready', 'claims', 'closures', 'results', 'leases']) n,
                  generate_series(0, 15) k
             where pg_relation_size(format('awa.%s_%s', n, k)) > 0 loop
        execute 'truncate ' || t;
    end loop;
    delete from awa.workers;
    delete from awa.deferred;
    delete from awa.finals;
    delete from awa.dlq;
    delete from awa.unique_keys;
    delete from awa.acts;
    update awa.ring_slots set opened_at = null where opened_at is not null;
    update awa.lanes set floor_no = 0, floor_next = 1, floor_holes = '{}', floor_holes_xid = null,
                         floor_young = '{}', floor_young_xid = null, emptied_to = 0;
    perform setval(seq, 1, false) from awa.lanes;
    perform setval('awa.job_id_seq', 1, false), setval('awa.ring_seq', 0, true);
end $$
"""
LOSSES: Final = (
    "create or replace function awa.losses_max() returns int language sql immutable"
    f" as 'select {SCOPE.loss_max}'"
)
"""A job is lost too often sooner than otherwise, so that it happens within an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a call's transaction ends, and over how many further steps it stays open before that."""

    steps: int = 0
    commits: bool = True


@dataclass(slots=True, kw_only=True)
class Held:
    """A transaction that is open over several steps."""

    session: Session
    ending: Ending
    left: int
    """Steps until it ends."""
    commit: Callable[[Step], str]
    """Tell the twins what it did, and name the answer."""
    drawn: dict[int, Seqs] = field(default_factory=dict)


class World:
    """One database, its sessions, and what was seen there last."""

    def __init__(self, conninfo: str) -> None:
        self.session: Final = open_session(conninfo)
        self.holders: Final = {name: open_session(conninfo) for name in ("producer", "worker")}
        self.told: Final[Counter[str]] = Counter()
        self.held: Final[dict[str, Held]] = {}
        self.oracle = Oracle()
        self.session.execute(LOSSES)
        self._make_lanes()
        for session in (self.session, *self.holders.values()):
            session.execute("set lock_timeout = '50ms'")
            session.execute("set jit = off")
        self.now: Database

    def close(self) -> None:
        """Close all sessions."""
        for session in (self.session, *self.holders.values()):
            session.close()

    def begin_afresh(self) -> None:
        """Begin an example: nothing is there but two lanes of one queue."""
        self.end()
        self.session.execute("set lock_timeout = 0")
        self.session.execute(AFRESH)
        self.session.execute("set lock_timeout = '50ms'")
        self.oracle = Oracle()
        for number in range(1, len(PRIORITIES) + 1):
            self.oracle.be_born(number)
        self.now = read(self.session)

    def _make_lanes(self) -> None:
        for number, priority in enumerate(PRIORITIES, 1):
            made = value(self.session, "select awa.ensure_lane(%s, %s)", [QUEUE, priority])
            demand(made == number, "the lanes are numbered in their order")
        # Lanes never change their order by waiting.
        configure(self.session, QUEUE, aging_s=0)

    def end(self) -> None:
        """End an example: what is open rolls back, whatever went wrong."""
        for session in self.holders.values():
            session.rollback()
        self.held.clear()

    def tick(self) -> None:
        """A step begins; open transactions whose time has come end."""
        for holder, held in tuple(self.held.items()):
            held.left -= 1
            if held.left < 0:
                self._let_go(holder)

    @property
    def alone(self) -> bool:
        """Whether no transaction is open."""
        return not self.held

    # Calls.

    def play(
        self,
        name: str,
        run: Callable[[Session], Answer],
        explain: Callable[[Step, Answer], str],
        *,
        ending: Ending,
        holder: str,
        error: str | None = None,
    ) -> None:
        """Call in a transaction that commits, rolls back, or stays open, one of each kind."""
        if ending.steps and holder not in self.held:

            def begin(session: Session) -> Callable[[Step], str]:
                answer = run(session)
                return lambda step: f"{name} {explain(step, answer)}"

            self._hold(holder, ending, name, begin, error)
        elif ending.commits:
            self.call(name, run, explain, error)
        else:
            self._call_in_vain(name, run, error)

    def call(
        self,
        name: str,
        run: Callable[[Session], Answer],
        explain: Callable[[Step, Answer], str],
        error: str | None = None,
    ) -> None:
        """Call in autocommit; `explain` tells the twins and names the answer."""
        try:
            answer = run(self.session)
        except psycopg.Error as refused:
            self._refused(name, refused, error)
            return
        demand(error is None, f"{name}: {error} was due, and it answered {answer}")
        step = self._look()
        self.told[f"{name} {explain(step, answer)}"] += 1
        self._agree(step)

    def _call_in_vain(
        self, name: str, run: Callable[[Session], object], error: str | None = None
    ) -> None:
        """Call in a transaction that rolls back."""
        try:
            with self.session.transaction(force_rollback=True):
                run(self.session)
        except psycopg.Error as refused:
            self._refused(name, refused, error)
            return
        self._nothing(f"{name} rolled back")

    def _hold(
        self,
        holder: str,
        ending: Ending,
        name: str,
        begin: Callable[[Session], Callable[[Step], str]],
        error: str | None,
    ) -> None:
        """Call in a transaction that stays open, and is explained when it commits."""
        session = self.holders[holder]
        session.execute("begin")
        try:
            commit = begin(session)
        except psycopg.Error as refused:
            session.execute("rollback")
            self._refused(name, refused, error)
            return
        held = Held(session=session, commit=commit, ending=ending, left=ending.steps)
        self.held[holder] = held
        was = self.now
        step = self._look()
        for number, change in step.changes.items():
            held.drawn[number] = frozenset(range(was.lanes[number].last + 1, change.now.last + 1))
        step.nothing()
        self._agree(step)

    def _refused(self, name: str, refused: psycopg.Error, error: str | None) -> None:
        state = refused.sqlstate
        waited = state == WAITED and not self.alone
        demand(waited or (error is not None and state == error), f"{name}: {refused!r}")
        self._nothing(f"{name} {'waited' if waited else state}")

    def _nothing(self, told: str) -> None:
        step = self._look()
        step.nothing()
        self.told[told] += 1
        self._agree(step)

    def _let_go(self, holder: str) -> None:
        held = self.held[holder]
        commits = held.ending.commits
        held.session.execute("commit" if commits else "rollback")
        step = self._look()
        del self.held[holder]
        self.told[f"{holder} {'commits' if commits else 'rolls back'}"] += 1
        if commits:
            self.told[held.commit(step)] += 1
        else:
            step.nothing()
        self._agree(step)

    def _look(self) -> Step:
        was, self.now = self.now, read(self.session)
        self.oracle.draw(self.now)
        return Step(self.oracle, was, self.now, alone=self.alone)

    def _agree(self, step: Step) -> None:
        flying: dict[int, Seqs] = {}
        for held in self.held.values():
            for number, seqs in held.drawn.items():
                flying[number] = flying.get(number, NOTHING) | seqs
        self.oracle.land(flying)
        self.oracle.agree(self.now)
        if not step.idle:
            broken = self.session.execute('select * from awa."check"()').fetchall()
            demand(not broken, f"check: {broken}")
