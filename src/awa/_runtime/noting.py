"""Progress on its way to the database: the latest note of each attempt, many of them in one call.

Handlers set it without waiting, from any thread. It is sent every few seconds, when a handler wants
to know that it was, and before the attempt's end is settled, so that the next one finds what was
set last. Each note carries a number that grows: a call that comes late undoes no newer one.
"""

import logging
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

import trio

from awa._core.progress import Note, NoteAnswer
from awa._runtime.backoff import pause_s
from awa._runtime.chance import jitter
from awa._runtime.ledger import Held
from awa._runtime.limits import (
    BUSY_RETRY_MAX_S,
    BUSY_RETRY_MIN_S,
    NOTE_BYTES_MAX,
    NOTE_INTERVAL_S,
    NOTES_MAX,
)
from awa._runtime.reconnecting import ANSWERS, Session
from awa._storage.functions import Storage
from awa.errors import AwaError, InvalidInput

_log: Final = logging.getLogger("awa.worker")

Attempt: TypeAlias = tuple[Held, int]
"""The claims row of an attempt, and its number."""


class _Latest(NamedTuple):
    number: int
    text: bytes


class Notes:
    """What attempts of one incarnation of a worker have set and the database has not answered."""

    def __init__(self, *, worker: int, storage: Storage, session: Session) -> None:
        self._worker = worker
        self._storage = storage
        self._session = session
        self._waiting: dict[Attempt, _Latest] = {}
        self._over: set[Attempt] = set()
        """Somebody else has ended them, and they are still held here: whoever told, it is known."""
        self._refused: dict[Attempt, InvalidInput] = {}
        """Why the database does not have their latest note, which was dropped: for who asks."""
        self._turn = trio.Lock()
        """Who uses the session: it is one task's at a time."""

    def put(self, attempt: Attempt, number: int, text: bytes) -> None:
        """The latest of this attempt. From any thread."""
        self._waiting[attempt] = _Latest(number, text)
        self._refused.pop(attempt, None)

    def forget(self, held: Held, seqs: Iterable[int]) -> None:
        """These attempts are over here: nobody needs to know how far they were."""
        if self.has_any():
            for seq in seqs:
                self._waiting.pop((held, seq), None)
                self._over.discard((held, seq))
                self._refused.pop((held, seq), None)

    async def run(self) -> None:
        """Send what waits every few seconds, until cancelled."""
        try:
            while True:
                await trio.sleep(NOTE_INTERVAL_S)
                if self._waiting:
                    async with self._turn:
                        await self.flush(self._session, list(self._waiting))
        finally:
            await self._session.aclose()

    async def flush_now(self, attempt: Attempt) -> bool:
        """Return when the latest of this attempt is answered; whether the attempt has ended.

        Raises InvalidInput, with what the database says, where it has refused the latest.
        """
        async with self._turn:
            await self.flush(self._session, [attempt])
        if (refusal := self._refused.get(attempt)) is not None:
            raise refusal.with_traceback(None)
        return attempt in self._over

    async def flush(self, session: Session, attempts: Iterable[Attempt]) -> None:
        """Send what waits of these attempts until all is answered."""
        left = [attempt for attempt in attempts if attempt in self._waiting]
        tries = 0
        while left:
            part = self._within_bounds(left)
            busy = await self._send(session, part)
            left = [*busy, *left[len(part) :]]
            if busy:
                tries += 1
                await _pause(tries)

    async def flush_once(self, session: Session, attempts: Iterable[Attempt]) -> set[Attempt]:
        """Send what waits of these, whose ends come next; those that somebody else is busy with."""
        busy: set[Attempt] = set()
        ending = list(attempts)
        left = [attempt for attempt in ending if attempt in self._waiting]
        while left:
            part = self._within_bounds(left)
            busy.update(await self._send(session, part))
            left = left[len(part) :]
        self._over.difference_update(ending)
        for attempt in ending if self._refused else ():
            self._refused.pop(attempt, None)
        return busy

    def has_any(self) -> bool:
        """Whether an attempt's end has to wait for its note, or be told here."""
        return bool(self._waiting or self._over or self._refused)

    def _within_bounds(self, attempts: list[Attempt]) -> list[Attempt]:
        taken: list[Attempt] = []
        size = 0
        for attempt in attempts:
            latest = self._waiting.get(attempt)
            size += 0 if latest is None else len(latest.text)
            if (taken and size > NOTE_BYTES_MAX) or len(taken) == NOTES_MAX:
                break
            taken.append(attempt)
        return taken

    async def _send(self, session: Session, attempts: list[Attempt]) -> list[Attempt]:
        """Send what waits of these; those that somebody else is busy with."""
        sent = [(one, self._waiting[one]) for one in attempts if one in self._waiting]
        if not sent:
            return []
        notes = [
            Note(held.token, held.part, seq, latest.number, latest.text)
            for (held, seq), latest in sent
        ]
        try:
            answers = await session.ask(self._storage.note_progress(self._worker, notes))
        except ANSWERS as error:
            if len(sent) > 1:  # one of them spoils the call for its company
                return [one for attempt, _ in sent for one in await self._send(session, [attempt])]
            self._drop(*sent[0], error)
            return []
        busy: list[Attempt] = []
        for (attempt, latest), answer in zip(sent, answers, strict=True):
            if answer is NoteAnswer.BUSY:
                busy.append(attempt)
                continue
            if answer is NoteAnswer.STALE:
                self._over.add(attempt)
            if self._waiting.get(attempt) is latest:
                del self._waiting[attempt]
        return busy

    def _drop(self, attempt: Attempt, latest: _Latest, error: AwaError) -> None:
        """Let go of a note that is refused: progress must not hold up an outcome."""
        if self._waiting.get(attempt) is not latest:
            return  # there is a newer one, or another session was told of this one first
        held, seq = attempt
        what = "progress of attempt %d of claim %d of queue %s is dropped: %s"
        _log.error(what, seq, held.token, held.queue, error)
        if not isinstance(error, InvalidInput):
            error = InvalidInput("progress", str(error))
        self._refused[attempt] = error
        del self._waiting[attempt]


async def _pause(tries: int) -> None:
    await trio.sleep(
        pause_s(tries=tries, least_s=BUSY_RETRY_MIN_S, most_s=BUSY_RETRY_MAX_S, jitter=jitter())
    )
