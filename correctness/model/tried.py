"""The arguments that the bounded models of TLC try, as the operators of Storage build them.

Where a guard is switched off, the arguments that it would refuse are tried as well: Loose, there.
"""

from collections.abc import Collection, Iterator
from itertools import chain, combinations, product
from typing import Final, NamedTuple

from correctness.model.facts import Facts, Receipt, facts
from correctness.model.state import (
    NOTHING,
    Carried,
    Entry,
    Item,
    Lane,
    Leaving,
    More,
    New,
    Out,
    Part,
    Scope,
    Seqs,
    Spoken,
    State,
    Taken,
    Wait,
    Want,
)


def subsets(numbers: Collection[int]) -> Iterator[Seqs]:
    """SUBSET."""
    sizes = range(len(numbers) + 1)
    every = chain.from_iterable(combinations(sorted(numbers), size) for size in sizes)
    return map(frozenset, every)


class Call(NamedTuple):
    """A settle that is tried: its id, and one item with the answer."""

    settle: int
    item: Item


class Ends(NamedTuple):
    """Attempts that end: which go on at once, which wait and as what, which end and as what."""

    again: Seqs = NOTHING
    waiting: Seqs = NOTHING
    waits_as: str = "retryable"
    ended: Seqs = NOTHING
    ends_as: str = "failed"
    spent: int = 0
    loss: int = 0


