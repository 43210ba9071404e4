"""Registering handlers: the same for every client, and possible before it is opened."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

from awa._client.around_tasks import AroundTasks
from awa._core.kinds import kind_of
from awa._core.limits import QUEUE_DEFAULT
from awa._core.options import checked_int, checked_name, checked_options
from awa._core.retrying import Backoff, ErrorTypes, RetryPolicy, checked_policy
from awa._core.signatures import require_takes
from awa._runtime.executors import checked_executor
from awa._runtime.handlers import BatchSize, Handler
from awa._runtime.limits import (
    BATCH_SIZE_DEFAULT,
    BATCH_SIZE_MAX,
    BATCH_WAIT_MS_DEFAULT,
    BATCH_WAIT_MS_MAX,
)
from awa.batch import JobBatch
from awa.errors import InvalidInput
from awa.handler import Job

ArgsT = TypeVar("ArgsT")
HandlerT = TypeVar("HandlerT", bound=Callable[[Any], Any])
ExecutorName: TypeAlias = Literal["trio", "thread", "process", "asyncio"]


class Tasks(AroundTasks):
    """The handlers of a client."""

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
        add = self._prepared(
            args_type,
            kind=kind,
            queue=queue,
            policy=checked_policy(backoff=backoff, retry_on=retry_on, fail_on=fail_on),
            defaults={"priority": priority, "max_attempts": max_attempts, "deadline": deadline},
        )

        def register(function: Callable[[Job[ArgsT]], Any]) -> Callable[[Job[ArgsT]], Any]:
            require_takes("handler", function, "job")
            add(function, executor=checked_executor(executor, function, args_type))
            return function

        return register

    def batch_task(
        self,
        args_type: type[ArgsT],
        *,
        max_size: int = BATCH_SIZE_DEFAULT,
        max_wait_ms: int = BATCH_WAIT_MS_DEFAULT,
        kind: str | None = None,
        queue: str = QUEUE_DEFAULT,
        executor: ExecutorName | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        deadline: timedelta | float | None = None,
        backoff: Backoff | None = None,
        retry_on: ErrorTypes | None = None,
        fail_on: ErrorTypes | None = None,
    ) -> Callable[[Callable[[JobBatch[ArgsT]], Any]], Callable[[JobBatch[ArgsT]], Any]]:
        """Register the decorated function as the handler of one kind of job, taken many at once.

        It takes a `JobBatch`, a sequence of `max_size` jobs at the most; the first one waits for
        company, at most `max_wait_ms` from its claim. Each holds a permit of its queue, so a batch
        is never larger than the queue's `max_workers`.

        It answers None when all are done, or says what becomes of each: a list of as many outcomes
        in their order, or a mapping from job ids to outcomes, where those left out are done. An
        outcome is what a handler of one job may return, or an error, which fails that job. An error
        that is raised fails every job, and so does the deadline, the earliest of theirs.
        The other options are those of `task`. Raises as `task`.
        """
        size = BatchSize(
            max_size=checked_int("max_size", max_size, low=1, high=BATCH_SIZE_MAX),
            max_wait_s=checked_int("max_wait_ms", max_wait_ms, low=0, high=BATCH_WAIT_MS_MAX)
            / 1000,
        )
        add = self._prepared(
            args_type,
            kind=kind,
            queue=queue,
            policy=checked_policy(backoff=backoff, retry_on=retry_on, fail_on=fail_on),
            defaults={"priority": priority, "max_attempts": max_attempts, "deadline": deadline},
        )

        def register(
            function: Callable[[JobBatch[ArgsT]], Any],
        ) -> Callable[[JobBatch[ArgsT]], Any]:
            require_takes("handler", function, "jobs")
            chosen = checked_executor(executor, function, args_type)
            add(function, executor=chosen, batch=size)
            return function

        return register

    def _prepared(
        self,
        args_type: Any,
        *,
        kind: str | None,
        queue: str,
        policy: RetryPolicy,
        defaults: Mapping[str, object],
    ) -> Callable[..., Handler]:
        """How to add a function as a handler, once what is said of its jobs was checked."""
        if not isinstance(args_type, type):
            how = ", as in `@client.task(Args)`" if callable(args_type) else ""
            raise InvalidInput("args_type", f"must be a class{how}, not {args_type!r:.100}")
        if kind is None and args_type.__module__ == "builtins":
            raise InvalidInput("kind", f"is needed: {args_type.__name__} names no kind")
        given = {option: value for option, value in defaults.items() if value is not None}
        checked_options(given)
        return partial(
            self._handlers.add,
            kind=checked_name("kind", kind_of(args_type.__name__) if kind is None else kind),
            args_type=args_type,
            queue=checked_name("queue", queue),
            policy=policy,
            defaults=given,
        )

    def handled_kinds(self) -> tuple[str, ...]:
        """The kinds with a registered handler, sorted."""
        return tuple(sorted(self._handlers.by_kind))

    def handled_queues(self) -> tuple[str, ...]:
        """The queues named by the registered handlers, sorted."""
        return tuple(sorted({handler.queue for handler in self._handlers.by_kind.values()}))
