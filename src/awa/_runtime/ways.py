"""How the jobs of one kind are run in one queue: the handler, made ready to be awaited."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from awa._runtime.executors import Run
from awa._runtime.handlers import Executor, Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a runner needs of a kind for each of its jobs."""

    handler: Handler
    decode: Callable[[bytes], Any]
    run: Callable[[Any], Awaitable[Any]]
    has_scope: bool
    """Whether a cancelled scope reaches the handler; otherwise it has only its job's flag."""


def way_of(handler: Handler, executors: Mapping[Executor, Run]) -> Way:
    """The way of a handler, given what the other executors run functions with."""
    run = handler.function
    if handler.executor is not Executor.TRIO:
        run = partial(executors[handler.executor], handler.function)
    return Way(
        handler=handler,
        decode=handler.decode,
        run=run,
        has_scope=handler.executor is not Executor.THREAD,
    )
