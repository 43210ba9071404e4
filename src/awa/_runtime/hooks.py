"""Hooks: functions of users that are told what became of jobs, after it is durable.

They run beside everything else. A slow or failing one changes nothing for any job: what is more
than a bounded number of events behind is dropped, counted and said.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, cast

import msgspec
import trio

from awa import hooks
from awa._core.entries import Answer, Body, Settlement
from awa._core.rescues import RescuedAttempt
from awa._runtime.handlers import Handlers, is_async
from awa._runtime.ledger import Held
from awa._runtime.limits import HOOK_EVENTS_MAX, HOOKS_TOLD_S
from awa._runtime.outbox import Action, Detail, Parcel
from awa._runtime.statistics import Statistics
from awa.batch import JobBatch
from awa.handler import Job

_log: Final = logging.getLogger("awa.hooks")

Hook: TypeAlias = Callable[[Any], Any]
"""Of an event; async ones run on trio, others in a thread."""
Run: TypeAlias = Callable[[Any], Awaitable[Any]]


class Audience(Protocol):
    """Who hears of what a leader rescues."""

    @property
    def kinds(self) -> Sequence[str]:
        """Of jobs of these kinds."""

    def rescued(self, attempts: Sequence[RescuedAttempt], why: str) -> None:
        """These were ended, and it is durable."""


class _Nobody:
    kinds = ()

    def rescued(self, attempts: Sequence[RescuedAttempt], why: str) -> None:
        pass


NOBODY: Final[Audience] = _Nobody()


class _Said(msgspec.Struct):
    """The part of a stored failure that an event carries."""

    error: str = ""
    type: str = ""


_SAID: Final = msgspec.json.Decoder(_Said)


class _Attempt:
    """What is known of an attempt until its outcome is durable."""

    __slots__ = ("args", "began_s", "body", "duration_s")

    def __init__(self, body: Body, args: Any, began_s: float) -> None:
        self.body = body
        self.args = args
        self.began_s = began_s
        self.duration_s = 0.0


class Hooks:
    """The hooks of one worker. Attempts are noted only for kinds that have some."""

    def __init__(self, handlers: Handlers, statistics: Statistics) -> None:
        self._by_kind: Mapping[str, Sequence[Hook]] = handlers.hooks_by_kind()
        self._handlers = handlers
        self.kinds: Final = tuple(self._by_kind)
        self._statistics = statistics
        self._attempts: dict[Held, dict[int, _Attempt]] = {}
        self._queues: dict[str, trio.MemorySendChannel[hooks.JobEvent]] = {}
        self._told_s = float("-inf")
        self._running = 0
        self._idle = trio.Event()

    # Their tasks ---------------------------------------------------------------------------------

    def start(self, nursery: trio.Nursery) -> None:
        """One task for each kind: its events in order, and no kind waits for another's hooks."""
        for kind, functions in self._by_kind.items():
            send, receive = trio.open_memory_channel[hooks.JobEvent](HOOK_EVENTS_MAX)
            self._queues[kind] = send
            self._running += 1
            nursery.start_soon(self._run, functions, receive)

    async def drain(self, until_s: float) -> None:
        """Run what waits, until that time of trio's clock; no event comes any more."""
        waiting = list(self._queues.values())
        for send in waiting:
            send.close()
        with trio.CancelScope(deadline=until_s):
            await self._idle.wait()
        if left := sum(send.statistics().current_buffer_used for send in waiting):
            self._statistics.dropped_events += left
            _log.error("%d events were not told to hooks before the worker's end", left)

    async def _run(
        self, functions: Sequence[Hook], events: trio.MemoryReceiveChannel[hooks.JobEvent]
    ) -> None:
        async for event in events:
            for function in functions:
                await _call(function, event)
        self._running -= 1
        if not self._running:
            self._idle.set()

    def _tell(self, kind: str, event: hooks.JobEvent) -> None:
        try:
            self._queues[kind].send_nowait(event)
        except trio.WouldBlock:
            self._dropped(kind)

    def _dropped(self, kind: str) -> None:
        self._statistics.dropped_events += 1
        now_s = trio.current_time()
        if now_s >= self._told_s + HOOKS_TOLD_S:
            self._told_s = now_s
            _log.error(
                "hooks of kind %r are %d events behind; %d events were dropped so far",
                kind,
                HOOK_EVENTS_MAX,
                self._statistics.dropped_events,
            )

    # What the runners say ------------------------------------------------------------------------

    def around(self, kind: str, inner: Run) -> Run:
        """Note the attempts of a kind that has hooks; of others nothing."""
        if kind not in self._by_kind:
            return inner

        async def run(subject: Any) -> Any:
            items = _items(subject)
            for held, body, args in items:
                attempt = self._note(held, body, args)
                self._tell(kind, hooks.Started(**_name(held, attempt)))
            try:
                return await inner(subject)
            finally:
                for held, body, _ in items:
                    self._ended(held, body.seq)

        return run

    def unread(self, held: Held, body: Body) -> None:
        """Its arguments could not be read, so no handler runs."""
        if body.kind in self._by_kind:
            self._note(held, body, None)

    def _ended(self, held: Held, seq: int) -> None:
        attempt = self._attempts.get(held, {}).get(seq)
        if attempt is not None:
            attempt.duration_s = trio.current_time() - attempt.began_s

    def _note(self, held: Held, body: Body, args: Any) -> _Attempt:
        attempt = _Attempt(body, args, trio.current_time())
        self._attempts.setdefault(held, {})[body.seq] = attempt
        return attempt

    # What the settler says, once it is durable ---------------------------------------------------

    def settled(self, action: Action, parcel: Parcel, settlement: Settlement) -> None:
        """The database answered for these."""
        noted = self._attempts.get(parcel.held)
        if noted is None:
            return
        details = {detail.seq: detail for detail in parcel.details}
        for seq in settlement.seqs:
            attempt = noted.pop(seq, None)
            if attempt is None:
                continue
            detail = details.get(seq)
            event = _event_of(action, settlement.answer, attempt, parcel, detail)
            if event is not None:
                self._tell(attempt.body.kind, event)
        if not noted:
            del self._attempts[parcel.held]

    def completed_itself(self, held: Held, seq: int) -> None:
        """The handler's own transaction completed the job."""
        attempt = self._pop(held, seq)
        if attempt is not None:
            duration_s = trio.current_time() - attempt.began_s
            event = hooks.Completed(**_name(held, attempt), duration_s=duration_s)
            self._tell(attempt.body.kind, event)

    def was_ended(self, held: Held, body: Body, why: str) -> None:
        """Somebody else ended the attempt."""
        attempt = self._pop(held, body.seq)
        if attempt is None:
            return
        if why == "cancelled":
            self._tell(body.kind, hooks.Cancelled(**_name(held, attempt), reason=None))
        elif why in {"expired", "lost"}:
            self._tell(body.kind, hooks.Rescued(**_name(held, attempt), why=why))

    def rescued(self, attempts: Sequence[RescuedAttempt], why: str) -> None:
        """This worker leads, and has ended these for others. Its own it hears of by itself."""
        if not attempts:
            return
        own = {
            (attempt.body.job_id, attempt.body.run_lease)
            for noted in self._attempts.values()
            for attempt in noted.values()
        }
        for one in attempts:
            if (one.job_id, one.run_lease) not in own:
                self._tell(one.kind, self._rescue_of(one, why))

    def _rescue_of(self, one: RescuedAttempt, why: str) -> hooks.Rescued:
        try:
            args = self._handlers.by_kind[one.kind].decode(one.args)
        except Exception:  # noqa: BLE001  # a type's own hooks may raise anything
            args = None
        return hooks.Rescued(**{**one._asdict(), "args": args}, why=why)

    def forget(self) -> None:
        """The worker starts anew: nothing that it held is its own any more."""
        self._attempts.clear()

    def _pop(self, held: Held, seq: int) -> _Attempt | None:
        noted = self._attempts.get(held, {})
        attempt = noted.pop(seq, None)
        if attempt is not None and not noted:
            del self._attempts[held]
        return attempt


