"""How the jobs of one kind are run in one queue: the handler, made ready to be awaited."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import msgspec

from awa._core.entries import Body
from awa._core.retrying import DEFAULT_POLICY, RetryPolicy
from awa._runtime.executors import Run
from awa._runtime.handlers import Executor, Handler, Handlers, Middleware
from awa._runtime.hooks import Hooks
from awa._runtime.ledger import Held
from awa.batch import JobBatch
from awa.errors import InvalidInput


class _Extra(msgspec.Struct):
    """The part of `extra` that the worker reads itself. The rest, whatever it is, is skipped."""

    deadline_s: float | None = None


_EXTRA: Final = msgspec.json.Decoder(_Extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a runner needs of a kind for each of its jobs."""

    handler: Handler
    decode: Callable[[bytes], Any]
    run: Callable[[Any], Awaitable[Any]]
    has_scope: bool
    """Whether a cancelled scope reaches the handler; otherwise it has only its job's flag."""

    def decode_all(self, texts: Sequence[bytes]) -> tuple[list[Any], list[tuple[int, Exception]]]:
        """The arguments of those that fit, and the places of the others with what is wrong."""
        # Nearly always all fit; which does not is found out when it is known that one does not.
        with suppress(Exception):
            return [*map(self.decode, texts)], []
        args: list[Any] = []
        unfit: list[tuple[int, Exception]] = []
        for place, text in enumerate(texts):
            try:
                args.append(self.decode(text))
            except Exception as error:  # noqa: BLE001  # a type's own hooks may raise anything
                unfit.append((place, error))
        return args, unfit


class Ways(dict[str, Way]):
    """The ways of one queue by kind, each made when its first job comes."""

    def __init__(
        self, handlers: Handlers, executors: Mapping[Executor, Run], hooks: Hooks | None = None
    ) -> None:
        super().__init__()
        self._hooks = hooks
        self._handlers = handlers
        self._executors = executors

    def find(self, kind: str) -> Way | None:
        """How jobs of this kind are run; None without a handler."""
        found = self.get(kind)
        if found is None and kind in self._handlers.by_kind:
            handler = self._handlers.by_kind[kind]
            found = way_of(handler, self._executors, self._handlers.around(handler))
            if self._hooks is not None:
                found = replace(found, run=self._hooks.around(kind, found.run))
            self[kind] = found
        return found

    def policy_of(self, body: Body) -> RetryPolicy:
        """What becomes of a failed attempt."""
        handler = self._handlers.by_kind.get(body.kind)
        return DEFAULT_POLICY if handler is None else handler.policy

    def deadline_of(self, held: Held, body: Body) -> float:
        """When the attempt ends, by trio's clock.

        The claims row says it: the job's own deadline, else its queue's. A job that was enqueued
        without its kind's deadline, from SQL for instance, has it too.
        """
        handler = self._handlers.by_kind.get(body.kind)
        if handler is None or not handler.deadline_s:
            return held.deadline_s
        if _EXTRA.decode(body.extra).deadline_s is not None:
            return held.deadline_s
        return min(held.deadline_s, held.taken_s + handler.deadline_s)


def way_of(
    handler: Handler, executors: Mapping[Executor, Run], around: Sequence[Middleware] = ()
) -> Way:
    """The way of a handler, given what the other executors run functions with.

    `around`: middleware, the outermost first; it runs on trio, whatever the handler runs in.
    """
    run = handler.function
    if handler.executor is not Executor.TRIO:
        run = partial(executors[handler.executor], handler.function)
    if around and handler.batch is not None:
        run = _of_a_batch(run)
    for one in reversed(around):
        run = _inside(one, run)
    return Way(
        handler=handler,
        decode=handler.decode,
        run=run,
        has_scope=handler.executor is not Executor.THREAD,
    )


def _of_a_batch(run: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """Refuse what middleware may take for a batch: a slice of one is a list of its jobs."""

    def checked(jobs: Any) -> Awaitable[Any]:
        if not isinstance(jobs, JobBatch):
            problem = f"must be the JobBatch that the middleware was given, not {jobs!r:.100}"
            raise InvalidInput("jobs", problem)
        return run(jobs)

    return checked


def _inside(
    middleware: Middleware, inner: Callable[[Any], Awaitable[Any]]
) -> Callable[[Any], Awaitable[Any]]:
    def run(job: Any) -> Awaitable[Any]:
        return middleware.function(job, inner)

    return run
