"""The vocabulary: one name for a TLA+ action, an SQL function, a storage method and an event.

Tests and generators read this registry; nothing at run time decides by it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One atomic step of the storage protocol."""

    name: str
    """Of the SQL function, the storage method and the event (field `a`)."""

    module: str
    """The specification that models it."""

    fields: frozenset[str]
    """Of its event, `a` aside."""

    settles: bool = False
    """Whether it ends attempts, and answers per item."""

    @property
    def operator(self) -> str:
        """The name of the TLA+ operator: the same words in CamelCase."""
        return "".join(word.capitalize() for word in self.name.split("_"))


_LEAVINGS: Final = ("entries", "deferred", "finals", "dead")
"""What closed attempts became: each event that closes some carries all four."""
_STORED: Final = ("entries", "deferred", "replaced", "finals")


def _action(name: str, *fields: str) -> Action:
    return Action(name=name, module="Storage", fields=frozenset(fields))


def _settle(name: str) -> Action:
    fields = frozenset({"worker", "settle", "items", *_LEAVINGS})
    return Action(name=name, module="Storage", fields=fields, settles=True)


ACTIONS: Final = {
    action.name: action
    for action in (
        # Producers.
        _action("ensure_lane", "queue", "priority", "shard", "lane"),
        _action("enqueue", *_STORED),
        _action("enqueue_many", *_STORED),
        # Workers.
        _action("worker_start", "worker", "answer"),
        _action("heartbeat", "worker", "beat", "upto", "open", "answer", "items", *_LEAVINGS),
        _action("worker_stop", "worker", "answer"),
        _action("claim", "worker", "call", "token", "again", "rows", "lanes"),
        _settle("complete"),
        _settle("release"),
        _settle("retry"),
        _settle("snooze"),
        _settle("fail"),
        _settle("cancel_running"),
        _action("note_progress", "worker", "notes"),
        # Operators.
        _action("cancel_pending", "settle", "withdrawn", "undeferred", "finals"),
        _action("dlq_move", "settle", "jobs", "dead"),
        _action("dlq_retry", "settle", "jobs", "entries", "deferred", "said"),
        _action("dlq_purge", "settle", "jobs"),
        # The leader.
        _action("promote", "entries"),
        _action("rescue_worker", "worker", "beat", "answer", "items", *_LEAVINGS),
        _action("rescue_deadline", "items", *_LEAVINGS),
        _action("retire", "finals", "dead"),
        _action("rotate", "answer", "from", "slot"),
        _action("prune", "slot", "answer", "floors", "entries"),
        _action("evacuate", "from", "slot", "moved", "rows"),
    )
}
"""Every action of this version, by who takes it."""


_SEEN: Final = ("schedule", "version", "at", "dealt", "paused", "rule", "policy")
"""A schedule as it is after the action, and the database's time then."""


def _cron(name: str, *fields: str) -> Action:
    return Action(name=name, module="Cron", fields=frozenset(fields))


CRON_ACTIONS: Final = {
    action.name: action
    for action in (
        _cron("put_schedule", *_SEEN, "answer"),
        _cron("declare_schedules"),
        _cron("delete_schedule", "schedule"),
        _cron("pause_schedule", *_SEEN),
        _cron("resume_schedule", *_SEEN),
        _cron("trigger_schedule", *_SEEN, "answer", "job"),
        _cron("fire", *_SEEN, "answer", "seen", "passed", "due", "stored"),
    )
}
"""What is done with schedules. A declaration's events are those of what it puts and deletes."""
