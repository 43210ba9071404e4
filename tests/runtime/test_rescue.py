"""Workers that die, hang or seem to: their jobs run again, and those of the living do not."""

import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pytest

from awa._storage.install import migrate_sync
from tests.facts import Stopwatch, wait_until
from tests.fix_cluster import NewCluster
from tests.fix_database import NewSession, Session, crash, reconnected
from tests.fix_workers import NewWorker, WorkerProcess, leader_name

QUICK_S: Final = 1.0
"""A heartbeat for tests: all that has to do with liveness is five times as fast."""

RESCUED_S_MAX: Final = 13.0
"""On a busy machine; silence alone takes fifteen."""
PROMISED_S: Final = 5.0
"""Where the machine has nothing else to do."""


def insert(session: Session, *, stay_in: str, opts: str = "{}") -> int:
    """Store a job that one worker never ends; return its id."""
    row = session.execute(
        "select id from awa.enqueue('stay', jsonb_build_object('stay_in', %s::text),"
        " jsonb_build_object('queue', 'q') || %s::jsonb)",
        [stay_in, opts],
    ).fetchone()
    assert row is not None
    return int(row[0])


def job(session: Session, job_id: int, *columns: str) -> tuple[Any, ...]:
    """Return these columns of the view of jobs."""
    row = session.execute(
        f"select {', '.join(columns)} from awa.jobs where id = {job_id}".encode()
    ).fetchone()
    return () if row is None else row


def held_by(session: Session, worker: WorkerProcess, others: list[WorkerProcess]) -> int:
    """Store jobs until this worker has one that it does not end, and return that one.

    One at a time they might all go to the same worker: with company there is one more than the
    others have permits for, and they do not end theirs at once.
    """
    everybody = [worker, *others]

    def has_begun(job_id: int, workers: list[WorkerProcess]) -> bool:
        return any(f"begun {job_id} 1" in one.said() for one in workers)

    for _ in range(50):
        with session.transaction():
            jobs = [insert(session, stay_in=worker.name) for _ in range(4 * len(others) + 1)]
        for job_id in jobs:
            wait_until(partial(has_begun, job_id, everybody), what=f"the start of job {job_id}")
            if has_begun(job_id, [worker]):
                return job_id
    raise AssertionError(f"{worker.name} never gets a job")


def number_of(session: Session, name: str) -> int | None:
    """Return the number of the worker of this name, if it has a row."""
    row = session.execute("select worker from awa.workers where info->>'name' = %s", [name])
    found = row.fetchone()
    return None if found is None else int(found[0])


def losses(session: Session) -> int:
    """Return how many attempts were ever called lost."""
    row = session.execute(
        "select count(*) from awa.closures c, unnest(c.seqs) where c.outcome = 'lost'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def heard(line: str, workers: dict[str, WorkerProcess]) -> int:
    """Return how often the workers said a line, all together."""
    return sum(worker.said().count(line) for worker in workers.values())


def test_jobs_of_a_killed_worker_run_again_within_seconds(
    new_worker: NewWorker, database: str, one: Session
) -> None:
    """Guards Reclaims with the defaults: kill -9 costs seconds, also when it hits the leader.

    The hooks of whoever rescues hear of it, once.
    """
    workers = {name: new_worker(name) for name in "abc"}
    wait_until(lambda: leader_name(database) is not None)
    # They are seconds old: nobody has looked on for a heartbeat's time-out.
    for _ in range(2):
        leader = leader_name(database)
        assert leader is not None
        victim = workers.pop(leader if len(workers) == 2 else min(workers.keys() - {leader}))
        job_id = held_by(one, victim, list(workers.values()))
        watch, killed_s = Stopwatch(), victim.kill()
        wait_until(lambda job_id=job_id: job(one, job_id, "state") == ("completed",))  # type: ignore[misc]
        assert time.monotonic() - killed_s < RESCUED_S_MAX
        assert watch.unhindered_s() < PROMISED_S
        assert (1, 1) == job(one, job_id, "attempt", "losses")
        assert any("is lost (absence" in other.log() for other in workers.values())
        told = f"rescued {job_id} 1 lost {victim.name}"
        wait_until(lambda told=told: heard(told, workers) == 1)  # type: ignore[misc]
    assert leader_name(database) in workers


def test_jobs_of_a_worker_that_died_alone_are_rescued_by_the_next(
    new_worker: NewWorker, database: str, one: Session
) -> None:
    """Guards a restart by the machine: who comes after the death need not have seen the life."""
    first = new_worker("first")
    job_id = held_by(one, first, [])
    first.kill()
    second = new_worker("second")
    wait_until(lambda: leader_name(database) == "second")
    watch = Stopwatch()
    wait_until(lambda: job(one, job_id, "state") == ("completed",))
    assert watch.unhindered_s() < PROMISED_S
    assert "is lost (absence" in second.log()
    assert (1, 1) == job(one, job_id, "attempt", "losses")


def test_a_frozen_worker_is_rescued_and_told_when_it_returns(
    new_worker: NewWorker, one: Session
) -> None:
    """Guards zombies: it cancels what runs elsewhere by now, and starts anew under a new number."""
    frozen = new_worker("frozen", heartbeat_s=QUICK_S, lead=False)
    number = number_of(one, "frozen")
    job_id = held_by(one, frozen, [])
    frozen.signal(signal.SIGSTOP)
    other = new_worker("other", heartbeat_s=QUICK_S)
    wait_until(lambda: job(one, job_id, "state") == ("completed",))
    assert number_of(one, "frozen") is None
    frozen.signal(signal.SIGCONT)
    frozen.until(f"cancelled {job_id}")
    wait_until(lambda: number_of(one, "frozen") not in {None, number})
    wait_until(lambda: "it starts anew" in frozen.log())
    again = held_by(one, frozen, [other])
    assert ("running",) == job(one, again, "state")
    assert (1,) == job(one, job_id, "losses")


def test_a_worker_that_hangs_past_a_deadline_loses_the_attempt(
    new_worker: NewWorker, one: Session
) -> None:
    """Guards deadlines: the worker keeps them itself, and the leader when the worker cannot."""
    hung = new_worker("hung", lead=False)
    insert(one, stay_in="nobody")
    job_id = insert(one, stay_in="hung", opts='{"max_attempts": 1}')
    hung.until(f"begun {job_id} 1")  # claimed with the deadline that its queue had
    one.execute("update awa.queue_settings set deadline_s = 3")
    timed = insert(one, stay_in="hung", opts='{"max_attempts": 1, "deadline_s": 2}')
    hung.until(f"begun {timed} 1")
    hung.signal(signal.SIGSTOP)
    # A patient leader: it does not call the worker lost before that.
    leader = new_worker("leader", heartbeat_s=20.0)
    wait_until(lambda: job(one, timed, "state", "losses") == ("failed", 0))
    leader.until(f"rescued {timed} 1 expired hung")
    assert ("running",) == job(one, job_id, "state")


def test_a_listener_that_is_dropped_rescues_nobody(
    new_worker: NewWorker, database: str, one: Session
) -> None:
    """Guards the living: a lock that was lost with a connection is not a death."""
    new_worker("leader", heartbeat_s=QUICK_S)
    wait_until(lambda: leader_name(database) == "leader")
    busy = new_worker("busy", heartbeat_s=QUICK_S, lead=False)
    job_id = insert(one, stay_in="nobody")
    wait_until(lambda: job(one, job_id, "state") == ("completed",))
    number = number_of(one, "busy")
    until_beats(one, number, 4)
    for _ in range(3):
        dropped = one.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'awa worker busy'"
        ).fetchall()
        assert dropped
        until_beats(one, number, 3)
    assert number == number_of(one, "busy")
    assert busy.process.poll() is None
    assert 0 == losses(one)


