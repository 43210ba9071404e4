"""Registering handlers: the same for every client, and possible before it is opened."""

from collections.abc import Callable
from typing import Any, TypeVar

from awa._core.kinds import kind_of
from awa._core.limits import QUEUE_DEFAULT
from awa._core.options import checked_name
from awa._runtime.handlers import Handlers
from awa.errors import InvalidInput
from awa.handler import Job

ArgsT = TypeVar("ArgsT")
HandlerT = TypeVar("HandlerT", bound=Callable[[Any], Any])


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
    ) -> Callable[[Callable[[Job[ArgsT]], Any]], Callable[[Job[ArgsT]], Any]]:
        """Register the decorated function as the handler of one kind of job.

        `args_type`: what its arguments are decoded into. `kind` defaults to the name of that class
        in snake_case. `queue` is where `insert` puts such jobs unless told otherwise. Async
        functions run on trio, others in worker threads. What a handler returns is stored.
        Raises InvalidInput.
        """
        if not isinstance(args_type, type):
            raise InvalidInput("args_type", f"must be a class, not {args_type!r}")
        if kind is None and args_type.__module__ == "builtins":
            raise InvalidInput("kind", f"is needed: {args_type.__name__} names no kind")
        name = checked_name("kind", kind_of(args_type.__name__) if kind is None else kind)
        chosen_queue = checked_name("queue", queue)

        def register(function: Callable[[Job[ArgsT]], Any]) -> Callable[[Job[ArgsT]], Any]:
            if not callable(function):
                raise InvalidInput("handler", f"must be a function, not {function!r}")
            self._handlers.add(function, kind=name, args_type=args_type, queue=chosen_queue)
            return function

        return register

    def handled_kinds(self) -> tuple[str, ...]:
        """The kinds with a registered handler, sorted."""
        return tuple(sorted(self._handlers.by_kind))

    def handled_queues(self) -> tuple[str, ...]:
        """The queues named by the registered handlers, sorted."""
        return tuple(sorted({handler.queue for handler in self._handlers.by_kind.values()}))
