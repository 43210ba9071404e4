"""What does not get on: judged from facts that the worker's parts note as they work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from awa._runtime import stacks
from awa._runtime.limits import STALLED_HANDLERS_MAX

if TYPE_CHECKING:
    from awa._runtime.reconnecting import Session
    from awa._runtime.running import QueueRun
    from awa._runtime.settings import WorkerSettings
    from awa._runtime.turns import BatchTurn, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Something that has made no progress for longer than it should need."""

    what: str
    """`claim`, `settle`, `beat`, or `queue NAME`."""
    seconds: float
    why: str
    """What is known of it, in words."""
    curable: bool
    """Whether a new process may help. It does not against trouble with the database, and would
    lose the outcomes that this one holds."""
    stacks: Mapping[str, tuple[str, ...]]
    """Where the tasks and threads concerned stand, the innermost frame last."""


def of_worker(
    settings: "WorkerSettings",
    *,
    sessions: "Iterable[Session]",
    queues: "Iterable[QueueRun]",
    beat_s: float,
    trouble: str,
) -> list[Stall]:
    """All that makes no progress in a worker now; `trouble` is that of its beats."""
    now_s = trio.current_time()
    found = [of_session(one, now_s=now_s, stall_s=settings.stall_s) for one in sessions]
    found.append(of_beats(age_s=now_s - beat_s, stall_s=settings.stall_s, trouble=trouble))
    found += [
        of_queue(
            queue,
            now_s=now_s,
            busy_s=settings.busy_stall_s,
            patience_s=settings.handler_stall_s,
        )
        for queue in queues
    ]
    return [stall for stall in found if stall is not None]


def of_session(session: "Session", *, now_s: float, stall_s: float) -> Stall | None:
    """A call that has not been answered for so long, over however many connections."""
    seconds = now_s - session.asked_s
    if seconds < stall_s:
        return None
    task = session.task
    return Stall(
        what=session.name,
        seconds=seconds,
        why=session.trouble or "a call is not answered",
        curable=not session.trouble,
        stacks={} if task is None else {task.name: stacks.of_task(task)},
    )


def of_queue(
    queue: "QueueRun", *, now_s: float, busy_s: float, patience_s: float | None
) -> Stall | None:
    """Handlers that hold every permit of a queue, none of which has ended for so long.

    It counts as curable when that has lasted for `patience_s`, if that is given, and no deadline
    will end it; or when so many handlers were left behind that nothing is claimed any more.
    """
    if queue.is_stuck():
        why = "handlers that did not end when they were cancelled still run: nothing is claimed"
        return _stall_of(queue, [], seconds=0.0, why=why, curable=True)
    turns = queue.busy()
    began = queue.began_s()
    if not began or len(began) < queue.permits.workers:
        return None
    seconds = now_s - max(began)
    if seconds < min(busy_s, busy_s if patience_s is None else patience_s):
        return None
    endless = all(turn.scope.deadline == float("inf") for turn in turns)
    why = f"all {len(began)} handlers are busy, and none has ended"
    curable = patience_s is not None and endless and seconds >= patience_s
    return _stall_of(queue, turns, seconds=seconds, why=why, curable=curable)


def _stall_of(
    queue: "QueueRun", turns: "list[Turn | BatchTurn]", *, seconds: float, why: str, curable: bool
) -> Stall:
    shown = turns[:STALLED_HANDLERS_MAX]
    return Stall(
        what=f"queue {queue.name}",
        seconds=seconds,
        why=why,
        curable=curable,
        stacks={_name(turn): _where(queue, turn) for turn in shown},
    )


def _name(turn: "Turn | BatchTurn") -> str:
    job = turn.job
    return "" if job is None else f"job {job.id} attempt {job.attempt} ({job.kind})"


def _where(queue: "QueueRun", turn: "Turn | BatchTurn") -> tuple[str, ...]:
    ident = queue.threads.idents.get(id(turn.subject))
    if ident is not None:
        return stacks.of_thread(ident)
    return () if turn.task is None else stacks.of_task(turn.task)


def standing(queue: "QueueRun", turn: "Turn | BatchTurn") -> str:
    """What a handler runs and where it stands, in a line."""
    return f"{_name(turn)}, which stands at {' > '.join(_where(queue, turn)) or 'no known place'}"


def of_beats(*, age_s: float, stall_s: float, trouble: str) -> Stall | None:
    """Beats that were not answered: soon others presume the worker dead."""
    if age_s < stall_s:
        return None
    why = trouble or "no heartbeat was answered"
    return Stall(what="beat", seconds=age_s, why=why, curable=False, stacks={})
