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


def _action(name: str, *fields: str, settles: bool = False) -> Action:
    return Action(name=name, module="Storage", fields=frozenset(fields), settles=settles)


ACTIONS: Final = {
    action.name: action
    for action in (
        _action("ensure_lane", "queue", "priority", "shard", "lane"),
        _action("enqueue", "entries"),
        _action("enqueue_many", "entries"),
        _action("worker_start", "worker", "answer"),
        _action("heartbeat", "worker", "beat", "upto", "open", "answer", "items", "entries"),
        _action("worker_stop", "worker", "answer"),
        _action("claim", "worker", "call", "token", "again", "rows", "lanes"),
        _action("complete", "worker", "settle", "items", settles=True),
        _action("release", "worker", "settle", "items", "entries", settles=True),
    )
}
"""Every action of this version, in the order of a job's life."""
