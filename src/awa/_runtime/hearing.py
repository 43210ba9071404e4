"""What children say while they run jobs: heard here, and done as if it were said in the worker."""

import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

from awa._core.failures import cut_text
from awa._runtime.children import ENCODE, WORKERS_END, Said, Told
from awa._runtime.limits import CHILD_MESSAGE_BYTES_MAX
from awa.batch import JobBatch
from awa.errors import ConfigurationError, InvalidInput, StaleAttempt
from awa.handler import Job

_log: Final = logging.getLogger("awa.worker")
_DECODE: Final = msgspec.msgpack.Decoder(Said).decode


@dataclass(frozen=True, slots=True)
class _Call:
    subject: Job[Any] | JobBatch[Any]
    on_begun: Callable[[], None]

    def job(self, job_id: int) -> Job[Any]:
        if isinstance(self.subject, JobBatch):
            bodies = self.subject._bodies  # noqa: SLF001  # the runner's side of it
            place = next(place for place, body in enumerate(bodies) if body.job_id == job_id)
            return self.subject[place]
        return self.subject


class Hearing:
    """The worker's end of its children's lines."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigurationError where the folder's path is too long for a socket."""
        self._socket: Final = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # noqa: FBT003  # its name is its method
        try:
            self._socket.bind(str(folder / WORKERS_END))
        except OSError as error:
            self._socket.close()
            raise ConfigurationError(
                f"child processes need a socket in {folder}, which cannot be: {error}; set TMPDIR"
                " to a folder for temporary files that has a shorter path"
            ) from error
        self._calls: dict[int, _Call] = {}
        self._numbers: Final = count(1)
        self._nursery: trio.Nursery | None = None

    @contextmanager
    def call(
        self, subject: Job[Any] | JobBatch[Any], on_begun: Callable[[], None]
    ) -> Iterator[int]:
        """The number of a call, for as long as it lasts. What was said in it is heard by its end.

        `on_begun`: the child is there, and the handler runs.
        """
        number = next(self._numbers)
        self._calls[number] = _Call(subject, on_begun)
        try:
            yield number
        finally:
            self.hear()
            del self._calls[number]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hear until cancelled."""
        with self._socket:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                while True:
                    await trio.lowlevel.wait_readable(self._socket)
                    self.hear()

    def start(self, function: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run this beside the hearing, until both are over."""
        assert self._nursery is not None
        self._nursery.start_soon(function, *args)

    def hear(self) -> None:
        """Do all that was said so far."""
        while True:
            try:
                message, sender = self._socket.recvfrom(CHILD_MESSAGE_BYTES_MAX)
            except BlockingIOError:
                return
            said = _DECODE(message)
            if said.call in self._calls:  # or it has ended, and nothing of it counts any more
                self._do(said, self._calls[said.call], sender)

    def _do(self, said: Said, call: _Call, sender: str) -> None:
        if not said.job_id:
            call.on_begun()
            return
        job = call.job(said.job_id)
        if said.text:
            job._note(msgspec.json.decode(said.text))  # noqa: SLF001  # as the child's job did
        if said.ask:
            self.start(self._answer, job, said.ask, sender)

    async def _answer(self, job: Job[Any], ask: int, sender: str) -> None:
        try:
            await job.flush_progress()
        except StaleAttempt:
            told = Told(ask, is_stale=True)
        except InvalidInput as refusal:
            told = Told(ask, refusal=(refusal.field, cut_text(refusal.problem)))
        else:
            told = Told(ask)
        with suppress(OSError):  # it may have been killed meanwhile
            self._socket.sendto(ENCODE(told), sender)
