"""Programs that were written, not drawn: each shows what a mutant of the SQL does to real workers.

Drawn ones seldom meet these moments. A mutant whose program holds is no longer reached by it: the
program, or the steps it is made of, have gone blind.
"""

from typing import Final

from correctness.processes.steps import (
    Add,
    Await,
    CutAt,
    Enqueue,
    Finish,
    Hold,
    Program,
    Signal,
    Start,
    Turn,
    Wait,
)

_TURNS: Final[Program] = (
    Turn(action="rotate"),
    Turn(action="evacuate"),
    Turn(action="evacuate", behind=2),
    Wait(tenths=1),
)

DIRECTED: Final[dict[str, Program]] = {
    # The answer to a completion is lost, and it is sent again.
    "ClosedTwice": (Start(), CutAt(about="complete"), Enqueue(jobs=3), Await(most_s=60)),
    # A number is drawn, a later one is claimed, and then the first commits.
    "NeverInFlight": (Start(), Add(), Enqueue(), Wait(tenths=5), Finish(how="commit")),
    # A slot is emptied while a completion of its entries is on its way. The leader may be turning
    # the ring just then, and one turn at a time is all there is.
    "CarriedWithoutItsClaim": (
        Start(),
        Hold(about="complete", tenths=30),
        Enqueue(jobs=3),
        Await(most_s=60),
        *_TURNS,
        *_TURNS,
        *_TURNS,
    ),
    # A beat is overtaken by claims that were sent after it; the worker has more to do than it can.
    "ReconcilesLaterCalls": (
        Start(),
        Enqueue(work="slow", jobs=12),
        Hold(about="heartbeat", tenths=8),
        Await(most_s=60),
        Wait(tenths=9),
    ),
    # A worker dies that has told how far it is.
    "ProgressForgotten": (
        Start(),
        Enqueue(work="note", jobs=2),
        Wait(tenths=3),
        Signal(name="SIGKILL"),
    ),
}
"""By the mutant that each must not survive; sound SQL does."""
