"""The twins of all lanes: they must allow what the server did, and stand where its tables stand."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from correctness.model import (
    Lane,
    Refused,
    Scope,
    ensure_lane,
    env_arrive,
    env_draw,
    env_rollback,
    facts,
    invariants,
    start,
    step_properties,
)
from correctness.model.state import NOTHING, Seqs
from tests.machine.tables import Database, Tables

SCOPE: Final = Scope(jobs=frozenset(), slots=frozenset(range(16)), loss_max=2, attempt_max=2)
_ALIKE: Final = ("entries", "claims", "closures", "withdrawn", "deferred", "finals", "dead")

Action = Callable[..., Lane | Refused]


class Divergence(AssertionError):
    """The server did what its twin does not allow, or stands elsewhere."""


def demand(holds: object, what: object) -> None:
    """Raise Divergence unless this holds."""
    if not holds:
        raise Divergence(what)


class Oracle:
    """One twin for each lane. Workers, the ring and keys are the same in all of them."""

    def __init__(self) -> None:
        self.lanes: Final[dict[int, Lane]] = {}
        self.scope: Scope = SCOPE

    def know(self, jobs: Iterable[int]) -> None:
        """Properties are asked of these jobs too."""
        self.scope = replace(self.scope, jobs=self.scope.jobs.union(jobs))

    def be_born(self, number: int) -> None:
        """A lane was created."""
        self.lanes[number] = start(self.scope)
        self.act(number, ensure_lane)

    def act(self, number: int, action: Action, *args: Any) -> None:
        """Let one twin do what the server did. Raise Divergence when it may not."""
        before = self.lanes[number]
        after = action(before, self.scope, *args)
        if isinstance(after, Refused):
            raise Divergence(f"lane {number}: {action.__name__}{args}: {after}")
        # What arrives from another lane has a history there.
        broken = () if action is env_arrive else step_properties(before, after, self.scope)
        demand(not broken, f"lane {number}: {action.__name__}{args} breaks {broken}")
        self.lanes[number] = after

    def act_all(self, action: Action, *args: Any) -> None:
        """Let all twins do the same: workers and the ring belong to no lane."""
        for number in self.lanes:
            self.act(number, action, *args)

    def draw(self, now: Database) -> None:
        """Numbers were drawn from the sequences."""
        for number, twin in self.lanes.items():
            for _ in range(now.lanes[number].last - twin.last):
                self.act(number, env_draw)

    def land(self, in_flight: Mapping[int, Seqs]) -> None:
        """What was drawn, has not appeared, and is in no open transaction, never will."""
        for number, twin in self.lanes.items():
            lost = twin.fly - in_flight.get(number, NOTHING)
            if lost:
                self.act(number, env_rollback, lost)

    # What the twins know.

    def lane_of(self, job: int) -> Lane | None:
        """Answer the lane a job is in, or was in last."""
        known = [lane for lane in self.lanes.values() if facts(lane).known(job)]
        here = [lane for lane in known if facts(lane).state_of(job) not in {"removed", "lost"}]
        return next(iter(here or known), None)

    def state_of(self, job: int) -> str | None:
        """Answer a job's state in the server's words; None when no table knows it."""
        lane = self.lane_of(job)
        if lane is None:
            return None
        state = facts(lane).state_of(job)
        if state == "completed" and not facts(lane).done_seqs(job) & facts(lane).written:
            return None  # its slot was emptied
        return {"dead": "dead_lettered", "removed": None, "lost": None}.get(state, state)

    def ended_as(self, job: int) -> str | None:
        """Answer a job's state as an enqueue tells it: of a dead letter, what it ended as."""
        lane = self.lane_of(job)
        letters = facts(lane).letters_of(job) if lane else ()
        return min(letters).state if letters else self.state_of(job)

    def holder(self, key: int) -> int | None:
        """Answer the job that holds a unique key. Raise Divergence when two do."""
        found = {
            one.job
            for lane in self.lanes.values()
            for one in lane.keys
            if one.key == key and facts(lane).holds(one.job)
        }
        demand(len(found) < 2, f"key {key} is held by {found}")
        return next(iter(found), None)

    # Where the server stands.

    def stand_alike(self, now: Database) -> None:
        """Raise Divergence unless the tables are what the twins say, keys aside."""
        demand(set(now.lanes) == set(self.lanes), f"lanes {set(now.lanes)}")
        for number, twin in self.lanes.items():
            _alike(number, twin, now.lanes[number])
            demand(twin.workers == now.workers, f"workers {now.workers}, not {twin.workers}")
            demand(twin.ring == now.ring, f"ring {now.ring}, not {twin.ring}")

    def agree(self, now: Database) -> None:
        """Raise Divergence unless the tables are what the twins say, and all properties hold."""
        self.stand_alike(now)
        for number, twin in self.lanes.items():
            broken = invariants(twin, self.scope)
            demand(not broken, f"lane {number}: {broken}")
            self._same_keys(twin, now)
        for key in {want.key for twin in self.lanes.values() for want in twin.wants}:
            self.holder(key)

    def _same_keys(self, twin: Lane, now: Database) -> None:
        """A key's row that holds nothing may be there or not: the next who wants it looks."""
        jobs = {want.job for want in twin.wants}
        seen = facts(twin)
        here = {one for one in now.keys if one.job in jobs and seen.holds(one.job)}
        mine = {one for one in twin.keys if seen.holds(one.job)}
        demand(here == mine, f"keys {here}, not {mine}")


def _alike(number: int, twin: Lane, table: Tables) -> None:
    for name in _ALIKE:
        mine, theirs = getattr(twin, name), getattr(table, name)
        demand(
            mine == theirs,
            f"lane {number}: {name} lacks {set(mine - theirs)} and has {set(theirs - mine)} more",
        )
    told = facts(twin).progress
    demand(told == table.progress, f"lane {number}: progress {table.progress}, not {told}")
    demand(twin.state == table.state, f"lane {number}: {table.state}, not {twin.state}")
    demand(twin.floor == table.floor, f"lane {number}: floor {table.floor}, not {twin.floor}")
    demand(twin.last == table.last, f"lane {number}: last {table.last}, not {twin.last}")
