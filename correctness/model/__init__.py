"""The Python twin of spec/Storage.tla: one lane of the queue as a value, and a function per action.

A lane is a frozen `Lane`, a model's constants are a frozen `Scope`, `start(scope)` is Init. Each
action is a pure function named like the SQL function, `action(lane, scope, *arguments)` with the
arguments of the operator of Storage; the answer is the lane afterwards, or `Refused` with the
names of the guards that do not hold. The world's steps are `env_draw`, `env_rollback`,
`env_arrive`. Arguments are named tuples: entries to append are `New`, rows that jobs leave are
`Leaving` in an `Out` or a `More`, receipts with what is closed under them are `Item`.

`invariants(lane, scope)` and `step_properties(before, after, scope)` answer the names of broken
properties; `facts(lane)` is the derived state. `bounded.steps(lane, scope)` tries what the bounded
models of TLC try, and `graph` compares all that can be reached so with what TLC reaches.
"""

from collections.abc import Callable
from typing import Final

from correctness.model.calls import (
    claim,
    enqueue,
    enqueue_many,
    ensure_lane,
    worker_start,
    worker_stop,
)
from correctness.model.facts import Facts, Nowhere, facts
from correctness.model.noting import note_progress
from correctness.model.properties import (
    INVARIANTS,
    STEP_PROPERTIES,
    invariants,
    step_properties,
)
from correctness.model.ring import (
    env_arrive,
    env_draw,
    env_rollback,
    evacuate,
    prune,
    rotate,
)
from correctness.model.settles import (
    cancel_running,
    complete,
    fail,
    heartbeat,
    release,
    rescue_deadline,
    rescue_worker,
    retry,
    snooze,
)
from correctness.model.state import (
    FINISHED,
    STARTED,
    Carried,
    Closure,
    Entry,
    Ghost,
    Item,
    Key,
    Lane,
    Leaving,
    Letter,
    More,
    New,
    Note,
    Out,
    Part,
    Refused,
    Row,
    Said,
    Scope,
    Spoken,
    State,
    Taken,
    Wait,
    Want,
    start,
)
from correctness.model.waiting import (
    cancel_pending,
    dlq_move,
    dlq_purge,
    dlq_retry,
    promote,
    retire,
)

ACTIONS: Final[dict[str, Callable[..., Lane | Refused]]] = {
    action.__name__: action
    for action in (
        ensure_lane,
        enqueue,
        enqueue_many,
        worker_start,
        worker_stop,
        claim,
        complete,
        release,
        retry,
        snooze,
        fail,
        cancel_running,
        heartbeat,
        rescue_worker,
        rescue_deadline,
        note_progress,
        promote,
        cancel_pending,
        dlq_move,
        dlq_retry,
        dlq_purge,
        retire,
        rotate,
        prune,
        evacuate,
    )
}
"""Every action by its name."""
WORLD: Final[dict[str, Callable[..., Lane | Refused]]] = {
    step.__name__: step for step in (env_draw, env_rollback, env_arrive)
}
"""Every step of the world by its name."""

__all__ = [
    "ACTIONS",
    "FINISHED",
    "INVARIANTS",
    "STARTED",
    "STEP_PROPERTIES",
    "WORLD",
    "Carried",
    "Closure",
    "Entry",
    "Facts",
    "Ghost",
    "Item",
    "Key",
    "Lane",
    "Leaving",
    "Letter",
    "More",
    "New",
    "Note",
    "Nowhere",
    "Out",
    "Part",
    "Refused",
    "Row",
    "Said",
    "Scope",
    "Spoken",
    "State",
    "Taken",
    "Wait",
    "Want",
    "cancel_pending",
    "cancel_running",
    "claim",
    "complete",
    "dlq_move",
    "dlq_purge",
    "dlq_retry",
    "enqueue",
    "enqueue_many",
    "ensure_lane",
    "env_arrive",
    "env_draw",
    "env_rollback",
    "evacuate",
    "facts",
    "fail",
    "heartbeat",
    "invariants",
    "note_progress",
    "promote",
    "prune",
    "release",
    "rescue_deadline",
    "rescue_worker",
    "retire",
    "retry",
    "rotate",
    "snooze",
    "start",
    "step_properties",
    "worker_start",
    "worker_stop",
]
