"""What this worker holds: its claim calls, their claims rows, and how many outcomes are missing.

A call is *open* from the moment its number is given out until its reply is known and every outcome
of it is durable. Every beat names the open calls: what it does not name is released as a loss, so a
call must be noted here before it is sent, and leave only when nothing of it can be open any more.
"""

from dataclasses import dataclass, field
from datetime import datetime

from awa._core.ranges import Ranges
from awa._core.resources import NOTHING, State

UNANSWERED = -1


class Held:
    """One claims row: jobs taken in one go from one lane and slot, and what they share."""

    __slots__ = (
        "call",
        "deadline",
        "deadline_s",
        "missing",
        "part",
        "priority",
        "queue",
        "slot",
        "state",
        "taken_s",
        "token",
    )

    def __init__(
        self,
        *,
        queue: str,
        priority: int,
        call: int,
        token: int,
        slot: int,
        part: int,
        deadline_s: float,
        taken_s: float,
        jobs: int,
        deadline: datetime | None = None,
    ) -> None:
        self.queue = queue
        self.priority = priority
        self.call = call
        self.token = token
        self.slot = slot
        self.part = part
        self.deadline = deadline
        """When the database ends its attempts, by its clock; None when it never does."""
        self.deadline_s = deadline_s
        """The same by trio's clock; infinite without a deadline."""
        self.taken_s = taken_s
        self.state: State = NOTHING
        """What its worker has opened for handlers."""
        self.missing = jobs
        """Outcomes that are not durable yet."""


@dataclass(slots=True)
class Ledger:
    """The claim calls of one incarnation of a worker."""

    last_call: int = 0
    """The number of the last call given out; 0 before the first."""
    _open: dict[int, int] = field(default_factory=dict)

    def start_call(self) -> int:
        """Number the next claim call and note it as unanswered."""
        self.last_call += 1
        self._open[self.last_call] = UNANSWERED
        return self.last_call

    def answered(self, call: int, *, jobs: int) -> None:
        """The reply to this call is known: it took so many jobs."""
        assert self._open[call] == UNANSWERED
        if jobs:
            self._open[call] = jobs
        else:
            del self._open[call]

    def durable(self, held: Held, jobs: int) -> None:
        """So many outcomes of this claims row are durable."""
        assert 0 <= jobs <= held.missing
        held.missing -= jobs
        left = self._open[held.call] - jobs
        assert left >= 0
        if left:
            self._open[held.call] = left
        else:
            del self._open[held.call]

    def open_calls(self) -> Ranges:
        """The numbers of the calls that are open or unanswered, for the next beat."""
        return Ranges.from_sorted(sorted(self._open))

    def is_clear(self) -> bool:
        """Whether no call is open or unanswered: this worker has nothing in hand."""
        return not self._open

    def jobs(self) -> int:
        """Jobs claimed whose outcome is not durable."""
        return sum(jobs for jobs in self._open.values() if jobs != UNANSWERED)