def _items(subject: Job[Any] | JobBatch[Any]) -> list[tuple[Held, Body, Any]]:
    # In its worker a job's place is its claims row; this is the runner's side of it.
    if isinstance(subject, JobBatch):
        places, bodies = subject._places, subject._bodies  # noqa: SLF001
        return list(zip(cast("Sequence[Held]", places), bodies, subject.args, strict=True))
    return [(cast("Held", subject._place), subject._body, subject.args)]  # noqa: SLF001


async def _call(function: Hook, event: hooks.JobEvent) -> None:
    try:
        if is_async(function):
            await function(event)
        else:
            await trio.to_thread.run_sync(function, event, abandon_on_cancel=True)
    except (trio.Cancelled, KeyboardInterrupt):
        raise
    except BaseException:  # noqa: BLE001  # a failing hook changes nothing
        name = getattr(function, "__qualname__", repr(function))
        _log.exception("the hook %s failed for %s of job %d", name, _what(event), event.job_id)


def _what(event: hooks.JobEvent) -> str:
    return type(event).__name__


def _name(held: Held, attempt: _Attempt) -> dict[str, Any]:
    body = attempt.body
    return {
        "job_id": body.job_id,
        "kind": body.kind,
        "queue": held.queue,
        "attempt": body.attempt,
        "run_lease": body.run_lease,
        "args": attempt.args,
    }


def _event_of(
    action: Action, answer: Answer, attempt: _Attempt, parcel: Parcel, detail: Detail | None
) -> hooks.JobEvent | None:
    """What happened; None for what is no event: given back, or ended by somebody else before."""
    if answer in {Answer.STALE, Answer.ENDED} or action is Action.RELEASE:
        return None
    name = _name(parcel.held, attempt)
    match action, parcel.shared:
        case Action.COMPLETE, _:
            return hooks.Completed(**name, duration_s=attempt.duration_s)
        case Action.SNOOZE, int() | float() as delay_s:
            return hooks.Snoozed(**name, delay_s=delay_s)
        case Action.CANCEL, str() | None as reason:
            return hooks.Cancelled(**name, reason=reason)
    said = _Said() if detail is None else _SAID.decode(detail.text)
    if action is Action.RETRY and answer not in {Answer.FAILED, Answer.DEAD_LETTERED}:
        wait_s = None if detail is None else detail.delay_s
        return hooks.Retried(**name, error=said.error, error_type=said.type, delay_s=wait_s)
    return hooks.Exhausted(
        **name,
        error=said.error,
        error_type=said.type,
        dead_lettered=answer is Answer.DEAD_LETTERED,
    )
