"""What a worker gives its handlers, opened once for its whole life."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from awa._runtime.executors import Run, open_executors
from awa._runtime.handlers import Executor, Handlers


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """The handlers, and what they run in. It outlives a worker that starts anew."""

    handlers: Handlers
    executors: Mapping[Executor, Run] = field(default_factory=dict)


@asynccontextmanager
async def equip(handlers: Handlers) -> AsyncIterator[Equipment]:
    """Open what these handlers need; it is closed after the last of them has ended."""
    wanted = handlers.executors()
    async with open_executors(wanted) as executors:
        handlers.opened = wanted
        try:
            yield Equipment(handlers=handlers, executors=executors)
        finally:
            handlers.opened = None
