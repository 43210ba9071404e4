"""The sessions of one incarnation of a worker: which way each goes, and what it says first."""

from dataclasses import dataclass
from typing import Final

from awa._runtime.listening import listen_calls
from awa._runtime.reconnecting import ANSWERS, Session
from awa._runtime.routes import Routes
from awa._runtime.settings import WorkerSettings
from awa._storage.functions import Storage

_WORKING: Final = ("claim", "note", "settle")
"""These sessions do the work; the others live long, or end before the work does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Makes sessions; none of them is connected before it is used."""

    worker: int
    routes: Routes
    settings: WorkerSettings
    storage: Storage

    def of(
        self,
        name: str,
        *,
        place: int = 0,
        pings: bool = False,
        listens: bool = False,
        final: tuple[type[Exception], ...] = ANSWERS,
    ) -> Session:
        """The session of this name, or one more. `pings`: it says something every few seconds."""
        settings = self.settings
        route = self.routes.work if name in _WORKING else self.routes.direct
        hello = [self.storage.hold_alive(self.worker)] if route.lasting else []
        if listens:
            hello += listen_calls(settings.schema)
        return Session(
            name=f"{name} {place + 1}" if place else name,
            conninfo=route.conninfo,
            hello=hello,
            settings=settings.pinging_settings() if pings else settings.session_settings(),
            lasting=route.lasting,
            final=final,
        )
