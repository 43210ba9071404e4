"""What a worker gives its handlers, opened once for its whole life."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from awa._core.resources import NOTHING, State
from awa._runtime.executors import Run, open_executors
from awa._runtime.handlers import Executor, Handlers
from awa._runtime.hooks import Hooks
from awa._runtime.resources import open_state
from awa._runtime.statistics import Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """The handlers, what they run in and what they share, however often the worker starts anew."""

    handlers: Handlers
    executors: Mapping[Executor, Run] = field(default_factory=dict)
    state: State = NOTHING
    hooks: Hooks | None = None
    """None while no kind has any."""


@asynccontextmanager
async def equip(
    handlers: Handlers, statistics: Statistics, *, grace_s: float, until_s: Callable[[], float]
) -> AsyncIterator[Equipment]:
    """Open what these handlers need; it is closed after the last of them has ended.

    `grace_s`: how long an attempt may go on after its deadline. `until_s` is asked at the end:
    until when hooks may go on, by trio's clock.
    Raises ConfigurationError, and whatever a resource raises that does not open.
    """
    handlers.require_sound()
    wanted = handlers.executors()
    async with open_executors(wanted, grace_s=grace_s) as executors:
        handlers.opened = wanted
        try:
            async with (
                open_state(handlers.resources, executors) as state,
                _open_hooks(handlers, statistics, until_s) as hooks,
            ):
                yield Equipment(handlers=handlers, executors=executors, state=state, hooks=hooks)
        finally:
            handlers.opened = None


@asynccontextmanager
async def _open_hooks(
    handlers: Handlers, statistics: Statistics, until_s: Callable[[], float]
) -> AsyncIterator[Hooks | None]:
    if not handlers.hooks:
        yield None
        return
    hooks = Hooks(handlers, statistics)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        hooks.start(nursery)
        try:
            yield hooks
            await hooks.drain(until_s())
        except Exception as error:  # noqa: BLE001  # raised below, not wrapped in a group
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
