"""What a program is made of: steps, as values that print, compare and can be written down.

Workers and slots are named by small numbers. A step that makes no sense where it stands (a kill of
a worker that is not there) does nothing, so that every part of a program is a program again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

WORKERS: Final = 3
TICKED: Final = 0
"""The number in the arguments of a schedule's jobs, which no other job has."""
QUEUES: Final = ("plain", "letters")
"""Of the second, jobs that fail become dead letters."""

Work = Literal[
    "quick", "slow", "thread", "retry", "snooze", "fail", "cancel", "overdue", "own", "note"
]
"""What a job's handler does; see `worker`."""
WORKS: Final[tuple[Work, ...]] = get_args(Work)
Side = Literal["asks", "answers"]
Moment = Literal["any", "end"]
"""Any message of the protocol, or the end of a call: Sync and Query there, ReadyForQuery back. An
implicit transaction commits at Sync; so a cut there has COMMIT in flight."""
Call = Literal[
    "",
    "claim",
    "complete",
    "retry",
    "heartbeat",
    "rescue_worker",
    "note_progress",
    "settled_by",
    "fire",
    "commit",
]
"""Calls of this function, or the COMMIT of a handler's own transaction; of any."""
Missed = Literal["coalesce", "catch_up", "skip"]
Overlap = Literal["allow", "skip", "replace"]
Clock = Literal["wall", "whole"]
"""Whether a worker's jumps are those of the wall clock alone, or of the monotonic clock as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Store jobs in a transaction of their own."""

    work: Work = "quick"
    jobs: int = 1
    queue: int = 0
    delay_s: float = 0.0
    unique: bool = False
    """All unique jobs have one key, and the later ones take the place of the earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Store jobs in the producer's transaction, which stays open; it begins if there is none."""

    work: Work = "quick"
    jobs: int = 1
    queue: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """End the producer's transaction."""

    how: Literal["commit", "rollback", "commit unsent", "commit unanswered"] = "commit"
    """`unsent`: its connection is cut before COMMIT comes through; `unanswered`: right after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a worker where there is none, or none any more."""

    worker: int = 0
    clock: Clock = "wall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Kill a worker, freeze it, let it go on, or tell it to leave."""

    worker: int = 0
    name: Literal["SIGKILL", "SIGSTOP", "SIGCONT", "SIGTERM"] = "SIGKILL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Cut all connections of a worker now; refuse new ones until it is let in again."""

    worker: int = 0
    refuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """Take a worker's connections again."""

    worker: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAt:
    """Cut a worker's connection at a message: the next, after so many more of its kind."""

    worker: int = 0
    side: Side = "answers"
    moment: Moment = "end"
    after: int = 0
    passed: bool = False
    """Whether that message itself still comes through."""
    about: Call = ""
    """Of this function's calls alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Keep back a worker's next call of this function for so long, on its way or on the way back.

    Its other connections are as fast as ever: so the call is overtaken by what was asked later.
    """

    worker: int = 0
    side: Side = "asks"
    about: Call = "heartbeat"
    tenths: int = 10
    after: int = 0
    """So many of these calls still pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Await:
    """Wait until a worker's call was cut, or kept back; but no longer than so."""

    worker: int = 0
    most_s: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Swallow all answers to a worker, on the connections it has now."""

    worker: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """Set a worker's clock forward, or back."""

    worker: int = 0
    by_s: int = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """End one session of the workers: by pg_terminate_backend, or as a crash of the server."""

    which: int = 0
    killed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Stop the server and start it again."""

    mode: Literal["fast", "immediate"] = "fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Turn the ring; empty, or carry forward, the slot so many places behind the current one."""

    action: Literal["rotate", "prune", "evacuate"] = "rotate"
    behind: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Operate:
    """Act on one of the jobs, as an operator does; or on the queues."""

    act: Literal["cancel", "retry", "pause", "resume"] = "cancel"
    which: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Have a schedule fire from now on; or act on it, as an operator does."""

    act: Literal["put", "pause", "resume", "trigger", "delete"] = "put"
    missed: Missed = "catch_up"
    overlap: Overlap = "allow"
    """There is one schedule of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Let time pass."""

    tenths: int = 1


Step: TypeAlias = (
    Enqueue
    | Add
    | Finish
    | Start
    | Signal
    | Cut
    | Admit
    | CutAt
    | Hold
    | Await
    | Silence
    | Jump
    | Backend
    | Restart
    | Turn
    | Operate
    | Tick
    | Wait
)
Program: TypeAlias = tuple[Step, ...]
_KINDS: Final[dict[str, Any]] = {kind.__name__: kind for kind in get_args(Step)}


def written(program: Iterable[Step]) -> list[dict[str, Any]]:
    """A program as JSON has it."""
    return [{"step": type(step).__name__, **asdict(step)} for step in program]


def read(lines: Sequence[dict[str, Any]]) -> Program:
    """The program that was written so. Raise KeyError and TypeError for what is none."""
    return tuple(
        _KINDS[line["step"]](**{key: value for key, value in line.items() if key != "step"})
        for line in lines
    )
