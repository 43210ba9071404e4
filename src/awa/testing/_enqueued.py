"""What is enqueued: jobs that are available, scheduled or retryable."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload

from awa._client.bursts import JOBS_MAX
from awa._client.steps import Steps, ask
from awa._core.arguments import encode_args
from awa._core.entries import JobState
from awa._core.options import checked_int, checked_name
from awa._storage import codec
from awa._storage.views import JobRecord, list_jobs
from awa.errors import InvalidInput
from awa.testing._pointing import checked_client

if TYPE_CHECKING:
    from awa.client import AsyncClient
    from awa.sync import Client

What: TypeAlias = object
"""Which jobs: a kind, a class of arguments, or an instance of one, for just these arguments."""

_WAITING: Final = (JobState.AVAILABLE, JobState.SCHEDULED, JobState.RETRYABLE)
_PAGE: Final = 1000
_SHOWN_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a job has to be; None is anything."""

    kind: str | None
    args: Mapping[str, Any] | None
    exactly: bool
    """Whether there may be no more arguments than these."""
    queue: str | None

    def is_any(self) -> bool:
        """Whether every job of its queue is meant."""
        return self.kind is None and self.args is None

    def fits(self, job: JobRecord) -> bool:
        """Whether it is one of those that are meant."""
        return (
            self.kind in {None, job.kind}
            and self.queue in {None, job.queue}
            and (self.args is None or self._args_fit(job.args))
        )

    def _args_fit(self, found: Any) -> bool:
        assert self.args is not None
        if self.exactly:
            return bool(found == self.args)
        return all(name in found and found[name] == value for name, value in self.args.items())

    def text(self) -> str:
        """In words, for a failure."""
        words = ["job" if self.kind is None else f"job of kind {self.kind!r}"]
        if self.queue is not None:
            words.append(f"in queue {self.queue!r}")
        if self.args is not None:
            words.append(f"with the arguments {dict(self.args)!r}")
        return " ".join(words)


@overload
def all_enqueued(
    client: Client, what: What = None, *, args: object = None, queue: str | None = None
) -> tuple[JobRecord, ...]: ...


@overload
def all_enqueued(
    client: AsyncClient, what: What = None, *, args: object = None, queue: str | None = None
) -> Awaitable[tuple[JobRecord, ...]]: ...


def all_enqueued(
    client: AsyncClient | Client,
    what: What = None,
    *,
    args: object = None,
    queue: str | None = None,
) -> Any:
    """The jobs that wait, oldest first.

    `what`: a kind, a class of arguments, or an instance of one. `args`: a mapping of some of the
    arguments, or an instance, which stands for all of them.
    """
    wanted = wanted_by(client, what, args, queue)
    return client._follow(_all(client.schema, wanted))  # noqa: SLF001  # a friend


@overload
def assert_enqueued(
    client: Client,
    what: What = None,
    *,
    args: object = None,
    queue: str | None = None,
    count: int | None = None,
) -> tuple[JobRecord, ...]: ...


@overload
def assert_enqueued(
    client: AsyncClient,
    what: What = None,
    *,
    args: object = None,
    queue: str | None = None,
    count: int | None = None,
) -> Awaitable[tuple[JobRecord, ...]]: ...


def assert_enqueued(
    client: AsyncClient | Client,
    what: What = None,
    *,
    args: object = None,
    queue: str | None = None,
    count: int | None = None,
) -> Any:
    """Fail unless such a job waits, or just so many; answers them. Arguments as `all_enqueued`."""
    wanted = wanted_by(client, what, args, queue)
    if count is not None:
        checked_int("count", count, low=0, high=JOBS_MAX)
    return client._follow(_asserted(client.schema, wanted, count))  # noqa: SLF001  # a friend


@overload
def refute_enqueued(
    client: Client, what: What = None, *, args: object = None, queue: str | None = None
) -> None: ...


@overload
def refute_enqueued(
    client: AsyncClient, what: What = None, *, args: object = None, queue: str | None = None
) -> Awaitable[None]: ...


def refute_enqueued(
    client: AsyncClient | Client,
    what: What = None,
    *,
    args: object = None,
    queue: str | None = None,
) -> Any:
    """Fail if such a job waits. Arguments as `all_enqueued`."""
    wanted = wanted_by(client, what, args, queue)
    return client._follow(_refuted(client.schema, wanted))  # noqa: SLF001  # a friend


def _all(schema: str, wanted: Wanted) -> Steps[tuple[JobRecord, ...]]:
    found = yield from waiting_jobs(schema)
    return tuple(job for job in found if wanted.fits(job))


def _refuted(schema: str, wanted: Wanted) -> Steps[None]:
    yield from _asserted(schema, wanted, 0)


def _asserted(schema: str, wanted: Wanted, count: int | None) -> Steps[tuple[JobRecord, ...]]:
    waiting = yield from waiting_jobs(schema)
    found = tuple(job for job in waiting if wanted.fits(job))
    if len(found) == count or (found and count is None):
        return found
    expected = "a" if count is None else str(count)
    raise AssertionError(
        f"expected {expected} {wanted.text()}, found {len(found)};{_shown(waiting)}"
    )


def waiting_jobs(schema: str) -> Steps[list[JobRecord]]:
    """All jobs that wait, oldest first."""
    found: list[JobRecord] = []
    for state in _WAITING:
        before: int | None = None
        while True:
            page = yield from ask(
                list_jobs(
                    state=state,
                    queue=None,
                    kind=None,
                    before_id=before,
                    limit=_PAGE,
                    schema=schema,
                )
            )
            found += page
            if len(page) < _PAGE:
                break
            before = page[-1].id
    return sorted(found, key=lambda job: job.id)


def _shown(jobs: list[JobRecord]) -> str:
    if not jobs:
        return " no job waits"
    lines = [f"  {job.kind} in {job.queue}, {job.state}: {job.args!r}" for job in jobs]
    more = len(lines) - _SHOWN_MAX
    if more > 0:
        lines[_SHOWN_MAX:] = [f"  and {more} more"]
    return "\n".join([" these jobs wait:", *lines])


def wanted_by(client: AsyncClient | Client, what: What, args: object, queue: str | None) -> Wanted:
    """Read what a caller says of the jobs that are meant. Raises InvalidInput."""
    if queue is not None:
        checked_name("queue", queue)
    kind_named = checked_client(client)._handlers.kind_named  # noqa: SLF001  # a friend
    kind: str | None
    if what is None or isinstance(what, str):
        kind = what
    elif isinstance(what, type):
        kind = kind_named(what)
    else:
        if args is not None:
            raise InvalidInput("args", "are said twice: by the instance, and by args")
        if isinstance(what, Mapping):
            raise InvalidInput("what", "is a mapping, which names no kind: say a kind, and args")
        kind, args = kind_named(type(what)), what
    if args is None or isinstance(args, Mapping):
        return Wanted(kind=kind, args=args, exactly=False, queue=queue)
    stored = codec.json_value(encode_args(args).decode())
    return Wanted(kind=kind, args=stored, exactly=True, queue=queue)
