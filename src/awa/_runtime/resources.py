"""Opening what handlers share: before the first of them runs, closed after the last has ended."""

import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from awa._core.resources import Resource, State
from awa._core.signatures import require_takes
from awa._runtime.executors import Run, require_installed
from awa._runtime.handlers import Executor
from awa.errors import InvalidInput

_log: Final = logging.getLogger("awa.worker")


def resource_of(function: Callable[[], Any], runs_in: object) -> Resource[Any]:
    """The resource that this function opens. Raises InvalidInput, and ConfigurationError."""
    if runs_in not in {Executor.TRIO.value, Executor.ASYNCIO.value}:
        raise InvalidInput("executor", f"is {runs_in!r}; there are 'trio' and 'asyncio'")
    require_installed(Executor(str(runs_in)))
    opens: Callable[[], Any] = function
    if inspect.isasyncgenfunction(function):
        opens = asynccontextmanager(function)
    elif inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise InvalidInput("state", f"must be an async generator function, not {function!r}")
    require_takes("state", opens)
    name = str(getattr(function, "__qualname__", function)).rpartition(".")[2]
    return Resource(name, opens, str(runs_in))


@asynccontextmanager
async def open_state(
    resources: Iterable[Resource[Any]], executors: Mapping[Executor, Run]
) -> AsyncIterator[State]:
    """Open them one after the other; closed in the opposite order.

    One that does not open is an error of the worker's start; one that does not close is logged.
    """
    opened: dict[Resource[Any], Any] = {}
    async with AsyncExitStack() as stack:
        for resource in resources:
            opened[resource] = await stack.enter_async_context(_one(resource, executors))
        yield State(opened)


@asynccontextmanager
async def _one(resource: Resource[Any], executors: Mapping[Executor, Run]) -> AsyncIterator[Any]:
    # Resources are made by functions here, and opened nowhere else.
    manager = resource._open()  # noqa: SLF001
    if not hasattr(manager, "__aenter__"):
        problem = f"{resource.name} answered {manager!r}, which is no async context manager"
        raise InvalidInput("state", problem)
    run = executors.get(Executor(resource._runs_in), _on_trio)  # noqa: SLF001
    value = await run(_enter, manager)
    try:
        yield value
    finally:
        try:
            await run(_leave, manager)
        except Exception:  # noqa: BLE001  # whatever it is, the others are closed as well
            _log.exception("the resource %s did not close", resource.name)


async def _on_trio(function: Callable[[Any], Any], subject: Any) -> Any:
    return await function(subject)


async def _enter(manager: Any) -> Any:
    return await manager.__aenter__()


async def _leave(manager: Any) -> None:
    await manager.__aexit__(None, None, None)
