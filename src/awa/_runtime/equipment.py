"""What a worker gives its handlers, opened once for its whole life."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from awa._core.resources import NOTHING, State
from awa._runtime.executors import Run, open_executors
from awa._runtime.handlers import Executor, Handlers
from awa._runtime.resources import open_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """The handlers, what they run in and what they share, however often the worker starts anew."""

    handlers: Handlers
    executors: Mapping[Executor, Run] = field(default_factory=dict)
    state: State = NOTHING


@asynccontextmanager
async def equip(handlers: Handlers) -> AsyncIterator[Equipment]:
    """Open what these handlers need; it is closed after the last of them has ended.

    Raises ConfigurationError, and whatever a resource raises that does not open.
    """
    handlers.require_sound()
    wanted = handlers.executors()
    async with open_executors(wanted) as executors:
        handlers.opened = wanted
        try:
            async with open_state(handlers.resources, executors) as state:
                yield Equipment(handlers=handlers, executors=executors, state=state)
        finally:
            handlers.opened = None
