"""What a handler gets: the job it runs."""

import logging
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import msgspec

from awa._core.failures import AttemptError
from awa._core.progress import encode_progress, with_metadata, with_percent
from awa.errors import ConfigurationError

if TYPE_CHECKING:
    import trio

    from awa._core.entries import Body
    from awa._core.resources import State
    from awa._core.transacting import Desk, OwnCompletion, OwnTransaction

ArgsT = TypeVar("ArgsT")

_log: Final = logging.getLogger("awa.job")
_read_errors: Final = msgspec.json.Decoder(tuple[AttemptError, ...]).decode


class Place(Protocol):
    """The claims row of an attempt: where it came from, and what it shares with its company."""

    @property
    def queue(self) -> str:
        """The queue it was claimed from."""

    @property
    def priority(self) -> int:
        """1 (first) to 4."""

    @property
    def deadline(self) -> datetime | None:
        """When the database ends the attempt."""

    @property
    def state(self) -> "State":
        """What its worker has opened for handlers."""


class _Extra(msgspec.Struct):
    """The part of what a job carries that is read into values of ours."""

    errors: msgspec.Raw = msgspec.Raw(b"[]")
    ordering_key: str | None = None


_read_carried: Final = msgspec.json.Decoder(_Extra).decode


class JobLog(logging.LoggerAdapter[logging.Logger]):
    """Logs under `awa.job`; each record carries `job_id`, `attempt`, `kind` and `queue`."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the job's fields; fields the caller gives are kept."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


class Job(Generic[ArgsT]):
    """One attempt at a job, as its handler sees it.

    `args` is the decoded value of the type the handler was registered with. Everything else is
    read-only. An attempt may run more than once if a worker dies: make handlers idempotent.
    """

    __slots__ = (
        "_body",
        "_cancelled",
        "_desk",
        "_extra",
        "_notes",
        "_own",
        "_place",
        "_progress",
        "_scope",
        "args",
    )

    args: ArgsT

    def __init__(
        self,
        body: "Body",
        args: ArgsT,
        place: Place,
        scope: "trio.CancelScope | None" = None,
        desk: "Desk | None" = None,
    ) -> None:
        self._body = body
        self._place = place
        self._scope = scope
        """What cancels an asynchronous handler; None in a thread, which has only the flag."""
        self._desk = desk
        """Its worker, where that can be reached."""
        self._own: OwnCompletion | None = None
        """What became of the handler's own transaction, once there was one."""
        self._progress: Mapping[str, Any] | None = None
        """What this attempt set; None as long as it set nothing."""
        self._notes = 0
        """How often it did."""
        self._cancelled = False
        self._extra: Mapping[str, Any] | None = None
        self.args = args

    @property
    def id(self) -> int:
        """The job's id; the same in every attempt."""
        return self._body.job_id

    @property
    def kind(self) -> str:
        """The stable string that selected this handler."""
        return self._body.kind

    @property
    def queue(self) -> str:
        """The queue it was claimed from."""
        return self._place.queue

    @property
    def priority(self) -> int:
        """1 (first) to 4."""
        return self._place.priority

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1. An attempt that was given back keeps its number."""
        return self._body.attempt

    @property
    def run_lease(self) -> int:
        """Grows with every run of this job: a fencing number for writes to other systems."""
        return self._body.run_lease

    @property
    def max_attempts(self) -> int:
        """How many attempts the job has."""
        return self._body.max_attempts

    @property
    def enqueued_at(self) -> datetime:
        """When this entry was appended, by the database's clock."""
        return self._body.enqueued_at

    @property
    def deadline(self) -> datetime | None:
        """When the database ends this attempt, by its clock; None when it never does."""
        return self._place.deadline

    @property
    def errors(self) -> tuple[AttemptError, ...]:
        """What went wrong in earlier attempts, the last five, the latest last."""
        return _read_errors(_read_carried(self._body.extra).errors)

    @property
    def ordering_key(self) -> str | None:
        """The producer's key that keeps jobs in one lane, if there was one."""
        return _read_carried(self._body.extra).ordering_key

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the producer attached; empty without."""
        metadata: Mapping[str, Any] = self._read_extra().get("metadata", {})
        return metadata

    @property
    def tags(self) -> tuple[str, ...]:
        """The producer's labels."""
        return tuple(self._read_extra().get("tags", ()))

    @property
    def state(self) -> "State":
        """What the worker opened for its handlers: `job.state[resource]`, see `client.state`."""
        return self._place.state

    @property
    def log(self) -> JobLog:
        """A logger whose records carry this job's id and attempt."""
        fields = {
            "job_id": self.id,
            "attempt": self.attempt,
            "kind": self.kind,
            "queue": self.queue,
        }
        return JobLog(_log, fields)

    def is_cancelled(self) -> bool:
        """Whether this attempt should end.

        Its deadline passed, somebody cancelled the job or gave it to another worker, or this
        worker is shutting down. Asynchronous handlers are cancelled as well; handlers in threads
        have only this flag.
        """
        if not self._cancelled and self._scope is not None:
            # A thread that an asynchronous handler started has no clock: it sees the flag alone.
            with suppress(RuntimeError):
                self._cancelled = self._scope.cancel_called
        return self._cancelled

    @property
    def progress(self) -> Mapping[str, Any] | None:
        """What this attempt set last, else what the one before did; None without.

        A dictionary with some of `percent`, `message` and `metadata`.
        """
        if self._progress is not None:
            return self._progress
        stored: Mapping[str, Any] | None = self._read_extra().get("progress")
        return stored

    def set_progress(self, percent: float, message: str | None = None) -> None:
        """Say how far the attempt is, from 0 to 100, and with what words; the last ones stay.

        It does not wait: the database has it within seconds, and before the attempt's end unless
        its worker dies. Raises InvalidInput.
        """
        self._note(with_percent(self.progress, percent, message))

    def update_metadata(self, updates: dict[str, Any]) -> None:
        """Change these keys of the progress's `metadata`: a place to go on from, for instance.

        Keys are strings, and values read as JSON has them. All of the progress may take 16 KiB as
        JSON. Raises InvalidInput.
        """
        self._note(with_metadata(self.progress, updates))

    async def flush_progress(self) -> None:
        """Return when the database has it.

        Raises StaleAttempt when the attempt is over, and InvalidInput when the database refuses
        what was set last, so that it is not kept.
        """
        await self._reached().flush_progress(self)

    def flush_progress_sync(self) -> None:
        """The same for a handler in a thread."""
        self._reached().flush_progress_sync(self)

    def _note(self, progress: Mapping[str, Any]) -> None:
        desk = self._reached()
        text = encode_progress(progress)
        # What this attempt reads is what the next one will: a tuple is a list from now on.
        self._progress = msgspec.json.decode(text)
        self._notes += 1
        desk.note(self, self._notes, text)

    def transaction(self) -> "OwnTransaction":
        """A transaction of the handler's own: what it writes and the job's end commit together.

        `async with job.transaction() as tx:`, in a thread `with`. At the end of the block the job
        is completed and everything is committed, or nothing is. Where somebody else has ended the
        attempt it raises StaleAttempt; where the connection breaks during COMMIT and it turns out
        that it did not happen, TransactionLost. One transaction of an attempt commits.
        """
        return self._reached().transaction(self)

    async def complete_in(self, connection: Any, result: object = None) -> None:
        """Complete the job in the transaction that is open on a connection of yours.

        psycopg's, asyncpg's or SQLAlchemy's, in READ COMMITTED; commit right after it. `result` is
        stored with the job. Raises StaleAttempt: roll back. The attempt ends as that transaction
        does, once the handler has returned.
        """
        await self._reached().complete_in(self, connection, result)

    def complete_in_sync(self, connection: Any, result: object = None) -> None:
        """The same in a thread, for a synchronous connection; Django's as well."""
        self._reached().complete_in_sync(self, connection, result)

    def _reached(self) -> "Desk":
        if self._desk is None:
            raise ConfigurationError(
                "this job is not one that a worker runs, and only its worker could do that"
            )
        return self._desk

    def _read_extra(self) -> Mapping[str, Any]:
        if self._extra is None:
            extra: Mapping[str, Any] = msgspec.json.decode(self._body.extra)
            self._extra = extra
        return self._extra

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.kind!r} attempt {self.attempt} of {self.max_attempts}>"
