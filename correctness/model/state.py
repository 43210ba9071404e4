"""The state of Storage as frozen values: a lane, the rows in it, and the scope of a model.

Fields are the variables of spec/Storage.tla and its records, word for word; only `from`, a keyword
of Python, is `from_`.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

Seqs = frozenset[int]
NOTHING: Final[Seqs] = frozenset()

FINISHED: Final = frozenset({"scheduled", "available", "running", "retryable"})
STARTED: Final = frozenset({"started"})
"""Masks: the states in which a job holds its key; the second until the first claim of its life."""
PLAIN: Final = frozenset({"batch", "rollback", "stop", "release", "beat"})
"""What a bounded model tries, unless its configuration chooses."""


class Entry(NamedTuple):
    """An entry of the ready log."""

    seq: int
    slot: int
    job: int
    lease: int
    attempt: int
    losses: int


class State(NamedTuple):
    """State of a lane after a claim: ordinal of the claim, cursor, holes below the cursor."""

    no: int
    next: int
    holes: Seqs


class Row(NamedTuple):
    """A claims row."""

    token: int
    part: int
    slot: int
    worker: int
    call: int
    no: int
    seqs: Seqs


class Closure(NamedTuple):
    """A closures row; `copy` tells two equal ones apart."""

    token: int
    part: int
    seqs: Seqs
    settle: int
    outcome: str
    copy: int


class Wait(NamedTuple):
    """A job that waits, has ended, or is a dead letter: by the set that holds it."""

    job: int
    state: str
    lease: int
    attempt: int
    losses: int


class Letter(NamedTuple):
    """A job whose last row was deleted on purpose."""

    job: int
    lease: int
    attempt: int
    losses: int


class Ghost(NamedTuple):
    """What a truncated slot held."""

    seq: int
    job: int
    lease: int
    attempt: int
    losses: int
    fate: str


class Key(NamedTuple):
    """A unique key and who holds it."""

    key: int
    job: int


class Want(NamedTuple):
    """The unique key a job asks for, and the states in which it holds it.

    `lease` is the run_lease of the first attempt of its life: of an insert, or of a return.
    """

    job: int
    key: int
    mask: frozenset[str]
    lease: int = 1


class Note(NamedTuple):
    """What an attempt said last of a job's progress; `lease` is its run_lease."""

    job: int
    lease: int
    note: int
    said: int


class New(NamedTuple):
    """An argument: an entry to append; `from_` is the number it follows, or 0."""

    seq: int
    slot: int
    job: int
    lease: int
    attempt: int
    from_: int = 0


class Leaving(NamedTuple):
    """An argument: a row that an ended attempt, or a job, leaves behind."""

    job: int
    state: str
    lease: int
    attempt: int
    losses: int
    from_: int = 0


class Out(NamedTuple):
    """An argument: what an action makes of the jobs whose attempts it ends."""

    new: frozenset[New] = frozenset()
    deferred: frozenset[Leaving] = frozenset()
    finals: frozenset[Leaving] = frozenset()
    dead: frozenset[Leaving] = frozenset()


class Taken(NamedTuple):
    """An argument: a job taken out before it ran; `from_` is its number, or 0 when it waits."""

    job: int
    from_: int


class More(NamedTuple):
    """An argument: what an enqueue writes beside its entries."""

    deferred: frozenset[Leaving] = frozenset()
    taken: frozenset[Taken] = frozenset()
    finals: frozenset[Leaving] = frozenset()
    wants: frozenset[Want] = frozenset()


class Part(NamedTuple):
    """An argument: the claims row that a claim writes, or answers again."""

    part: int
    slot: int
    seqs: Seqs


class Carried(NamedTuple):
    """An argument: the open part of a claim that goes to another slot."""

    token: int
    part: int
    seqs: Seqs


class Item(NamedTuple):
    """An argument: numbers to close under a receipt, and what is answered for each asked one."""

    token: int
    part: int
    settled: Seqs
    asked: Seqs = NOTHING
    already: Seqs = NOTHING
    stale: Seqs = NOTHING


class Spoken(NamedTuple):
    """An argument: what an attempt says of its progress, and the answer: `noted` or `stale`."""

    token: int
    part: int
    seq: int
    note: int
    said: int
    answer: str


class Said(NamedTuple):
    """An argument: the progress of a job that comes from another lane."""

    job: int
    said: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The constants of a model. `off` names guards that are switched off: none, in the protocol.

    `jobs`, `workers`, `tokens`, `ids`, `keys`, `masks`, `seq_max` and `with_` bound what a bounded
    model tries; the actions themselves look at the others only.
    """

    jobs: frozenset[int] = frozenset({1})
    workers: frozenset[int] = frozenset({1})
    tokens: frozenset[int] = frozenset({1})
    ids: frozenset[int] = frozenset({1})
    slots: frozenset[int] = frozenset({0})
    seq_max: int = 2_000_000_000
    loss_max: int = 1
    attempt_max: int = 2
    off: frozenset[str] = frozenset()
    with_: frozenset[str] = PLAIN
    keys: frozenset[int] = frozenset()
    masks: frozenset[frozenset[str]] = frozenset({FINISHED, STARTED})
    bounds: frozenset[tuple[int, int]] | None = None
    """Jobs and how many attempts they have; a job not named may go on or end. None: attempt_max."""
    late_kept: bool = False
    """Whether a claim leaves `late` as it is, because its transaction claims the lane again."""

    def has(self, part: str) -> bool:
        """Whether a bounded model tries this part."""
        return part in self.with_

    def loose(self, guard: str) -> bool:
        """Whether a guard is switched off, so that wrong arguments are worth a try."""
        return guard in self.off


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The variables of Storage; what each means is said there."""

    born: bool
    last: int
    fly: Seqs
    entries: frozenset[Entry]
    no: int
    next: int
    holes: Seqs
    late: Seqs
    claims: frozenset[Row]
    closures: frozenset[Closure]
    workers: frozenset[int]
    stopped: frozenset[int]
    deferred: frozenset[Wait]
    finals: frozenset[Wait]
    dead: frozenset[Wait]
    removed: frozenset[Letter]
    withdrawn: Seqs
    ring: int
    floor: State
    gone: frozenset[Ghost]
    keys: frozenset[Key]
    wants: frozenset[Want]
    notes: frozenset[Note]

    @property
    def state(self) -> State:
        """StateNow: what prune saves when the newest claims row goes."""
        return State(self.no, self.next, self.holes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An action that the specification does not allow here: the guards that do not hold."""

    guards: frozenset[str]

    def __str__(self) -> str:
        return "guard {" + ", ".join(f'"{name}"' for name in sorted(self.guards)) + "}"


def start(scope: Scope) -> Lane:
    """Init: nothing is there, the lane itself included."""
    return Lane(
        born=False,
        last=0,
        fly=NOTHING,
        entries=frozenset(),
        no=0,
        next=1,
        holes=NOTHING,
        late=NOTHING,
        claims=frozenset(),
        closures=frozenset(),
        workers=frozenset(),
        stopped=frozenset(),
        deferred=frozenset(),
        finals=frozenset(),
        dead=frozenset(),
        removed=frozenset(),
        withdrawn=NOTHING,
        ring=min(scope.slots),
        floor=State(0, 1, NOTHING),
        gone=frozenset(),
        keys=frozenset(),
        wants=frozenset(),
        notes=frozenset(),
    )