def until_beats(session: Session, number: int | None, more: int) -> None:
    """Wait until this worker's counter has moved on so far; fail when it is gone."""
    counter = "select beat from awa.workers where worker = %s"
    first = session.execute(counter, [number]).fetchone()
    assert first is not None

    def moved() -> bool:
        row = session.execute(counter, [number]).fetchone()
        assert row is not None, "the worker was removed"
        return bool(row[0] >= first[0] + more)

    wait_until(moved, what=f"{more} more beats")


@pytest.mark.parametrize("trouble", ["restart", "crash"])
def test_trouble_of_the_server_rescues_nobody(
    new_cluster: NewCluster, new_worker: NewWorker, session: NewSession, trouble: str
) -> None:
    """Guards restarts and crashes: all locks are gone at once, and not all come back at once."""
    cluster = new_cluster()
    conninfo = cluster.conninfo()
    migrate_sync(conninfo, schema="awa")
    early, late = (new_worker(n, conninfo=conninfo, heartbeat_s=2.0) for n in ("early", "late"))
    before = session(conninfo)
    jobs = [held_by(before, early, [late]), held_by(before, late, [early])]
    numbers = [number_of(before, "early"), number_of(before, "late")]
    for number in numbers:
        until_beats(before, number, 3)
    late.signal(signal.SIGSTOP)
    if trouble == "restart":
        before.close()
        cluster.restart()
    else:
        crash(before, conninfo)
    after = reconnected(session, conninfo)
    wait_until(lambda: leader_name(conninfo) == "early")
    # Longer than the grace, shorter than the time-out.
    until_beats(after, numbers[0], 2)
    late.signal(signal.SIGCONT)
    for number in numbers:
        until_beats(after, number, 3)
    assert ["running", "running"] == [job(after, job_id, "state")[0] for job_id in jobs]
    assert 0 == losses(after)
    assert [] == after.execute('select * from awa."check"()').fetchall()


def test_claims_that_commit_after_the_rescue_are_found(
    new_worker: NewWorker, one: Session, other: Session, start: Callable[..., Any]
) -> None:
    """Guards S7: a claim of a worker that is gone is open under no row, and found all the same."""
    one.execute("select awa.worker_start(7, '{}')")
    job_id = insert(one, stay_in="nobody")
    other.execute("begin")
    claimed = other.execute("select answer from awa.claim(7, 1, 70, array['q'], array[1])")
    assert [("got",)] == claimed.fetchall()
    one.execute("select awa.rescue_worker(7, 0)")
    new_worker("leader", heartbeat_s=QUICK_S)
    other.execute("commit")
    wait_until(lambda: job(one, job_id, "state", "losses") == ("completed", 1))
