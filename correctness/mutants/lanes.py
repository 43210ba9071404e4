"""Several hunts at a time: each lane is a process with a server of its own, and every n-th mutant.

Two lanes cannot share a server: what a claim may forget depends on all transactions there.
"""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection, wait

from correctness.mutants.ground import ground
from correctness.mutants.hunting import CONTROL_S_MAX, Hunt, control, hunt
from correctness.mutants.mutant import Mutant


def hunted(mutants: Sequence[Mutant], *, quick: bool, lanes: int) -> Generator[Hunt]:
    """Hunt them, a control first in each lane, and yield each hunt as it ends.

    Where something is caught in a control its lane ends with it.
    """
    if lanes == 1:
        yield from _lane(mutants, quick=quick)
        return
    context = multiprocessing.get_context("fork")
    running: dict[Connection, multiprocessing.process.BaseProcess] = {}
    for number in range(lanes):
        here, there = context.Pipe(duplex=False)
        process = context.Process(
            target=_send_all, args=(mutants[number::lanes], there), kwargs={"quick": quick}
        )
        process.start()
        there.close()
        running[here] = process
    try:
        while running:
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                try:
                    yield ready.recv()
                except EOFError:
                    running.pop(ready).join()
    finally:
        for lane in running.values():
            lane.terminate()
            lane.join()


def _send_all(mutants: Sequence[Mutant], answer: Connection, *, quick: bool) -> None:
    # A lane that is told to end takes its server with it; so does one that nobody hears any more.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.closing(_lane(mutants, quick=quick)) as hunts:
        for done in hunts:
            answer.send(done)


def _lane(mutants: Sequence[Mutant], *, quick: bool) -> Generator[Hunt]:
    with ground() as where:
        sound = hunt(control(mutants), where, quick=quick, seconds_s_max=CONTROL_S_MAX)
        yield sound
        if sound.caught or sound.mistake:
            return
        for mutant in mutants:
            yield hunt(mutant, where, quick=quick)
