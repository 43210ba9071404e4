"""Which handler runs which kind, and how its arguments are decoded and its results encoded."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from awa._core.arguments import decoder_for, encode_json
from awa._core.kinds import kind_of
from awa._core.options import checked_span_s
from awa._core.outcomes import OUTCOMES
from awa._core.resources import Resource
from awa._core.retrying import DEFAULT_POLICY, RetryPolicy
from awa._runtime.limits import RESULT_BYTES_MAX
from awa.errors import ConfigurationError, InvalidInput


class Executor(StrEnum):
    """Where a handler runs."""

    TRIO = "trio"
    THREAD = "thread"
    PROCESS = "process"
    ASYNCIO = "asyncio"


ALWAYS_OPEN: Final = frozenset({Executor.TRIO, Executor.THREAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSize:
    """How many jobs a handler takes at once, and how long the first one waits for company."""

    max_size: int
    max_wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """How jobs of one kind run."""

    kind: str
    args_type: Any
    queue: str
    decode: Callable[[bytes], Any]
    function: Callable[[Any], Any]
    """Of a job, or a list of jobs; its answer is awaited where it runs on trio or asyncio."""
    executor: Executor
    batch: BatchSize | None = None
    """None where it takes one job."""
    policy: RetryPolicy = DEFAULT_POLICY
    deadline_s: float | None = None
    """How long one attempt may take, where the job does not say it; 0 for no limit."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Options of an insert that apply where they are not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Middleware:
    """A function that runs around handlers: of what they take, and of the way to call them."""

    function: Callable[[Any, Callable[[Any], Awaitable[Any]]], Awaitable[Any]]
    kinds: frozenset[type | str] | None
    """By name, or by the class of their arguments; None for all."""
    of_batches: bool = False
    """Whether it takes batches, and not single jobs."""

    @property
    def name(self) -> str:
        """To speak of it."""
        return str(getattr(self.function, "__qualname__", self.function))


