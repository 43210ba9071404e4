"""A follower observes: it looks at all workers and at the leader's lock, over its listener.

Every worker that may lead does so, because only who has been looking on for a while can tell a
worker that died from one that comes back after a restart. Whoever finds the lock free tries to
lead. Followers share the looks: the more there are, the more seldom each of them looks.
"""

import logging
from collections.abc import Callable
from typing import Final

import trio

from awa._core.watching import Watch, look, look_again_s, somebody_is_absent
from awa._runtime.backoff import pause_s
from awa._runtime.chance import jitter
from awa._runtime.limits import LOOK_SHARE_S, RECONNECT_MAX_S, RECONNECT_MIN_S
from awa._runtime.listening import Deaf, Listener
from awa._runtime.settings import WorkerSettings
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")


class Observer:
    """Looks over the listener's connection; what it saw ends with that connection."""

    def __init__(
        self,
        *,
        listener: Listener,
        storage: Storage,
        settings: WorkerSettings,
        is_blind: Callable[[], bool],
    ) -> None:
        self._listener = listener
        self._is_blind = is_blind
        self._storage = storage
        self._patience = settings.patience()
        self._settings = settings
        self._watch = Watch()
        self._session = 0
        self._workers = 0
        self.saw_a_leader = False
        """Whether somebody led at the last look."""

    async def until_free(self) -> None:
        """Look on, and return when nobody leads."""
        # A worker that starts is not deaf: it has not tried to listen yet. Jobs wait for a leader.
        await self._listener.began.wait()
        failures = 0
        while True:
            try:
                if not await self.look():
                    return
            except Deaf:
                # When the server is back all listeners are: they must not all look, and try to
                # lead, at once.
                turn_s = 0.0 if self._settings.hurries else jitter() * self._pause_s()
                pause = max(RECONNECT_MIN_S, turn_s)
            except Exception as error:  # noqa: BLE001  # whatever it is, it goes on looking
                failures += 1
                pause = pause_s(
                    tries=failures,
                    least_s=self._settings.look_s(calm=False),
                    most_s=RECONNECT_MAX_S,
                    jitter=jitter(),
                )
                _log.warning("observer: a look failed, next in %.1f s: %s", pause, error)
            else:
                failures = 0
                pause = self._pause_s()
            await trio.sleep(pause)

    async def look(self) -> bool:
        """Look once; whether somebody leads. Raises Deaf, and what the call raises."""
        asked_s = trio.current_time()
        session = self._listener.sessions
        workers, is_led = await self._listener.ask(self._storage.look_on(), optional=True)
        self.saw_a_leader = is_led
        if session != self._session:
            # Whatever was seen before, was seen in another session.
            self._session, self._watch = session, Watch()
        if session != self._listener.sessions or self._is_blind():
            # Which session it was that looked is not known, or no beat was taken meanwhile.
            self._watch = Watch()
            return is_led
        self._workers = len(workers)
        self._watch = look(
            self._watch,
            workers,
            asked_s=asked_s,
            answered_s=trio.current_time(),
            patience=self._patience,
        )
        return is_led

    async def bequeath(self) -> Watch:
        """What was seen, for a session that has begun before this call and lasts.

        A last look shows that this session is still the one in which it was seen: so there was no
        moment without one of the two.
        """
        try:
            await self.look()
        except Exception as error:  # noqa: BLE001  # a leader that saw nothing yet can lead as well
            _log.info("what this worker saw as a follower is not taken over: %s", error)
            return Watch()
        return self._watch

    def _pause_s(self) -> float:
        least_s = self._settings.look_s(calm=not somebody_is_absent(self._watch))
        return look_again_s(self._workers, least_s=least_s, share_s=LOOK_SHARE_S)
