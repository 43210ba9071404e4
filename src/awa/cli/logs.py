"""Log records as text or JSON, with the job that a record belongs to, in threads as well."""

import logging
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from traceback import format_exception_only, format_tb
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from awa._runtime.attempts import current_job

if TYPE_CHECKING:
    from logging import _SysExcInfoType

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


_STACKS_KEPT: Final = 1000
_HEAD: Final = "Traceback (most recent call last):\n"
_stacks: Final[dict[tuple[int, ...], tuple[list[CodeType], str]]] = {}
"""The text of frames, by their code and the place in it; with the code, so that no other gets its
number. Finding what to underline takes longer than most jobs, and jobs fail together."""


class _Formatter(logging.Formatter):
    """Tracebacks as Python prints them, made for thousands a second."""

    def formatException(self, ei: "_SysExcInfoType") -> str:  # noqa: N802  # logging's name
        """Format the error; the usual one, which has no other behind it, from what is kept."""
        _, error, trace = ei
        if error is None or trace is None or not _stands_alone(error):
            return super().formatException(ei)
        said = "".join(format_exception_only(error)).rstrip("\n")
        return f"{_HEAD}{_stack_text(trace)}{said}"


def _stands_alone(error: BaseException) -> bool:
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    # A SyntaxError says where in a text; NameError and the like look at the frame for a name.
    others = (BaseExceptionGroup, SyntaxError, NameError, AttributeError, ImportError)
    return behind is None and not isinstance(error, others)


def _stack_text(trace: TracebackType) -> str:
    codes: list[CodeType] = []
    key: list[int] = []
    part: TracebackType | None = trace
    while part is not None:
        codes.append(part.tb_frame.f_code)
        key += (id(part.tb_frame.f_code), part.tb_lasti)
        part = part.tb_next
    kept = _stacks.get(tuple(key))
    if kept is None:
        if len(_stacks) >= _STACKS_KEPT:
            _stacks.clear()
        kept = _stacks[tuple(key)] = codes, "".join(format_tb(trace))
    return kept[1]


class TextFormatter(_Formatter):
    """One line a record: time, level, logger, job and attempt, message; then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        job = ""
        if hasattr(record, "job_id"):
            job = f" [job {record.job_id} attempt {getattr(record, 'attempt', '?')}]"
        second_s, ms = divmod(int(record.created * 1000), 1000)
        moment = f"{_clock(second_s)}.{ms:03}"
        line = f"{moment} {record.levelname:7} {record.name}{job} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(_Formatter):
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


@lru_cache(maxsize=2)
def _clock(second_s: int) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(second_s))


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
