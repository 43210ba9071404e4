"""The flags of a worker that sleeps, as the database keeps them: put up, given up, passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awa._runtime.limits import SLEEP_LOCK_WAIT_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awa._runtime.listening import Listener
    from awa._runtime.signals import Signals
    from awa._runtime.sleeping import FlagsWanted, Sleeping
    from awa._storage.functions import Storage


class Flags:
    """Posts to the listener's session, which is the one that holds them."""

    def __init__(self, *, storage: Storage, sleeping: Sleeping, changed: Signals) -> None:
        self._storage = storage
        self._sleeping = sleeping
        self._changed = changed
        self.listener: Listener | None = None

    def put_up(self, wanted: FlagsWanted) -> None:
        """Put these up, and then test for producers in flight."""
        calls: list[Any] = []
        if wanted.raised:
            calls.append(self._storage.sleep_on(wanted.raised, wait_ms=SLEEP_LOCK_WAIT_MS))
        calls.append(self._storage.inflight(wanted.tested))

        def answered(answers: list[Any] | BaseException) -> None:
            # Without an answer the listener is down, which the sleeping knows already.
            if isinstance(answers, list):
                got = answers[0] if wanted.raised else ()
                self._sleeping.flags_answered(asked=wanted.tested, got=got, in_flight=answers[-1])
            self._changed.set()

        self._post(calls, answered)

    def drop(self) -> None:
        """Give up all of them."""
        self._post([self._storage.wake_up()], _nothing)

    def hand_over(self, names: Sequence[str]) -> None:
        """There is no room for jobs of these queues: another worker shall be woken for them."""
        handover = self._sleeping.without_permits(names)
        calls = [self._storage.wake_up()] if handover.drop_flags else []
        if handover.pass_on:
            calls.append(self._storage.pass_on(handover.pass_on))
        if calls:
            self._post(calls, _nothing)

    def _post(self, calls: Sequence[Any], then: Any) -> None:
        if self.listener is not None:
            self.listener.post(calls, then)


def _nothing(_answers: list[Any] | BaseException) -> None:
    """A flag that could not be given up is gone with its connection."""
