"""Every error Awa raises on purpose, sorted by whose fault it is.

::

    AwaError                        never raised itself
    +-- CallerError                 yours: change the call or the settings
    |   +-- InvalidInput            a value that cannot be stored (also a ValueError)
    |   +-- LimitExceeded           too many things in one call
    |   +-- UniqueConflict          another job holds the unique key, and you asked to be told
    |   +-- WrongIsolation          an action that needs READ COMMITTED, called in another level
    |   +-- WrongTransaction        an act that must be a transaction's first, called later in one
    |   +-- AttemptCompleted        a handler's second transaction, after one that completed its job
    |   +-- ConfigurationError      a missing or contradictory setting
    |   +-- AccessDenied            the database role lacks a grant
    +-- WorldError                  nobody's code: the call may be right a moment later
    |   +-- ServerUnreachable       no connection was made; nothing was sent
    |   |   +-- ServerRefused       the server lets nobody in this way
    |   +-- OutcomeUnknown          the connection broke before the answer came
    |   +-- ServerBusy              the server gave up: a deadlock, a timeout, no memory
    |   +-- SchemaMissing           the database has no Awa schema: run `awa migrate`
    |   +-- SchemaNewer             the schema was made by a newer Awa: upgrade this program
    |   +-- SchemaOlder             the schema was made by an older Awa: run `awa migrate`
    |   +-- UnknownWorker           the worker's row is gone: it was presumed dead
    |   +-- StaleAttempt            somebody else has ended the attempt: it commits nothing
    |   +-- TransactionLost         a handler's own transaction broke at COMMIT, and did not happen
    +-- InternalError               ours: please report it

A lost race is no error: actions answer it as a value (see `awa._core.entries.Answer`). This module
imports nothing of Awa, so that every layer may raise from it.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AccessDenied",
    "AttemptCompleted",
    "AwaError",
    "CallerError",
    "ConfigurationError",
    "InternalError",
    "InvalidInput",
    "LimitExceeded",
    "OutcomeUnknown",
    "SchemaMissing",
    "SchemaNewer",
    "SchemaOlder",
    "ServerBusy",
    "ServerRefused",
    "ServerUnreachable",
    "StaleAttempt",
    "TransactionLost",
    "UniqueConflict",
    "UnknownWorker",
    "WorldError",
    "WrongIsolation",
    "WrongTransaction",
]


class AwaError(Exception):
    """The base of every error Awa raises on purpose; catch it, never raise it."""

    def __init__(self, message: str) -> None:
        if type(self) in {AwaError, CallerError, WorldError}:
            raise TypeError(f"{type(self).__name__} says too little: raise one of its subclasses")
        super().__init__(message)


class CallerError(AwaError):
    """The call or the settings are wrong; see `WorldError` for what may pass by itself."""


class WorldError(AwaError):
    """The server or the network; see `CallerError` for what must be changed to work."""


class InvalidInput(CallerError, ValueError):
    """A value that cannot be stored. Nothing was written.

    `field` names the argument or option, `problem` says what is wrong with it and the limit.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field: Final = field
        self.problem: Final = problem


class LimitExceeded(CallerError):
    """More things in one call than the limit allows; the message names both numbers."""


class UniqueConflict(CallerError):
    """Another job holds the unique key. Nothing was written; `job_id` is the holder's.

    Raised unless `on_conflict` chooses another answer.
    """

    def __init__(self, job_id: int) -> None:
        super().__init__(
            f"job {job_id} holds the unique key; on_conflict chooses what to do then: "
            '"return", "replace" or "skip"'
        )
        self.job_id: Final = job_id


class WrongIsolation(CallerError):
    """The action was called in a transaction that is not READ COMMITTED."""


class WrongTransaction(CallerError):
    """What was asked for cannot be done in this transaction, or not inside of another one.

    An act that takes the locks of lanes is called in autocommit, or as the first and only statement
    of a transaction. A block of `job.transaction()` is the only one, and its COMMIT is its own.
    """


class AttemptCompleted(CallerError):
    """The attempt was completed by an earlier transaction of its handler: it has no second end."""

    def __init__(self) -> None:
        super().__init__(
            "an earlier transaction of this handler has completed its job; one attempt ends once"
        )


class ConfigurationError(CallerError):
    """A setting is missing, malformed or contradicts another one."""


class AccessDenied(CallerError):
    """The database role lacks a grant; `awa migrate` creates the roles that have them."""


class ServerUnreachable(WorldError, ConnectionError):
    """No connection could be made, so nothing was sent. Compare `OutcomeUnknown`."""


class ServerRefused(ServerUnreachable):
    """The server answered and lets nobody in this way: the password, the role, the database.

    Waiting does not cure it: a worker that meets it at its start ends, one that ran goes on trying.
    """


