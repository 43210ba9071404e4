"""What one incarnation of a worker is given, and the parts it is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from awa._runtime.claiming import Claimer
from awa._runtime.equipment import Equipment
from awa._runtime.heartbeat import Heart
from awa._runtime.overstaying import OnStay
from awa._runtime.own_transactions import OwnTransactions, Transact
from awa._runtime.reporting import Reporter
from awa._runtime.routes import Routes
from awa._runtime.running import QueueRun
from awa._runtime.sessions import Sessions
from awa._runtime.settings import WorkerSettings
from awa._runtime.settling import Settler
from awa._runtime.statistics import Statistics
from awa._runtime.tuning import Tuner
from awa._storage.functions import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What an incarnation begins with. `worker` is its number; the rest outlives it."""

    worker: int
    routes: Routes
    settings: WorkerSettings
    storage: Storage
    equipment: Equipment
    statistics: Statistics
    tuner: Tuner
    on_stay: OnStay
    transact: Transact | None = None

    def sessions(self) -> Sessions:
        """Its way to the database."""
        return Sessions(
            worker=self.worker, routes=self.routes, settings=self.settings, storage=self.storage
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an incarnation is made of; one that is watched is made of others."""

    settler: Callable[..., Settler] = Settler
    reporter: Callable[..., Reporter] = Reporter
    claimer: Callable[..., Claimer] = Claimer
    heart: Callable[..., Heart] = Heart
    queue_run: Callable[..., QueueRun] = QueueRun
    desk: Callable[..., OwnTransactions] = OwnTransactions


PLAIN: Final = Parts()
