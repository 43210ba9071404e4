"""What a worker says of itself when it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from awa._runtime.stalls import Stall
from awa._runtime.statistics import Statistics

if TYPE_CHECKING:
    from awa._runtime.incarnation import Incarnation


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHealth:
    """One queue of a worker: handlers allowed and running; jobs claimed and not started.

    Where queues share handlers `max_workers` is this queue's share just now.
    """

    max_workers: int
    running: int
    waiting: int
    left_behind: int
    """Handlers that were cancelled, did not end in time, and still run; their jobs went on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHealth:
    """One worker. Counts are since its start; `beat_age_s` is since the last answered beat."""

    state: str
    """starting, running or stopping."""
    role: str
    """all; dispatch: it never leads; maintenance: it only leads, and runs no job."""
    listening: bool
    """False: the worker polls, because it cannot be woken just now."""
    poll_only: bool
    """It never can be: it goes through a pooler in transaction mode."""
    beat_age_s: float
    claim_age_s: float | None
    """Since the last claim was answered; None before the first. A sleeping worker claims seldom."""
    settle_age_s: float | None
    """Since outcomes became durable last; None before the first."""
    listener_age_s: float | None
    """Since the server last said anything to the listener; None without a listener."""
    loop_lag_s: float
    """By how much the event loop was late when it was last looked."""
    troubles: Mapping[str, str]
    """What the connections of this name failed with last, as long as they do."""
    stalls: tuple[Stall, ...]
    """What makes no progress, with where it stands."""
    leading: bool
    """Whether it promotes, rescues and retires for all workers."""
    queues: Mapping[str, QueueHealth]
    unsettled: int
    """Outcomes that wait to be sent."""
    unknown_kinds: tuple[str, ...]
    """Kinds that were claimed here and have no handler: no capable worker."""
    claimed: int
    completed: int
    retried: int
    snoozed: int
    cancelled: int
    released: int
    failed: int
    """Jobs that ended as failed here."""
    dead_lettered: int
    """The same, where the queue keeps its failures as dead letters."""
    failures: int
    """Attempts whose handler failed, whatever became of their jobs."""
    late: int
    """Outcomes of attempts that somebody else had ended before."""
    ended_elsewhere: int
    """Attempts that were cancelled here because somebody else had ended them."""
    dropped_events: int
    """Events that hooks were not told, because they were too far behind."""

    @classmethod
    def of(
        cls, life: "Incarnation | None", counts: Statistics, *, role: str, stopping: bool
    ) -> "WorkerHealth":
        """The health of a worker in this life; None between two lives and before the first."""
        return cls(
            state="stopping" if stopping else "starting" if life is None else "running",
            role=role,
            listening=life is not None and life.listener.is_up and not life.poll_only,
            poll_only=life is not None and life.poll_only,
            beat_age_s=0.0 if life is None else trio.current_time() - life.heart.beat_s,
            claim_age_s=None if life is None else _age_s(life.hands.claims[0].answered_s),
            settle_age_s=None if life is None else _age_s(life.hands.settles.answered_s),
            listener_age_s=_listener_age_s(life),
            loop_lag_s=0.0 if life is None else life.watchdog.loop_lag_s,
            troubles={} if life is None else _troubles(life),
            stalls=() if life is None else life.watchdog.stalls,
            leading=life is not None and life.leads,
            queues={} if life is None else _queues(life),
            unsettled=0 if life is None else life.hands.settler.unsettled(),
            unknown_kinds=counts.unknown.kinds(),
            claimed=counts.claimed,
            completed=counts.completed,
            retried=counts.retried,
            snoozed=counts.snoozed,
            cancelled=counts.cancelled,
            released=counts.released,
            failed=counts.failed,
            dead_lettered=counts.dead_lettered,
            failures=counts.failures,
            late=counts.late_outcomes,
            ended_elsewhere=counts.ended_elsewhere,
            dropped_events=counts.dropped_events,
        )


def not_ready(worker: WorkerHealth) -> list[str]:
    """Why a worker does not do its work just now, in words."""
    problems = [f"{stall.what}: {stall.why}" for stall in worker.stalls]
    problems += [f"{name}: {trouble}" for name, trouble in worker.troubles.items()]
    if worker.state != "running":
        problems.append(f"the worker is {worker.state}")
    elif not worker.listening and not worker.poll_only:
        problems.append("there is no listener: the worker polls")
    return problems


def not_alive(worker: WorkerHealth) -> list[str]:
    """What a new process may cure, in words."""
    return [f"{stall.what}: {stall.why}" for stall in worker.stalls if stall.curable]


def _age_s(moment_s: float | None) -> float | None:
    return None if moment_s is None else trio.current_time() - moment_s


def _listener_age_s(life: "Incarnation | None") -> float | None:
    return None if life is None or not life.listener.is_up else _age_s(life.listener.sign_s)


def _troubles(life: "Incarnation") -> dict[str, str]:
    found = {
        **{session.name: session.trouble for session in life.hands.claims},
        "settle": life.hands.settles.trouble,
        "listen": life.listener.trouble,
        "beat": life.heart.trouble,
    }
    return {name: trouble for name, trouble in found.items() if trouble}


def _queues(life: "Incarnation") -> dict[str, QueueHealth]:
    return {
        name: QueueHealth(
            max_workers=queue.permits.workers,
            running=queue.jobs_running(),
            waiting=queue.jobs_waiting(),
            left_behind=queue.all_left_behind(),
        )
        for name, queue in life.hands.queues.items()
    }
