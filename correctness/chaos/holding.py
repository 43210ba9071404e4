"""What a scenario opens and the audit still needs: kept until the stage ends."""

from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

import trio

from correctness.chaos.stage import Stage

T = TypeVar("T")


def keep_open(stage: Stage, what: AbstractContextManager[T]) -> T:
    """Enter it now, and leave it when the stage ends."""
    with ExitStack() as stack:
        entered = stack.enter_context(what)
        stage.nursery.start_soon(_hold, stack.pop_all())
    return entered


async def _hold(stack: ExitStack) -> None:
    with stack:
        await trio.sleep_forever()
