"""What runs around handlers, and what they share: registered before a worker starts."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, overload

from awa._core.options import checked_name
from awa._core.resources import Resource
from awa._core.signatures import require_takes
from awa._runtime.handlers import Handlers, Middleware, is_async
from awa._runtime.resources import resource_of
from awa.batch import JobBatch
from awa.errors import InvalidInput
from awa.handler import Job
from awa.hooks import JobEvent

T = TypeVar("T")
EventT = TypeVar("EventT", bound=JobEvent)

Opens: TypeAlias = Callable[[], AsyncIterator[T]] | Callable[[], AbstractAsyncContextManager[T]]
"""An async generator function that yields once, or a function of an async context manager."""


class CallNext(Protocol):
    """Calls what is inside of a middleware: the next one, or the handler. Answers what it says."""

    def __call__(self, job: Job[Any], /) -> Awaitable[Any]:
        """Run what is inside, for this job."""


class CallNextBatch(Protocol):
    """The same for a middleware of batches."""

    def __call__(self, jobs: JobBatch[Any], /) -> Awaitable[Any]:
        """Run what is inside, for this batch."""


Around: TypeAlias = Callable[[Job[Any], CallNext], Awaitable[Any]]
AroundBatch: TypeAlias = Callable[[JobBatch[Any], CallNextBatch], Awaitable[Any]]


class AroundTasks:
    """What a client knows beside its handlers."""

    def __init__(self) -> None:
        self._handlers = Handlers()

    @overload
    def state(self, opens: Opens[T]) -> Resource[T]: ...

    @overload
    def state(
        self, *, executor: Literal["trio", "asyncio"]
    ) -> Callable[[Opens[T]], Resource[T]]: ...

    def state(self, opens: Opens[T] | None = None, *, executor: str = "trio") -> Any:
        """Let each worker open something once, for all its handlers.

        Decorates an async generator function that yields it once, or a function of an async context
        manager, and answers a `Resource`: handlers have what was opened as `job.state[resource]`.

        It is opened when the worker starts, and an error then is the start's; it is closed after
        the last handler has ended, in the opposite order. `executor`: "asyncio" for what handlers
        under asyncio share. Child processes have none of it.
        Raises InvalidInput, and ConfigurationError while the client's worker runs.
        """

        def register(function: Opens[T]) -> Resource[T]:
            self._handlers.require_not_working("a resource")
            resource = resource_of(function, executor)
            self._handlers.resources.append(resource)
            return resource

        return register if opens is None else register(opens)

    @overload
    def middleware(self, function: Around) -> Around: ...

    @overload
    def middleware(self, *, kinds: Iterable[type | str]) -> Callable[[Around], Around]: ...

    def middleware(
        self, function: Around | None = None, *, kinds: Iterable[type | str] | None = None
    ) -> Around | Callable[[Around], Around]:
        """Run the decorated async function around handlers: of all kinds, or of these.

        It takes the job and `call_next`, and answers what becomes of the attempt: what
        `await call_next(job)` answered, or something else that a handler may answer. It may raise,
        before and after. The first one registered is the outermost. All run on trio, whatever their
        handler runs in. Batches have middleware of their own, see `batch_middleware`.
        Raises InvalidInput, and ConfigurationError while the client's worker runs.
        """
        chosen = None if kinds is None else _kinds(kinds)

        def register(around: Around) -> Around:
            self._add_middleware(around, "job", chosen)
            return around

        return register if function is None else register(function)

    @overload
    def batch_middleware(self, function: AroundBatch) -> AroundBatch: ...

    @overload
    def batch_middleware(
        self, *, kinds: Iterable[type | str]
    ) -> Callable[[AroundBatch], AroundBatch]: ...

    def batch_middleware(
        self, function: AroundBatch | None = None, *, kinds: Iterable[type | str] | None = None
    ) -> AroundBatch | Callable[[AroundBatch], AroundBatch]:
        """Run the decorated async function around batches: of all kinds run so, or of these.

        It is called once for a batch, with the `JobBatch` and `call_next`, and answers what a batch
        handler may answer. The rest is as with `middleware`.
        """
        chosen = None if kinds is None else _kinds(kinds)

        def register(around: AroundBatch) -> AroundBatch:
            self._add_middleware(around, "jobs", chosen)
            return around

        return register if function is None else register(function)

    def _add_middleware(
        self,
        around: Callable[..., Awaitable[Any]],
        taken: str,
        kinds: frozenset[type | str] | None,
    ) -> None:
        require_takes("middleware", around, taken, "call_next")
        if not is_async(around):
            raise InvalidInput("middleware", f"must be an async function, not {around!r}")
        self._handlers.require_not_working("middleware")
        one = Middleware(function=around, kinds=kinds, of_batches=taken == "jobs")
        self._handlers.middleware.append(one)

    def on_event(
        self, kind: type | str
    ) -> Callable[[Callable[[EventT], Any]], Callable[[EventT], Any]]:
        """Tell the decorated function what becomes of jobs of this kind; see `awa.hooks`.

        `kind`: the class of their arguments, or the kind's name. The function takes an event, and
        is called in this worker after the outcome is durable, and for `Started` before the handler
        runs. Several functions of a kind are called in their order. Async functions run on trio,
        others in a thread. It is best effort: an error is logged and changes nothing, events that
        are too many to be waited for are dropped and counted, and what a worker had not told when
        it was killed is lost. Raises InvalidInput, and ConfigurationError while the worker runs.
        """
        named = _kind(kind)

        def register(function: Callable[[EventT], Any]) -> Callable[[EventT], Any]:
            require_takes("hook", function, "event")
            self._handlers.require_not_working("a hook")
            self._handlers.hooks.append((named, function))
            return function

        return register


def _kinds(named: Iterable[type | str]) -> frozenset[type | str]:
    if isinstance(named, str) or not isinstance(named, Iterable):
        raise InvalidInput("kinds", f"must be a list of classes and names, not {named!r}")
    kinds = frozenset(map(_kind, named))
    if not kinds:
        raise InvalidInput("kinds", "are empty: middleware without `kinds` is for all of them")
    return kinds


def _kind(named: type | str) -> type | str:
    # The kind of a class is known once its handler is registered, which may come later.
    return named if isinstance(named, type) else checked_name("kind", named)