@dataclass(slots=True)
class Handlers:
    """The handlers of one client, by kind and by the type of their arguments."""

    by_kind: dict[str, Handler] = field(default_factory=dict)
    by_type: dict[Any, Handler] = field(default_factory=dict)
    batched: set[str] = field(default_factory=set)
    """The kinds whose handler takes many jobs at once."""
    resources: list[Resource[Any]] = field(default_factory=list)
    """What handlers share in a worker, in the order in which it is opened."""
    middleware: list[Middleware] = field(default_factory=list)
    """What runs around handlers, the outermost first."""
    hooks: list[tuple[type | str, Callable[[Any], Any]]] = field(default_factory=list)
    """What is told of the jobs of a kind, or of the kind of a class, in order."""
    opened: frozenset[Executor] | None = None
    """The executors that the running worker has opened; None while none runs."""

    def executors(self) -> frozenset[Executor]:
        """Those of the handlers, and of what they share."""
        used = {handler.executor for handler in self.by_kind.values()}
        # Resources are made by this package, and opened nowhere else.
        return frozenset(used | {Executor(one._runs_in) for one in self.resources})  # noqa: SLF001

    def require_not_working(self, what: str) -> None:
        """Raise ConfigurationError while a worker runs: it would not see what is added."""
        if self.opened is not None:
            raise ConfigurationError(f"the worker runs already: add {what} before it starts")

    def require_sound(self) -> None:
        """Raise ConfigurationError for what belongs to kinds that cannot have it."""
        for one in self.middleware:
            for kind in sorted(self._kinds_of(one) or ()):
                self._require_handler(kind, f"middleware {one.name}")
                if one.of_batches != (kind in self.batched):
                    raise ConfigurationError(
                        f"middleware {one.name} is for the kind {kind!r}, which is run"
                        f" {'job by job' if one.of_batches else 'in batches'}: register it with"
                        f" {'middleware' if one.of_batches else 'batch_middleware'}"
                    )
        for kind in sorted(self.hooks_by_kind()):
            self._require_handler(kind, "a hook")

    def _require_handler(self, kind: str, what: str) -> None:
        if kind not in self.by_kind:
            raise ConfigurationError(f"{what} is for the kind {kind!r}, which has no handler")

    def around(self, handler: Handler) -> list[Middleware]:
        """The middleware of a kind, the outermost first: that of batches, or of single jobs."""
        return [
            one
            for one in self.middleware
            if one.of_batches == (handler.batch is not None)
            and ((kinds := self._kinds_of(one)) is None or handler.kind in kinds)
        ]

    def _kinds_of(self, one: Middleware) -> frozenset[str] | None:
        return None if one.kinds is None else frozenset(map(self.kind_named, one.kinds))

    def hooks_by_kind(self) -> dict[str, list[Callable[[Any], Any]]]:
        """The hooks of each kind, in order, as the handlers are now."""
        found: dict[str, list[Callable[[Any], Any]]] = {}
        for named, function in self.hooks:
            found.setdefault(self.kind_named(named), []).append(function)
        return found

    def kind_named(self, named: type | str) -> str:
        """The kind of that name; for a class the one that an insert of its instances takes."""
        if isinstance(named, str):
            return named
        handler = self.by_type.get(named)
        return kind_of(named.__name__) if handler is None else handler.kind

    def of_job(self, kind: object, args_type: type) -> Handler | None:
        """The handler of a job to insert: of its kind when that is given, else of its arguments."""
        return self.by_type.get(args_type) if kind is None else self.by_kind.get(str(kind))

    def add(
        self,
        function: Callable[[Any], Any],
        *,
        kind: str,
        args_type: Any,
        queue: str,
        executor: Executor | None = None,
        batch: BatchSize | None = None,
        policy: RetryPolicy = DEFAULT_POLICY,
        defaults: Mapping[str, object] | None = None,
    ) -> Handler:
        """Register a function; without an executor async ones run on trio, others in threads.

        `defaults` were checked, as options of an insert.
        """
        if kind in self.by_kind:
            other = self.by_kind[kind].function
            name = getattr(other, "__qualname__", type(other).__name__)
            problem = f"{kind!r} already has a handler, {name}: give one of them another kind"
            raise InvalidInput("kind", problem)
        chosen = executor or (Executor.TRIO if is_async(function) else Executor.THREAD)
        if self.opened is not None and chosen not in self.opened | ALWAYS_OPEN:
            raise ConfigurationError(
                f"the worker runs already, without executor {chosen.value!r}: register the handler"
                f" of {kind!r} before it starts"
            )
        handler = Handler(
            kind=kind,
            args_type=args_type,
            queue=queue,
            decode=decoder_for(args_type),
            function=function,
            executor=chosen,
            batch=batch,
            policy=policy,
            deadline_s=_deadline_s(defaults or {}),
            defaults={"queue": queue, **(defaults or {})},
        )
        self.by_kind[kind] = handler
        self.by_type.setdefault(args_type, handler)
        if batch is not None:
            self.batched.add(kind)
        return handler


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call of it has to be awaited."""
    return inspect.iscoroutinefunction(inspect.unwrap(function)) or (
        inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
    )


def _deadline_s(defaults: Mapping[str, object]) -> float | None:
    deadline = defaults.get("deadline")
    return None if deadline is None else checked_span_s("deadline", deadline)


def encode_result(value: object) -> bytes:
    """A handler's value as JSON text. Raises InvalidInput (field `result`)."""
    if isinstance(value, type):
        raise InvalidInput("result", _class_as_result(value))
    text = encode_json("result", value)
    if len(text) > RESULT_BYTES_MAX:
        problem = f"takes {len(text)} bytes as JSON; the limit is {RESULT_BYTES_MAX}"
        raise InvalidInput("result", problem)
    return text


def _class_as_result(value: type) -> str:
    problem = f"is the class {value.__name__}, not an instance of it"
    return f"{problem}: write awa.{value.__name__}(...)" if value in OUTCOMES else problem
