"""The state machine of `tests/machine/` as a catcher: a few examples, always the same."""

from contextlib import closing
from typing import Final

from correctness.mutants.catching import NOTHING, Finding, of_divergence, plain
from tests.machine.machine import Length, play
from tests.machine.oracle import Divergence
from tests.machine.world import World

LENGTH: Final = Length(examples=8, steps=50, fixed=True)
"""A third of what the tests always play."""


def finding(conninfo: str) -> Finding:
    """What the machine sees."""
    return Finding(catcher="property", saw=_saw(conninfo))


def _saw(conninfo: str) -> str:
    try:
        with closing(World(conninfo)) as world:
            play(world, LENGTH)
    except Divergence as parted:
        return of_divergence(str(parted))
    except Exception as ended:  # noqa: BLE001 - whatever ends an example that sound SQL does not end
        return plain(f"{type(ended).__name__}: {ended}")
    return NOTHING