class OutcomeUnknown(WorldError, ConnectionError):
    """The connection broke before the answer came: the action happened entirely or not at all.

    A claim is asked again with its token, a settle repeated with its settle id; a transaction of
    the caller's own has to be looked up. Compare `ServerUnreachable`.
    """


class ServerBusy(WorldError):
    """The server ended the statement (deadlock, timeout, resources); nothing was written."""


def _migrating(schema: str) -> str:
    return "awa migrate" if schema == "awa" else f"awa migrate --schema {shlex.quote(schema)}"


class SchemaMissing(WorldError):
    """The database holds no Awa schema of this name."""

    def __init__(self, schema: str = "awa") -> None:
        super().__init__(
            f'the database has no Awa schema "{schema}"; create it with `{_migrating(schema)}`'
        )
        self.schema: Final = schema


class SchemaNewer(WorldError):
    """The schema belongs to a newer Awa. Nothing was touched. `found` is its version."""

    def __init__(self, *, schema: str, found: int) -> None:
        super().__init__(
            f'schema "{schema}" has version {found}, which is newer than this program: '
            "upgrade the awa-trio package"
        )
        self.schema: Final = schema
        self.found: Final = found


class SchemaOlder(WorldError):
    """The schema belongs to an older Awa. `found` and `needed` are versions."""

    def __init__(self, *, schema: str, found: int, needed: int) -> None:
        super().__init__(
            f'schema "{schema}" has version {found}, this program needs {needed}: '
            f"run `{_migrating(schema)}`"
        )
        self.schema: Final = schema
        self.found: Final = found
        self.needed: Final = needed


class UnknownWorker(WorldError):
    """The worker has no row: `worker_start` was not called, or it was presumed dead."""


class StaleAttempt(WorldError):
    """Somebody else has ended the attempt: cancelled, rescued, or past its deadline.

    Its transaction is rolled back. Let it pass: nothing is settled for such an attempt.
    """

    def __init__(self) -> None:
        super().__init__("somebody else has ended this attempt; its transaction is rolled back")


class TransactionLost(WorldError, ConnectionError):
    """The connection broke during COMMIT, and the database says that it did not happen.

    Nothing of the transaction was written. The attempt is open: let it fail, or try once more.
    """

    def __init__(
        self, message: str = "the connection broke during COMMIT: the transaction did not happen"
    ) -> None:
        super().__init__(message)


class InternalError(AwaError):
    """The database answered what Awa does not understand: a defect of Awa."""


BY_SQLSTATE: Final[Mapping[str, type[AwaError]]] = {
    # Awa's own codes: one row for each errcode in sql/.
    "AW001": InvalidInput,
    "AW002": WrongIsolation,
    "AW003": UnknownWorker,
    "AW004": LimitExceeded,
    "AW005": SchemaNewer,
    "AW006": ConfigurationError,
    "AW007": WrongTransaction,
    "AW008": UniqueConflict,
    # The server's. Our functions are called by their full name, so what is missing is the schema.
    "3F000": SchemaMissing,
    "42883": SchemaMissing,
    "42P01": SchemaMissing,
    "42501": AccessDenied,
    # Values that PostgreSQL cannot store: asking again changes nothing.
    "22003": InvalidInput,
    "22P02": InvalidInput,
    "22P05": InvalidInput,
    "54000": InvalidInput,
    "54001": InvalidInput,
    "40001": ServerBusy,
    "40P01": ServerBusy,
    "53000": ServerBusy,
    "53100": ServerBusy,
    "53200": ServerBusy,
    "53300": ServerUnreachable,
    "55P03": ServerBusy,
    "57014": ServerBusy,
    "57P01": OutcomeUnknown,
    "57P02": OutcomeUnknown,
    "57P03": ServerUnreachable,
    "57P05": OutcomeUnknown,
}
"""Which error a SQLSTATE becomes. Codes are matched, message texts never."""


def from_sqlstate(
    sqlstate: str | None, *, message: str, detail: str | None = None, schema: str = "awa"
) -> AwaError | None:
    """The error that a SQLSTATE means, or None when Awa has no better word than the driver's.

    `detail` is the server's DETAIL: for AW001 the name of the offending field, for AW008 the id of
    the job that holds the key.
    """
    kind = BY_SQLSTATE.get(sqlstate or "")
    if kind is None:
        return None
    if issubclass(kind, InvalidInput):
        field = detail if sqlstate == "AW001" and detail else "input"
        return InvalidInput(field, message.removeprefix("awa: ").removeprefix(f"{field}: "))
    if issubclass(kind, SchemaMissing):
        return SchemaMissing(schema)
    if issubclass(kind, UniqueConflict):
        return UniqueConflict(int(detail or 0))
    if issubclass(kind, SchemaNewer):
        return SchemaNewer(schema=schema, found=int(detail or 0))
    return kind(message.removeprefix("awa: "))
