"""What claims, runs and settles for one incarnation of a worker, and what these share."""

from typing import TYPE_CHECKING, Final

import trio

from awa._runtime.claiming import Claimer
from awa._runtime.clock import ServerClock
from awa._runtime.flags import Flags
from awa._runtime.ledger import Ledger
from awa._runtime.noting import Notes
from awa._runtime.own_transactions import OwnTransactions
from awa._runtime.parts import Given, Parts
from awa._runtime.permits import Permits
from awa._runtime.sessions import Sessions
from awa._runtime.settling import Settler
from awa._runtime.signals import Signals
from awa._runtime.sleeping import Sleeping
from awa.errors import UnknownWorker

if TYPE_CHECKING:
    from awa._runtime.running import QueueRun


class Hands:
    """See the module. They decide nothing about when to begin and when to end."""

    def __init__(self, given: Given, sessions: Sessions, parts: Parts) -> None:
        self._given: Final = given
        self._parts: Final = parts
        claimers = given.settings.claimers
        self._changed: Final = Signals(claimers)
        self.ledger: Final = Ledger()
        self.clock: Final = ServerClock()
        self.permits: Final = {name: Permits(workers=0) for name, _ in given.settings.queues}
        given.tuner.begin(self.permits)
        self.queues: Final[dict[str, QueueRun]] = {}
        # Nothing in a claim is a user's: whatever else is said of it, it is asked again.
        self.claims: Final = [
            sessions.of("claim", place=place, final=(UnknownWorker,)) for place in range(claimers)
        ]
        self.settles: Final = sessions.of("settle")
        self.notes: Final = Notes(
            worker=given.worker, storage=given.storage, session=sessions.of("note")
        )
        self.settler: Final = self._settler()
        self.desk: Final = self._desk()
        self.reporter: Final = parts.reporter(self.settler, given.statistics)
        self._sleeping: Final = Sleeping.of(self.permits, poll_s=given.settings.poll_s)
        self.flags: Final = Flags(
            storage=given.storage, sleeping=self._sleeping, changed=self._changed
        )
        self.claimer: Final = self._claimer()

    def start(self, running: trio.Nursery) -> None:
        """Be there for jobs of every queue; their handlers run in this nursery."""
        for name, permits in self.permits.items():
            self.queues[name] = self._parts.queue_run(
                name=name,
                permits=permits,
                equipment=self._given.equipment,
                desk=self.desk,
                settler=self.settler,
                reporter=self.reporter,
                nursery=running,
                grace_s=self._given.settings.grace_s,
            )

    def rest(self) -> None:
        """Take nothing more: others are woken instead, and runners end with what they have."""
        self.claimer.rest()
        for queue in self.queues.values():
            queue.close()

    def _settler(self) -> Settler:
        return self._parts.settler(
            worker=self._given.worker,
            storage=self._given.storage,
            session=self.settles,
            notes=self.notes,
            ledger=self.ledger,
            permits=self.permits,
            statistics=self._given.statistics,
            changed=self._changed,
            hooks=self._given.equipment.hooks,
        )

    def _desk(self) -> OwnTransactions:
        return self._parts.desk(
            worker=self._given.worker,
            storage=self._given.storage,
            conninfo=self._given.routes.work.conninfo,
            settings=self._given.settings,
            transact=self._given.transact,
            notes=self.notes,
        )

    def _claimer(self) -> Claimer:
        return self._parts.claimer(
            worker=self._given.worker,
            storage=self._given.storage,
            sessions=self.claims,
            ledger=self.ledger,
            queues=self.queues,
            settler=self.settler,
            clock=self.clock,
            sleeping=self._sleeping,
            flags=self.flags,
            tuner=self._given.tuner,
            statistics=self._given.statistics,
            changed=self._changed,
            jobs_max=self._given.settings.jobs_max,
        )
