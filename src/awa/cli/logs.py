"""Log records as text or JSON, with the job that a record belongs to, in threads as well."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from awa._runtime.attempts import current_job

JOB_FIELDS: Final = ("job_id", "attempt", "kind", "queue")
_PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JobFilter(logging.Filter):
    """Adds `job_id`, `attempt`, `kind` and `queue` to what is logged while a handler runs.

    The handler's context says which job it is: tasks and threads started by it inherit it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        job = current_job.get()
        if job is not None and not hasattr(record, "job_id"):
            record.job_id, record.attempt = job.id, job.attempt
            record.kind, record.queue = job.kind, job.queue
        return True


class TextFormatter(logging.Formatter):
    """One line a record: time, level, logger, job and attempt, message; then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        job = ""
        if hasattr(record, "job_id"):
            job = f" [job {record.job_id} attempt {getattr(record, 'attempt', '?')}]"
        moment = _moment(record).strftime("%H:%M:%S.%f")[:-3]
        line = f"{moment} {record.levelname:7} {record.name}{job} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a record; what was given as `extra` stands beside the fixed fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        fields: dict[str, Any] = {
            "time": _moment(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {k: v for k, v in record.__dict__.items() if k not in _PLAIN and k not in fields}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(fields, enc_hook=str).decode()


def configure_logs(*, log_format: str, level: str) -> None:
    """Send all records of this level and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    # On the handler, not on a logger: records of every library pass through it.
    handler.addFilter(JobFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
