"""Awa: a job queue that lives in PostgreSQL and runs on trio."""

from awa._client.acts import BulkAct, JobAct
from awa._client.around_tasks import CallNext, CallNextBatch
from awa._client.bursts import WorkDone
from awa._client.health import Health
from awa._client.job_steps import JobDump, RunDump
from awa._client.producing import JobHandle
from awa._client.queues import QueueConfig
from awa._client.transactions import Transaction
from awa._client.vitals import Vitals, WorkerVitals
from awa._core.capability import UnknownKind
from awa._core.copying import CopyAnswer
from awa._core.entries import ActAnswer, EnqueueAnswer, JobState
from awa._core.failures import AttemptError
from awa._core.outcomes import (
    Cancel,
    Completed,
    ProcessDied,
    RetryAfter,
    Snooze,
    TerminalError,
)
from awa._core.resources import Resource, State
from awa._core.schedules import Declared, PutAnswer, Schedule, TriggerAnswer, Triggered
from awa._core.tuning import QueueOverrides
from awa._core.unique import UniqueOpts
from awa._runtime.health import QueueHealth, WorkerHealth
from awa._runtime.settings import Retention
from awa._runtime.stalls import Stall
from awa._storage.history import ActRecord, AttemptRecord, DeadLetter
from awa._storage.views import JobRecord, QueueStats
from awa._version import VERSION
from awa.batch import JobBatch
from awa.client import AsyncClient
from awa.errors import (
    AccessDenied,
    AttemptCompleted,
    AwaError,
    CallerError,
    ConfigurationError,
    InternalError,
    InvalidInput,
    LimitExceeded,
    OutcomeUnknown,
    SchemaMissing,
    SchemaNewer,
    SchemaOlder,
    ServerBusy,
    ServerRefused,
    ServerUnreachable,
    StaleAttempt,
    TransactionLost,
    UniqueConflict,
    UnknownWorker,
    WorldError,
    WrongIsolation,
    WrongTransaction,
)
from awa.fanout import QueueFanout
from awa.handler import Job
from awa.sync import Client

__version__ = VERSION

__all__ = [
    "AccessDenied",
    "ActAnswer",
    "ActRecord",
    "AsyncClient",
    "AttemptCompleted",
    "AttemptError",
    "AttemptRecord",
    "AwaError",
    "BulkAct",
    "CallNext",
    "CallNextBatch",
    "CallerError",
    "Cancel",
    "Client",
    "Completed",
    "ConfigurationError",
    "CopyAnswer",
    "DeadLetter",
    "Declared",
    "EnqueueAnswer",
    "Health",
    "InternalError",
    "InvalidInput",
    "Job",
    "JobAct",
    "JobBatch",
    "JobDump",
    "JobHandle",
    "JobRecord",
    "JobState",
    "LimitExceeded",
    "OutcomeUnknown",
    "ProcessDied",
    "PutAnswer",
    "QueueConfig",
    "QueueFanout",
    "QueueHealth",
    "QueueOverrides",
    "QueueStats",
    "Resource",
    "Retention",
    "RetryAfter",
    "RunDump",
    "Schedule",
    "SchemaMissing",
    "SchemaNewer",
    "SchemaOlder",
    "ServerBusy",
    "ServerRefused",
    "ServerUnreachable",
    "Snooze",
    "StaleAttempt",
    "Stall",
    "State",
    "TerminalError",
    "Transaction",
    "TransactionLost",
    "TriggerAnswer",
    "Triggered",
    "UniqueConflict",
    "UniqueOpts",
    "UnknownKind",
    "UnknownWorker",
    "Vitals",
    "WorkDone",
    "WorkerHealth",
    "WorkerVitals",
    "WorldError",
    "WrongIsolation",
    "WrongTransaction",
    "__version__",
]
