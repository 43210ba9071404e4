"""What works on locks that belong to the session: liveness, and sleeping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from awa._core.tuning import QueueOverrides
from awa._storage import codec
from awa._storage.calling import Calling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awa._storage.calls import Call, Rows


class Sessions(Calling):
    """A connection of its own is needed for these."""

    def hold_alive(self, worker: int) -> Call[None]:
        """This session bears witness that the worker lives, until it ends."""
        return self._call("hold_alive", "%s::bigint", (worker,), codec.nothing)

    def sleep_on(self, queues: Sequence[str], *, wait_ms: int) -> Call[frozenset[str]]:
        """Become the sleeper of these queues; answers those that had none. Held by the session."""
        return self._call("sleep_on", "%s::text[], %s::int", (list(queues), wait_ms), codec.names)

    def wake_up(self) -> Call[None]:
        """Stop being anybody's sleeper."""
        return self._call("wake_up", "", (), codec.nothing)

    def inflight(self, queues: Sequence[str]) -> Call[bool]:
        """Whether a producer's transaction is open in one of the lanes of these queues."""
        return self._call("inflight", "%s::text[]", (list(queues),), codec.scalar(bool))

    def overrides_of(self, queues: Sequence[str]) -> Call[dict[str, QueueOverrides]]:
        """What operators say of these queues; those they say nothing of are left out."""
        return self._call(
            "overrides_of",
            "%s::text[]",
            (list(queues),),
            _overrides,
            columns="queue, overrides::text",
        )

    def tell_leader(self) -> Call[None]:
        """Have the leader look at once: there is somebody new to look at."""
        return self._call("pass_on", "%s::text[]", ([""],), codec.nothing)

    def pass_on(self, queues: Sequence[str]) -> Call[None]:
        """Wake another worker for each of these queues: this one has no room."""
        return self._call("pass_on", "%s::text[]", (list(queues),), codec.nothing)


def _overrides(rows: Rows) -> dict[str, QueueOverrides]:
    return {queue: QueueOverrides.of(msgspec.json.decode(document)) for queue, document in rows}
