"""What runs in a child process: one handler at a time, and its line to the worker.

Each child has a socket in the folder of its worker, and sends to the worker's: that its call has
begun, what its job says of its progress, and that it waits until the database has that. A message
is whole or not there, and those of one child arrive in their order, before the outcome does.
"""

import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Never

import msgspec

from awa._core.failures import failure_of
from awa._core.resources import IN_A_CHILD, State
from awa._runtime.attempts import current_job
from awa._runtime.limits import CHILD_LOOK_S, CHILD_MESSAGE_BYTES_MAX
from awa.batch import JobBatch
from awa.errors import ConfigurationError, InvalidInput, StaleAttempt
from awa.handler import Job

if TYPE_CHECKING:
    from awa._core.transacting import OwnTransaction

WORKERS_END: Final = "worker"
"""The worker's socket in the folder; a child's is its process id."""


class Said(NamedTuple):
    """What a child says: to begin with nothing but which call it runs."""

    call: int
    job_id: int = 0
    text: bytes = b""
    """The job's progress, as JSON text; empty for what was said before."""
    ask: int = 0
    """Wants to know when the database has it; names the question."""


class Told(NamedTuple):
    """What the worker answers to a question."""

    ask: int
    is_stale: bool = False
    refusal: tuple[str, str] | None = None
    """Which field the database refused, and why."""


class Ran(NamedTuple):
    """The handler ran to its end."""

    value: Any


ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(Told).decode
_REPLY_BYTES_MAX: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachedPlace:
    """Where a job came from, as a child process sees it."""

    queue: str
    priority: int
    deadline: datetime | None

    @property
    def state(self) -> State:
        """What its worker has opened stays there."""
        return IN_A_CHILD


class Line:
    """This process's end of the line."""

    def __init__(self, folder: str) -> None:
        own = Path(folder) / str(os.getpid())
        own.unlink(missing_ok=True)  # of a child before that had the same number
        self.socket: Final = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CHILD_MESSAGE_BYTES_MAX)
        self.socket.bind(str(own))
        self.socket.connect(str(own.with_name(WORKERS_END)))
        self.asked = 0
        """Questions so far: an answer that nobody waits for any more is of another number."""

    def send(self, said: Said, *, wait: bool) -> bool:
        """Whether it has left; without `wait` it does not when much waits already."""
        try:
            self.socket.send(ENCODE(said), 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionError:
            pass  # the worker is gone, and its attempt with it
        return True

    def answer(self, ask: int) -> Told:
        """Wait for the answer to this question; without a worker the attempt is stale."""
        self.socket.settimeout(CHILD_LOOK_S)
        try:
            while (parent := parent_process()) is not None and parent.is_alive():
                with suppress(TimeoutError):
                    told = _DECODE(self.socket.recv(_REPLY_BYTES_MAX))
                    if told.ask == ask:
                        return told
            return Told(ask, is_stale=True)
        finally:
            self.socket.settimeout(None)


_LINES: Final[list[Line]] = []
"""The one of this process, once it has begun."""


class ChildDesk:
    """What a job in a child process can turn to."""

    def __init__(self, call: int, line: Line) -> None:
        self._call = call
        self._line = line
        self._unsaid: dict[int, bytes] = {}
        self._turn = threading.Lock()

    def note(self, job: Job[Any], _number: int, text: bytes) -> None:
        """Tell the worker what the job's progress is now, as soon as it listens."""
        with self._turn:
            self._unsaid[job.id] = text
            self._say(wait=False)

    def flush_progress_sync(self, job: Job[Any]) -> None:
        """Return when the database has it. Raises StaleAttempt, and InvalidInput if it refuses."""
        with self._turn:
            self._say(wait=True)
            self._line.asked += 1
            ask = self._line.asked
            self._line.send(Said(self._call, job.id, ask=ask), wait=True)
            told = self._line.answer(ask)
        if told.is_stale:
            raise StaleAttempt
        if told.refusal is not None:
            raise InvalidInput(*told.refusal)

    def end(self) -> None:
        """The handler has ended: say what is unsaid."""
        with self._turn:
            self._say(wait=True)

    def _say(self, *, wait: bool) -> None:
        for job_id, text in list(self._unsaid.items()):
            if not self._line.send(Said(self._call, job_id, text), wait=wait):
                return
            del self._unsaid[job_id]

    async def flush_progress(self, _job: Job[Any]) -> Never:
        """For handlers on trio. Raises ConfigurationError."""
        raise ConfigurationError(
            "a handler in a child process calls job.flush_progress_sync(), which waits by itself"
        )

    def transaction(self, _job: Job[Any]) -> "OwnTransaction":
        """The worker would not know of it. Raises ConfigurationError."""
        raise ConfigurationError(_REFUSED)

    async def complete_in(self, _job: Job[Any], _connection: Any, _result: object) -> Never:
        """The same."""
        raise ConfigurationError(_REFUSED)

    def complete_in_sync(self, _job: Job[Any], _connection: Any, _result: object) -> Never:
        """The same."""
        raise ConfigurationError(_REFUSED)


_REFUSED: Final = (
    "a handler in a child process cannot end its job in a transaction of its own: the child may be"
    " killed while it commits, and its worker would not know; return what the child found out, and"
    " write it in a handler that runs in a thread or on trio"
)


def begin_child(folder: str) -> None:
    """Before the first job."""
    # A signal to the whole group is meant for the worker, which lets its handlers finish.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _LINES.append(Line(folder))


def run_in_child(
    call: int, until_s: float, function: Callable[[Any], Any], subject: Any
) -> Ran | None:
    """Run the handler; what it needs was imported on the way here.

    Not after `until_s` of the machine's monotonic clock: its attempt has been let go of, and this
    answers None.
    """
    (line,) = _LINES
    # Said first: the worker, which listens after that time, knows of every handler that began.
    line.send(Said(call), wait=True)
    if time.monotonic() >= until_s:
        return None
    desk = subject._desk = ChildDesk(call, line)  # noqa: SLF001  # the runner's side of it
    current_job.set(subject if isinstance(subject, Job) else None)
    try:
        return Ran(function(subject))
    except BaseException as error:
        if not _travels(error):
            raise RuntimeError(str(failure_of(error))) from None
        raise
    finally:
        desk.end()


def _travels(error: BaseException) -> bool:
    """Whether the parent can make the same error again."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    except Exception:  # noqa: BLE001  # the error's own methods may raise anything
        return False
    return True


def picture_of(subject: Job[Any] | JobBatch[Any]) -> Job[Any] | JobBatch[Any]:
    """What of it a child gets."""
    # All of this is the runner's side of the handler's view.
    if isinstance(subject, JobBatch):
        places = [_place(held) for held in subject._places]  # noqa: SLF001
        return JobBatch(places, subject._bodies, subject.args)  # noqa: SLF001
    picture = Job(subject._body, subject.args, _place(subject._place))  # noqa: SLF001
    picture._progress = subject._progress  # noqa: SLF001  # middleware may have set some
    return picture


def _place(held: Any) -> DetachedPlace:
    return DetachedPlace(queue=held.queue, priority=held.priority, deadline=held.deadline)
