"""What handlers run in beside trio itself: worker threads, child processes, an asyncio loop.

Each is a way to await a function of a job. Threads belong to a queue (see `attempts`); processes
and the loop belong to a worker, and are opened only where a handler wants them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Any, Final, TypeAlias

from awa._runtime.handlers import Executor, is_async
from awa.errors import ConfigurationError, InvalidInput

Run: TypeAlias = Callable[[Callable[[Any], Any], Any], Awaitable[Any]]
"""Run a function of a job, or of the jobs of a batch, to its end."""

NEEDS: Final = {Executor.PROCESS: "trio_parallel", Executor.ASYNCIO: "trio_asyncio"}
"""What is installed with the extra of the executor's name."""


def checked_executor(
    value: object, function: Callable[..., Any], args_type: type
) -> Executor | None:
    """The executor of a handler, or None for the usual one.

    What can never work is refused here and not when the first job runs. Raises InvalidInput, and
    ConfigurationError where the extra is not installed.
    """
    if value is None:
        return None
    try:
        executor = Executor(str(value))
    except ValueError:
        names = ", ".join(repr(one.value) for one in Executor)
        raise InvalidInput("executor", f"is {value!r}; there are {names}") from None
    awaited = executor in {Executor.TRIO, Executor.ASYNCIO}
    if awaited != is_async(function):
        kind = "an async function" if awaited else "a plain function"
        raise InvalidInput("executor", f"{executor.value!r} needs {kind}")
    if executor is Executor.PROCESS:
        for what in (function, args_type):
            _require_importable(what)
    require_installed(executor)
    return executor


def require_installed(executor: Executor) -> None:
    """Raises ConfigurationError where the extra of this executor is not installed."""
    needed = NEEDS.get(executor)
    if needed is not None and find_spec(needed) is None:
        raise ConfigurationError(
            f"executor {executor.value!r} needs {needed.replace('_', '-')}:"
            f" pip install 'awa-trio[{executor.value}]'"
        )


def _require_importable(what: Any) -> None:
    name = getattr(what, "__qualname__", "")
    if not name or "<" in name:
        raise InvalidInput(
            "executor",
            f"'process' needs {what!r} at the top of a module: the child imports it by its name",
        )


@asynccontextmanager
async def open_executors(
    wanted: Collection[Executor], *, grace_s: float
) -> AsyncIterator[Mapping[Executor, Run]]:
    """Open what these executors need, for as long as the block lasts."""
    opened: dict[Executor, Run] = {}
    async with AsyncExitStack() as stack:
        if Executor.PROCESS in wanted:
            from awa._runtime.processes import open_processes  # noqa: PLC0415  # an extra

            opened[Executor.PROCESS] = await stack.enter_async_context(
                open_processes(grace_s=grace_s)
            )
        if Executor.ASYNCIO in wanted:
            from awa._runtime.loops import open_asyncio  # noqa: PLC0415  # an extra

            opened[Executor.ASYNCIO] = await stack.enter_async_context(open_asyncio())
        yield opened
