"""Defects for the machine to find: the SQL, each time without one of its guards."""

from dataclasses import dataclass
from typing import Final

from tests.fix_database import Session

_HOLDING: Final = (
    "select pg_get_functiondef(oid) from pg_proc"
    " where pronamespace = 'awa'::regnamespace and strpos(prosrc, %s) > 0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A text of a function, and what to put there. Some functions are there once for each slot."""

    old: str
    new: str

    def plant(self, session: Session) -> None:
        """Create what holds the text again, with its defect. Raise LookupError if nothing does."""
        found = session.execute(_HOLDING, [self.old]).fetchall()
        if not found:
            raise LookupError(f"no function holds {self.old!r}: the mutant needs another text")
        for (function,) in found:
            session.execute(function.replace(self.old, self.new).encode())


MUTANTS: Final = {
    "a settle closes what has ended": Mutant(
        old="a.seqs * (a.claimed - a.closed) as settled",
        new="a.seqs * a.claimed as settled",
    ),
    "a claim forgets a number in flight": Mutant(
        old=" <@ v.seen and quiet(s.lane) then",
        new=" <@ v.seen then",
    ),
    "a job that is retried keeps its run_lease": Mutant(
        old="d.job_id, d.run_lease + 1, d.attempt",
        new="d.job_id, greatest(d.run_lease, 1), d.attempt",
    ),
    "a dead letter returns whoever has its key": Mutant(
        old="v_held := keys_lost(v_mine);",
        new="v_held := '{}';",
    ),
    "a heartbeat releases a call on its way": Mutant(
        old=" and c.call <= $3",
        new=" and $3 is not null",
    ),
    "an older note undoes a newer one": Mutant(
        old=" where l.noted < excluded.noted'",
        new="'",
    ),
    "a withdrawn entry is claimed": Mutant(
        old="if not isempty(v_withdrawn) then",
        new="if false then",
    ),
}
