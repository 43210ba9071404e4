"""Programs that were written, not drawn: each shows what a mutant of the SQL does to real workers.

Drawn ones seldom meet these moments. A mutant whose program holds is no longer reached by it: the
program, or the steps it is made of, have gone blind.
"""

from collections.abc import Iterator
from typing import Final

from correctness.processes.steps import (
    Add,
    Await,
    Call,
    CutAt,
    Enqueue,
    Finish,
    Hold,
    Program,
    Side,
    Signal,
    Start,
    Step,
    Turn,
    Wait,
    Work,
)

UNTIL_HEALED: Final = 600
"""What is kept back for so long goes on when the program is over, and everything is healed."""

_TRIES: Final[Program] = (
    Turn(action="evacuate"),
    Turn(action="evacuate", behind=2),
    Turn(action="evacuate", behind=3),
    Wait(tenths=2),
)
_TURN: Final[Program] = (Turn(action="rotate"), *_TRIES, *_TRIES)

_SWEPT: Final[dict[Call, Work]] = {
    "claim": "quick",
    "complete": "quick",
    "heartbeat": "slow",
    "commit": "own",
}
"""Calls that are cut at each of their messages, and work that has them made."""
_MESSAGES: Final[dict[Side, int]] = {"asks": 5, "answers": 8}
_COMMIT_MESSAGES: Final[dict[Side, int]] = {"asks": 2, "answers": 3}
"""As many as such a call has at most, and one that is behind it."""
_JOBS: Final = 4


def sweep() -> Iterator[tuple[str, Program]]:
    """For each call and side a program that cuts before its first message, its second, and so on.

    A cut behind a message is one before the next; the last one, behind the end, comes by itself.
    """
    for call, work in _SWEPT.items():
        for side, messages in (_COMMIT_MESSAGES if call == "commit" else _MESSAGES).items():
            cuts: list[Step] = []
            for after in range(messages):
                cuts += [
                    CutAt(side=side, moment="any", after=after, about=call),
                    Enqueue(work=work, jobs=_JOBS),
                    Await(most_s=20),
                ]
            ended = CutAt(side=side, moment="end", passed=True, about=call)
            last = (ended, Enqueue(work=work, jobs=_JOBS), Await(most_s=20))
            yield f"{call}, {side}", (Start(), *cuts, *last)


DIRECTED: Final[dict[str, Program]] = {
    # The answer to a completion is lost, and it is sent again.
    "ClosedTwice": (Start(), CutAt(about="complete"), Enqueue(jobs=3), Await(most_s=60)),
    # A number is drawn, a later one is claimed, and then the first commits. What is to be completed
    # was claimed.
    "NeverInFlight": (
        Start(),
        Add(),
        Hold(about="complete", tenths=UNTIL_HEALED),
        Enqueue(),
        Await(most_s=60),
        Finish(how="commit"),
    ),
    # A slot is emptied while a completion of its entries is on its way. The leader may be turning
    # the ring just then, and one turn at a time is all there is.
    "CarriedWithoutItsClaim": (
        Start(),
        Hold(about="complete", tenths=UNTIL_HEALED),
        Enqueue(jobs=3),
        Await(most_s=60),
        *_TURN,
        *_TURN,
        *_TURN,
    ),
    # A beat is overtaken by claims that were sent after it: the second one, as nothing is claimed
    # before the first. The jobs are there already, for the worker is not woken meanwhile.
    "ReconcilesLaterCalls": (
        Enqueue(work="slow", jobs=12),
        Hold(about="heartbeat", tenths=8, after=1),
        Start(),
        Await(most_s=60),
        Wait(tenths=9),
    ),
    # A worker dies that has told how far it is, was answered, and tells it once more.
    "ProgressForgotten": (
        Start(),
        Hold(about="note_progress", tenths=UNTIL_HEALED, after=1),
        Enqueue(work="note"),
        Await(most_s=60),
        Signal(name="SIGKILL"),
    ),
}
"""By the mutant that each must not survive; sound SQL does."""