class Tried:
    """What can be tried in one state of a lane."""

    def __init__(self, lane: Lane, scope: Scope) -> None:
        self.lane: Final = lane
        self.scope: Final = scope
        self.seen: Final[Facts] = facts(lane)

    # Numbers and jobs.

    @property
    def draws(self) -> Seqs:
        """Numbers that an entry may be given."""
        loose = self.scope.loose("drawn")
        return frozenset(range(1, self.lane.last + 1)) if loose else self.lane.fly

    @property
    def lease_steps(self) -> tuple[int, ...]:
        """How far a run_lease goes up."""
        return (0, 1) if self.scope.loose("lease_up") else (1,)

    @property
    def unknown(self) -> list[int]:
        """Jobs not yet enqueued, in order."""
        return sorted(job for job in self.scope.jobs if not self.seen.known(job))

    def new_jobs(self, numbers: Seqs) -> Iterator[frozenset[New]]:
        """Entries of the next unknown jobs; with `fresh` off, of any one job."""
        unknown, slots = self.unknown, self.scope.slots
        if self.scope.loose("fresh"):
            for slot, job in product(slots, self.scope.jobs):
                yield frozenset(New(n, slot, job, 1, 1) for n in numbers)
        elif len(unknown) >= len(numbers):
            pairs = list(zip(sorted(numbers), unknown, strict=False))
            for slot in slots:
                yield frozenset(New(n, slot, job, 1, 1) for n, job in pairs)

    def new_waits(self) -> Iterator[frozenset[Leaving]]:
        """The next unknown job, with a time."""
        for job in self.unknown[:1]:
            yield frozenset({Leaving(job, "scheduled", 0, 1, 0)})

    def asking(self) -> Iterator[More]:
        """A unique key for the next job, in place of its holder or where nobody holds it."""
        for job in self.unknown[:1]:
            for key, mask in product(self.scope.keys, self.scope.masks):
                holders = {row.job for row in self.lane.keys if row.key == key}
                replaced = {taken for holder in holders for taken in self.takens(holder)}
                for taken in (frozenset[Taken](), *(frozenset({one}) for one in replaced)):
                    yield More(
                        taken=taken,
                        finals=self.ends_for(taken),
                        wants=frozenset({Want(job, key, mask)}),
                    )

    def takens(self, job: int) -> set[Taken]:
        """How a job may be taken out: where it waits, and where it is pending."""
        loose, pending = self.scope.loose("pending"), self.seen.pending
        numbers = {e.seq for e in self.lane.entries if e.job == job and (loose or e.seq in pending)}
        return {Taken(job, 0) for _ in self.seen.waits_of(job)} | {
            Taken(job, number) for number in numbers
        }

    def ends_for(self, taken: Collection[Taken]) -> frozenset[Leaving]:
        """Final rows of what is taken out."""
        if self.scope.loose("cancelled"):
            return frozenset()
        return frozenset(
            Leaving(w.job, "cancelled", x.lease, x.attempt, x.losses, w.from_)
            for w in taken
            for x in [self._before(w)]
        )

    def _before(self, taken: Taken) -> Entry | Wait:
        if taken.from_:
            return self.seen.entry_of(taken.from_)
        return min(self.seen.waits_of(taken.job))

    # Claims.

    def takes(self) -> Iterator[Seqs]:
        """What a claim may take; nothing, when there is something withdrawn to pass."""
        seen, loose = self.seen, self.scope.loose
        narrow = seen.ahead if loose("not_withdrawn") else seen.takeable
        yield from (got for got in subsets(seen.written if loose("visible") else narrow) if got)
        if seen.ahead & self.lane.withdrawn:
            yield NOTHING

    def rows_for(self, got: Seqs) -> frozenset[Part]:
        """One claims row per slot; one without numbers when nothing is taken."""
        if not got or self.scope.loose("in_slot"):
            return frozenset({Part(1, min(self.scope.slots), got)})
        slot_of = {s: self.seen.entry_of(s).slot for s in got}
        return frozenset(
            Part(part, slot, frozenset(s for s in got if slot_of[s] == slot))
            for part, slot in enumerate(sorted(set(slot_of.values())), 1)
        )

    def states(self, got: Seqs) -> Iterator[State]:
        """States of the lane that a claim may write."""
        lane, scope = self.lane, self.scope
        made_up = self.seen.claimed if scope.loose("noted") else NOTHING
        least = max({lane.next} | {s + 1 for s in got})
        most = max({least} | {s + 1 for s in self.seen.written})
        nexts = [max(got) + 1] if scope.loose("cursor") else range(least, most + 1)
        for cursor in nexts:
            passed = lane.holes.union(range(lane.next, cursor), made_up) - got
            for holes in subsets(passed):
                yield State(lane.no + 1, cursor, holes)

    # Settles.

    @property
    def receipts(self) -> set[Receipt]:
        """Receipts that somebody holds, or with `claimed` off makes up."""
        held = {(row.token, row.part) for row in self.lane.claims}
        made_up = {(token, 1) for token in self.scope.tokens}
        return held | made_up if self.scope.loose("claimed") else held

    def open_items(self) -> Iterator[Item]:
        """Receipts with all that is open of them."""
        for token, part in self.receipts:
            still = self.seen.open(token, part)
            if still:
                yield Item(token, part, still)

    def note_items(self) -> Iterator[Spoken]:
        """One item of a note, with an answer it may be given."""
        for row in self.lane.claims:
            for seq, note, answer in product(row.seqs, (1, 2), ("noted", "stale")):
                yield Spoken(row.token, row.part, seq, note, note, answer)

    def calls(self, outcome: str) -> Iterator[Call]:
        """Calls of a settle that settle something: any other changes nothing."""
        for settle, receipt in product(self.scope.ids, self.receipts):
            loose = self.scope.loose("claimed")
            held = self.seen.claimed if loose else self.seen.taken_by(*receipt)
            for asked in filter(None, subsets(held)):
                already = asked & self.seen.closed_as(*receipt, settle, outcome)
                for settled in filter(None, self._answers(receipt, asked)):
                    stale = asked - (settled | already)
                    yield Call(settle, Item(*receipt, settled, asked, already, stale))

    def _answers(self, receipt: Receipt, asked: Seqs) -> Iterator[Seqs]:
        still = asked & self.seen.open(*receipt)
        if self.scope.loose("open") or self.scope.loose("claimed"):
            yield asked
        elif self.scope.loose("whole"):
            yield from subsets(still)
        else:
            yield still

    # What ended attempts leave.

    def follows(self, seqs: Seqs) -> Iterator[frozenset[New]]:
        """Entries that follow these numbers, under any numbers drawn."""
        for some in subsets(seqs) if self.scope.loose("followed") else [seqs]:
            choices = combinations(sorted(self.draws), len(seqs))
            for numbers, slot, step in product(choices, self.scope.slots, self.lease_steps):
                yield frozenset(
                    self._follow(s, n, slot, step)
                    for s, n in zip(sorted(some), numbers, strict=False)
                )

    def _follow(self, seq: int, number: int, slot: int, step: int) -> New:
        old = self.seen.entry_of(seq)
        return New(number, slot, old.job, old.lease + step, old.attempt, seq)

    def _rows_after(self, seqs: Seqs, state: str, spent: int, loss: int) -> set[frozenset[Leaving]]:
        loose = self.scope.loose
        ways = product(
            (0, 1) if loose("lease_kept") else (0,),
            (0, spent) if loose("charged") else (spent,),
            (0, loss) if loose("counted") else (loss,),
        )
        return {
            frozenset(
                Leaving(e.job, state, e.lease - x, e.attempt + y, e.losses + z, e.seq)
                for e in map(self.seen.entry_of, seqs)
            )
            for x, y, z in ways
        }

    def outs(self, ends: Ends) -> Iterator[Out]:
        """Whatever ended attempts may leave."""
        letters = ends.ended and ends.ends_as == "failed" and self.scope.has("dlq")
        waiting = self._rows_after(ends.waiting, ends.waits_as, ends.spent, ends.loss)
        ended = self._rows_after(ends.ended, ends.ends_as, 0, ends.loss)
        for new, waits, over in product(self.follows(ends.again), waiting, ended):
            yield Out(new=new, deferred=waits, finals=over)
            if letters:
                yield Out(new=new, deferred=waits, dead=over)

    def lost_outs(self, seqs: Seqs) -> Iterator[Out]:
        """What lost attempts may leave."""
        ended = frozenset(s for s in seqs if self.seen.spent(s, self.scope))
        if self.scope.loose("again_at"):
            ended = NOTHING
        elif self.scope.loose("ends_as"):
            ended = seqs
        yield from self.outs(Ends(again=seqs - ended, ended=ended, loss=1))
        if self.scope.has("retry"):
            yield from self.outs(Ends(waiting=seqs - ended, ended=ended, loss=1))

    def retry_outs(self, seqs: Seqs) -> Iterator[Out]:
        """What failed attempts may leave."""
        ended = frozenset(s for s in seqs if self.seen.exhausted(s, self.scope))
        if self.scope.loose("waits_as"):
            ended = NOTHING
        yield from self.outs(Ends(waiting=seqs - ended, ended=ended, spent=1))

    # Dead letters and slots.

    def retryable(self, job: int) -> frozenset[Wait]:
        """The job's dead letter; with `letter` off, its final row as well."""
        loose = self.scope.loose("letter")
        return self.seen.letters_of(job) | (self.seen.ends_of(job) if loose else frozenset())

    def floor_of(self, slot: int) -> State:
        """The state that prune keeps."""
        lane, newest = self.lane, self.seen.newest(slot)
        if self.scope.loose("floor") or newest <= lane.floor.no:
            return lane.floor
        return lane.state if newest == lane.no else State(newest, 1, NOTHING)

    def carried(self, slot: int) -> frozenset[Carried]:
        """The open parts of claims that leave a slot with their entries."""
        if self.scope.loose("carried"):
            return frozenset()
        return frozenset(
            Carried(row.token, row.part, still)
            for row in self.seen.claims_in(slot)
            if (still := self.seen.open_of(row))
        )
