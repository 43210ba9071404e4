"""What a call did, from the rows that came and went: the arguments for the twins."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from correctness.model import Item, Leaving, New, Out, Taken, Wait
from correctness.model.state import NOTHING, Seqs
from tests.machine.oracle import Oracle, demand
from tests.machine.tables import Database, Tables


class Change:
    """What came and went in one lane."""

    def __init__(self, was: Tables, now: Tables) -> None:
        self.was: Final = was
        self.now: Final = now
        known = {entry.seq for entry in was.entries}
        self.entries: Final = [entry for entry in now.entries if entry.seq not in known]
        self.claims: Final = now.claims - was.claims
        self.withdrawn: Final = now.withdrawn - was.withdrawn
        self.closed: Final = [
            Item(one.token, one.part, one.seqs) for one in now.closures - was.closures
        ]

    def out(self, ended: Seqs = NOTHING) -> Out:
        """Answer what appeared; a row of a job whose number ended names that number."""
        after = {entry.job: entry.seq for entry in self.was.entries if entry.seq in ended}
        was, now = self.was, self.now
        return Out(
            new=frozenset(
                New(e.seq, e.slot, e.job, e.lease, e.attempt, after.get(e.job, 0))
                for e in self.entries
            ),
            deferred=_leaving(now.deferred - was.deferred, after),
            finals=_leaving(now.finals - was.finals, after),
            dead=_leaving(now.dead - was.dead, after),
        )

    def lost(self) -> Out:
        """Answer what appeared where a rescue closed attempts."""
        return self.out(frozenset(n for one in self.closed for n in one.settled))

    def taken(self) -> tuple[frozenset[Taken], frozenset[Leaving]]:
        """Answer the jobs that were taken out before they ran, and their final rows."""
        finals = self.out(self.withdrawn).finals
        return frozenset(Taken(one.job, one.from_) for one in finals), finals

    def left(self, name: str) -> frozenset[int]:
        """Answer the jobs that left `finals` or `dead`."""
        was: frozenset[Wait] = getattr(self.was, name)
        return frozenset(one.job for one in was - getattr(self.now, name))

    def moved(self) -> Seqs:
        """Answer the numbers that changed their slot."""
        was = {entry.seq: entry.slot for entry in self.was.entries}
        return frozenset(e.seq for e in self.now.entries if was.get(e.seq, e.slot) != e.slot)


def appearing(out: Out) -> frozenset[int]:
    """Answer the jobs that are to run, at once or later."""
    return frozenset({one.job for one in out.new} | {one.job for one in out.deferred})


def _leaving(rows: Iterable[Wait], after: Mapping[int, int]) -> frozenset[Leaving]:
    return frozenset(Leaving(*one, from_=after.get(one.job, 0)) for one in rows)


class Step:
    """One call: the tables before and after it, and whether it had the database for itself."""

    def __init__(self, oracle: Oracle, was: Database, now: Database, *, alone: bool) -> None:
        self.oracle: Final = oracle
        self.was: Final = was
        self.now: Final = now
        self.alone: Final = alone
        self.changes: Final = {
            number: Change(was.lanes[number], now.lanes[number]) for number in was.lanes
        }

    @property
    def idle(self) -> bool:
        """Whether the call wrote nothing; numbers may have been drawn."""
        return _but_last(self.was) == _but_last(self.now)

    def nothing(self) -> None:
        """Demand that the call wrote nothing."""
        demand(self.idle, f"it wrote: {self.was} became {self.now}")

    def closed(self) -> int:
        """Answer how many attempts ended."""
        return sum(len(one.settled) for c in self.changes.values() for one in c.closed)


def _but_last(database: Database) -> Database:
    lanes = {number: replace(tables, last=0) for number, tables in database.lanes.items()}
    return replace(database, lanes=lanes)
