"""The derived state of Storage: what the variables of a lane say together.

`facts(lane)` looks a lane through once for each question; the names are those of the operators.
"""

from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Protocol, TypeVar

from correctness.model.state import (
    NOTHING,
    STARTED,
    Entry,
    Ghost,
    Lane,
    Letter,
    Row,
    Scope,
    Seqs,
    Wait,
)

Receipt = tuple[int, int]


class _OfJob(Protocol):
    @property
    def job(self) -> int: ...


_Of = TypeVar("_Of", bound=_OfJob)


class Nowhere(LookupError):
    """A number was spoken of that no entry has; TLC would choose from nothing."""


def union(parts: Iterable[Iterable[int]]) -> Seqs:
    """UNION: the numbers of all parts."""
    return frozenset(number for part in parts for number in part)


def _by_job(rows: Iterable[_Of]) -> dict[int, frozenset[_Of]]:
    found: dict[int, set[_Of]] = {}
    for row in rows:
        found.setdefault(row.job, set()).add(row)
    return {job: frozenset(of) for job, of in found.items()}


class Facts:
    """What can be asked of one lane. Answers are kept, because a lane never changes."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane

    # Numbers.

    @cached_property
    def entry(self) -> dict[int, Entry]:
        """Entries by their number."""
        return {entry.seq: entry for entry in sorted(self.lane.entries, reverse=True)}

    @cached_property
    def written(self) -> Seqs:
        """Numbers of entries."""
        return frozenset(self.entry)

    @cached_property
    def gone_seqs(self) -> Seqs:
        """Numbers of truncated entries."""
        return frozenset(ghost.seq for ghost in self.lane.gone)

    @cached_property
    def ahead(self) -> Seqs:
        """Entries at or above the cursor, or in a hole."""
        lane = self.lane
        return frozenset(s for s in self.written if s >= lane.next or s in lane.holes)

    @cached_property
    def takeable(self) -> Seqs:
        """What a claim looks for."""
        return self.ahead - self.lane.withdrawn

    @cached_property
    def claimed(self) -> Seqs:
        """Numbers in claims rows."""
        return union(row.seqs for row in self.lane.claims)

    @cached_property
    def pending(self) -> Seqs:
        """Entries that nobody has claimed or taken out."""
        return self.written - (self.claimed | self.lane.withdrawn)

    @cached_property
    def open_now(self) -> Seqs:
        """Numbers of attempts that run."""
        return union(self.open_of(row) for row in self.lane.claims)

    @cached_property
    def done(self) -> Seqs:
        """Numbers whose attempts have ended, or that were withdrawn."""
        return (self.claimed - self.open_now) | self.lane.withdrawn

    def entry_of(self, seq: int) -> Entry:
        """Answer the entry with this number. Raise Nowhere when there is none."""
        found = self.entry.get(seq)
        if found is None:
            raise Nowhere(seq)
        return found

    # Claims and closures.

    @cached_property
    def _rows(self) -> dict[Receipt, tuple[Row, ...]]:
        found: dict[Receipt, list[Row]] = {}
        for row in sorted(self.lane.claims):
            found.setdefault((row.token, row.part), []).append(row)
        return {receipt: tuple(rows) for receipt, rows in found.items()}

    @cached_property
    def _closed_by(self) -> dict[Receipt, Seqs]:
        found: dict[Receipt, set[int]] = {}
        for one in self.lane.closures:
            found.setdefault((one.token, one.part), set()).update(one.seqs)
        return {receipt: frozenset(seqs) for receipt, seqs in found.items()}

    @cached_property
    def _closed_with(self) -> dict[str, Seqs]:
        found: dict[str, set[int]] = {}
        for one in self.lane.closures:
            found.setdefault(one.outcome, set()).update(one.seqs)
        return {outcome: frozenset(seqs) for outcome, seqs in found.items()}

    def rows_of(self, token: int, part: int) -> tuple[Row, ...]:
        """Answer the claims rows of a receipt: several after an evacuation."""
        return self._rows.get((token, part), ())

    def taken_by(self, token: int, part: int) -> Seqs:
        """Answer all numbers of a receipt."""
        return union(row.seqs for row in self.rows_of(token, part))

    def closed_by(self, token: int, part: int) -> Seqs:
        """Answer what was closed under a receipt."""
        return self._closed_by.get((token, part), NOTHING)

    def closed_as(self, token: int, part: int, settle: int, outcome: str) -> Seqs:
        """Answer what this settle closed under a receipt, with this outcome."""
        key = (token, part, settle, outcome)
        return union(
            c.seqs for c in self.lane.closures if (c.token, c.part, c.settle, c.outcome) == key
        )

    def closed_with(self, outcome: str) -> Seqs:
        """Answer everything closed with this outcome."""
        return self._closed_with.get(outcome, NOTHING)

    def open_of(self, row: Row) -> Seqs:
        """Answer what still runs of a claims row."""
        return row.seqs - self.closed_by(row.token, row.part)

    def open(self, token: int, part: int) -> Seqs:
        """Answer what still runs of a receipt."""
        return union(self.open_of(row) for row in self.rows_of(token, part))

    # Jobs.

    @cached_property
    def _entries_by_job(self) -> dict[int, frozenset[Entry]]:
        return _by_job(self.lane.entries)

    @cached_property
    def _ghosts_by_job(self) -> dict[int, frozenset[Ghost]]:
        return _by_job(self.lane.gone)

    @cached_property
    def _waits(self) -> dict[int, frozenset[Wait]]:
        return _by_job(self.lane.deferred)

    @cached_property
    def _ends(self) -> dict[int, frozenset[Wait]]:
        return _by_job(self.lane.finals)

    @cached_property
    def _letters(self) -> dict[int, frozenset[Wait]]:
        return _by_job(self.lane.dead)

    @cached_property
    def _removed(self) -> dict[int, frozenset[Letter]]:
        return _by_job(self.lane.removed)

    def waits_of(self, job: int) -> frozenset[Wait]:
        """Answer the rows in which the job waits."""
        return self._waits.get(job, frozenset())

    def ends_of(self, job: int) -> frozenset[Wait]:
        """Answer the job's final rows."""
        return self._ends.get(job, frozenset())

    def letters_of(self, job: int) -> frozenset[Wait]:
        """Answer the job's dead letters."""
        return self._letters.get(job, frozenset())

    def removed_of(self, job: int) -> frozenset[Letter]:
        """Answer what was deleted of the job on purpose."""
        return self._removed.get(job, frozenset())

    def entries_of(self, job: int) -> tuple[Entry | Ghost, ...]:
        """Answer the job's entries, truncated ones included."""
        return (
            *self._entries_by_job.get(job, ()),
            *self._ghosts_by_job.get(job, ()),
        )

    def rows_of_job(self, job: int) -> tuple[Wait | Letter, ...]:
        """Answer the job's rows that are no entries."""
        return (
            *self.waits_of(job),
            *self.ends_of(job),
            *self.letters_of(job),
            *self.removed_of(job),
        )

    def known(self, job: int) -> bool:
        """Whether anything is known of the job."""
        return bool(self.entries_of(job) or self.rows_of_job(job))

    def lease(self, job: int) -> int:
        """Answer the job's newest run_lease; 0 for an unknown one."""
        found = (*self.entries_of(job), *self.rows_of_job(job))
        return max((x.lease for x in found), default=0)

    def _seqs_of(self, job: int) -> Seqs:
        return frozenset(entry.seq for entry in self._entries_by_job.get(job, ()))

    def pending_seqs(self, job: int) -> Seqs:
        """Answer the job's pending numbers."""
        return self._seqs_of(job) & self.pending

    def open_seqs(self, job: int) -> Seqs:
        """Answer the job's running numbers."""
        return self._seqs_of(job) & self.open_now

    def done_seqs(self, job: int) -> Seqs:
        """Answer the job's completed numbers, truncated ones included."""
        gone = (g.seq for g in self._ghosts_by_job.get(job, ()) if g.fate == "completed")
        return (self._seqs_of(job) & self.closed_with("completed")).union(gone)

    def places(self, job: int) -> int:
        """Answer in how many places the job is: one, if nothing is wrong."""
        seqs = (self.pending_seqs(job), self.open_seqs(job), self.done_seqs(job))
        return sum(map(len, seqs)) + len(self.rows_of_job(job))

    def state_of(self, job: int) -> str:
        """Answer the job's state, as a user knows it."""
        waits, ends = self.waits_of(job), self.ends_of(job)
        states = {
            "none": not self.known(job),
            "available": bool(self.pending_seqs(job)),
            "running": bool(self.open_seqs(job)),
            **({min(waits).state: True} if waits else {}),
            **({min(ends).state: True} if ends else {}),
            "dead": bool(self.letters_of(job)),
            "removed": bool(self.removed_of(job)),
            "completed": bool(self.done_seqs(job)),
        }
        return next((state for state, holds in states.items() if holds), "lost")

    @cached_property
    def progress(self) -> frozenset[tuple[int, int]]:
        """Jobs with what is told of their progress: nothing of what completed, or left the lane."""
        over = {"completed", "removed"}
        return frozenset(
            (note.job, note.said) for note in self.lane.notes if self.state_of(note.job) not in over
        )

    def holds(self, job: int) -> bool:
        """Whether the job holds its unique key. A dead letter counts as what it ended as."""
        wants = [want for want in self.lane.wants if want.job == job]
        if not wants:
            return False
        state, lease, letters = self.state_of(job), self.lease(job), self.letters_of(job)
        first = {"available": lease, "scheduled": lease + 1}.get(state, 0)
        ended = min(letters).state if letters else state
        return any(w.lease == first if w.mask == STARTED else ended in w.mask for w in wants)

    def holds_against(self, job: int, scope: Scope) -> bool:
        """Whether others must leave the job's key alone; off, a dead letter's is anybody's."""
        forgotten = scope.loose("letter_end") and bool(self.letters_of(job))
        return self.holds(job) and not forgotten

    # Bounds.

    def spent(self, seq: int, scope: Scope) -> bool:
        """Whether one more loss ends the job."""
        return self.entry_of(seq).losses >= scope.loss_max

    def _most(self, seq: int, scope: Scope) -> int:
        if scope.bounds is None:
            return scope.attempt_max
        job = self.entry_of(seq).job
        return max((most for of, most in scope.bounds if of == job), default=0)

    def exhausted(self, seq: int, scope: Scope) -> bool:
        """Whether one more failure ends the job, or may."""
        most = self._most(seq, scope)
        return not most or self.entry_of(seq).attempt >= most

    def may_go_on(self, seq: int, scope: Scope) -> bool:
        """Whether the job has an attempt left, or may have."""
        most = self._most(seq, scope)
        return not most or self.entry_of(seq).attempt < most

    # The ring.

    def in_slot(self, slot: int) -> frozenset[Entry]:
        """Answer a slot's entries."""
        return frozenset(entry for entry in self.lane.entries if entry.slot == slot)

    def seqs_in(self, slot: int) -> Seqs:
        """Answer the numbers of a slot's entries."""
        return frozenset(entry.seq for entry in self.in_slot(slot))

    def claims_in(self, slot: int) -> frozenset[Row]:
        """Answer a slot's claims rows."""
        return frozenset(row for row in self.lane.claims if row.slot == slot)

    def live(self, slot: int) -> Seqs:
        """Answer what is pending or open in a slot."""
        return self.seqs_in(slot) & (self.open_now | self.pending)

    def orphans(self, slot: int) -> Seqs:
        """Answer what a mistake left below the cursor: neither claimed, withdrawn nor a hole."""
        lane = self.lane
        lost = self.seqs_in(slot) & self.pending
        return frozenset(s for s in lost if s < lane.next and s not in lane.holes)

    def newest(self, slot: int) -> int:
        """Answer the ordinal of the newest claim in a slot, or 0."""
        return max((row.no for row in self.claims_in(slot)), default=0)

    def fate(self, seq: int, again: Seqs) -> str:
        """Answer what became of a number, for those who ask after its slot is truncated."""
        if seq in self.lane.withdrawn | again:
            return "withdrawn"
        if seq in self.closed_with("completed"):
            return "completed"
        return "closed" if seq in self.claimed - self.open_now else "dropped"


@lru_cache(maxsize=256)
def facts(lane: Lane) -> Facts:
    """Answer the facts of a lane; those of the last lanes asked are kept."""
    return Facts(lane)
