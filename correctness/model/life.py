"""JobLife: what a user is owed of each job, as the arrows that it may go along."""

from typing import Final, NamedTuple

from correctness.model.facts import Facts
from correctness.model.state import Scope


class Life(NamedTuple):
    """One job, as a reader of it is told: state, run_lease, attempt and losses."""

    state: str
    run: int
    attempt: int
    losses: int

    def to(self, state: str) -> "Life":
        """Answer the job in another state."""
        return self._replace(state=state)

    def again(self) -> "Life":
        """Answer the job available, under its next run_lease."""
        return self._replace(state="available", run=self.run + 1)

    def lost(self) -> "Life":
        """Answer the job, lost once more."""
        return self._replace(losses=self.losses + 1)

    def anew(self) -> "Life":
        """Answer the job with all its attempts."""
        return self._replace(attempt=1, losses=0)


UNBORN: Final = Life("none", 0, 0, 0)
INSERTED: Final = {Life("available", 1, 1, 0), Life("scheduled", 0, 1, 0)}


def life(seen: Facts, job: int) -> Life:
    """LifeNow: what Storage tells of a job."""
    if not seen.known(job):
        return UNBORN
    rows, lease = seen.rows_of_job(job), seen.lease(job)
    standing = rows[0] if rows else next(e for e in seen.entries_of(job) if e.lease == lease)
    return Life(seen.state_of(job), lease, standing.attempt, standing.losses)


def _from_running(old: Life, attempt_max: int, loss_max: int) -> set[Life]:
    ends = {old.to(state) for state in ("completed", "cancelled", "failed", "dead")}
    found = {*ends, old.again(), old.to("scheduled")}
    if old.attempt < attempt_max:
        found.add(old.to("retryable")._replace(attempt=old.attempt + 1))
    if old.losses < loss_max:
        return found | {old.again().lost(), old.to("retryable").lost()}
    return found | {old.to("failed").lost(), old.to("dead").lost()}


def after(old: Life, attempt_max: int, loss_max: int) -> set[Life]:
    """Answer where a job may go in one step."""
    match old.state:
        case "none":
            found = set(INSERTED)
        case "scheduled" | "retryable":
            found = {old.again(), old.to("cancelled")}
        case "available":
            found = {old.to("running"), old.to("cancelled")}
        case "running":
            found = _from_running(old, attempt_max, loss_max)
        case "failed" | "cancelled":
            found = {old.to("dead"), old.to("removed")}
        case "dead":
            found = {old.again().anew(), old.to("scheduled").anew(), old.to("removed")}
        case _:
            found = set()
    return found


def refines_job_life(was: Facts, now: Facts, scope: Scope) -> bool:
    """Whether each job stays, or goes along one arrow of JobLife."""
    most = dict(scope.bounds or ())

    def legal(job: int) -> bool:
        old, new = life(was, job), life(now, job)
        attempt_max = most.get(job, scope.attempt_max)
        return new == old or new in after(old, attempt_max, scope.loss_max)

    return all(map(legal, scope.jobs))
