"""Registering handlers: the same for every client, and possible before it is opened."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypeVar

from awa._core.kinds import kind_of
from awa._core.limits import QUEUE_DEFAULT
from awa._core.options import checked_name, checked_options
from awa._core.retrying import Backoff, ErrorTypes, checked_policy
from awa._runtime.executors import checked_executor
from awa._runtime.handlers import Handlers
from awa.errors import InvalidInput
from awa.handler import Job

ArgsT = TypeVar("ArgsT")
HandlerT = TypeVar("HandlerT", bound=Callable[[Any], Any])
ExecutorName: TypeAlias = Literal["trio", "thread", "process", "asyncio"]


class Tasks:
    """The handlers of a client."""

    def __init__(self) -> None:
        self._handlers = Handlers()

    def task(
        self,
        args_type: type[ArgsT],
        *,
        kind: str | None = None,
        queue: str = QUEUE_DEFAULT,
        executor: ExecutorName | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        deadline: timedelta | float | None = None,
        backoff: Backoff | None = None,
        retry_on: ErrorTypes | None = None,
        fail_on: ErrorTypes | None = None,
    ) -> Callable[[Callable[[Job[ArgsT]], Any]], Callable[[Job[ArgsT]], Any]]:
        """Register the decorated function as the handler of one kind of job.

        `args_type`: what its arguments are decoded into. `kind` defaults to the name of that class
        in snake_case. What a handler returns is stored, or is an outcome: `Completed`,
        `RetryAfter`, `Snooze`, `Cancel`.

        `executor`: where it runs. Async functions run on "trio", or on "asyncio" when they use
        libraries that need it; others in a "thread", or in a "process" when they keep a processor
        busy: it is killed at a cancel, and function and arguments have to be picklable.

        `queue`, `priority`, `max_attempts` and `deadline` hold for jobs of this kind that this
        client inserts without saying otherwise; `deadline` also bounds attempts at jobs that others
        inserted without one.

        An attempt that raises is tried again, unless it raised `TerminalError`, an error of
        `fail_on`, or none of `retry_on` where that is given. `backoff`: a function of the attempt
        (from 1) and the error that answers the delay, or a list of delays whose last one stays;
        without it the delay is about 2, 4, 8 ... seconds, up to a day.
        Raises InvalidInput, and ConfigurationError where the executor's extra is not installed.
        """
        if not isinstance(args_type, type):
            raise InvalidInput("args_type", f"must be a class, not {args_type!r}")
        if kind is None and args_type.__module__ == "builtins":
            raise InvalidInput("kind", f"is needed: {args_type.__name__} names no kind")
        name = checked_name("kind", kind_of(args_type.__name__) if kind is None else kind)
        chosen_queue = checked_name("queue", queue)
        policy = checked_policy(backoff=backoff, retry_on=retry_on, fail_on=fail_on)
        given = {"priority": priority, "max_attempts": max_attempts, "deadline": deadline}
        defaults = {option: value for option, value in given.items() if value is not None}
        checked_options(defaults)

        def register(function: Callable[[Job[ArgsT]], Any]) -> Callable[[Job[ArgsT]], Any]:
            if not callable(function):
                raise InvalidInput("handler", f"must be a function, not {function!r}")
            self._handlers.add(
                function,
                kind=name,
                args_type=args_type,
                queue=chosen_queue,
                executor=checked_executor(executor, function, args_type),
                policy=policy,
                defaults=defaults,
            )
            return function

        return register

    def handled_kinds(self) -> tuple[str, ...]:
        """The kinds with a registered handler, sorted."""
        return tuple(sorted(self._handlers.by_kind))

    def handled_queues(self) -> tuple[str, ...]:
        """The queues named by the registered handlers, sorted."""
        return tuple(sorted({handler.queue for handler in self._handlers.by_kind.values()}))
