"""How soon work goes on after a worker was killed, and after the server was started anew."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import awa
from awa._bench.jobs import HeldJob
from awa._bench.server import fresh_database, open_session
from awa._bench.workers import one_worker, read_reports, wait_until_up, worker_processes
from awa.errors import InternalError

if TYPE_CHECKING:
    from awa._bench.server import Server
    from awa._bench.workers import Session, WorkerProcess

KILLS: Final = 10
"""With the usual 100,000 jobs; with fewer jobs fewer kills."""
_JOBS_PER_KILL: Final = 10_000
_JOBS: Final = 20
"""Enqueued at once, until the worker that is to be killed holds some."""
_HELD_MIN: Final = 10
_TIMEOUT_S: Final = 60.0


def kills(jobs: int) -> int:
    """How many workers are killed in a run of so many jobs."""
    return max(1, min(KILLS, jobs // _JOBS_PER_KILL))


def measure_recovery(server: Server, jobs: int) -> dict[str, float]:
    """Kill workers, one after the other; then start the server anew, if it is our own."""
    with fresh_database(server) as conninfo, ExitStack() as stack:
        with open_session(conninfo) as session:
            session.execute("select awa.ensure_lane('default')")
            (survivor,) = stack.enter_context(worker_processes(conninfo, 1))
            wait_until_up(session, [survivor])
            rescued_s = [_kill_one(session, conninfo, survivor) for _ in range(kills(jobs))]
        found = {
            "recovery.kill9_s.median": statistics.median(rescued_s),
            "recovery.kill9_s.worst": max(rescued_s),
        }
        if server.restart is not None:
            server.restart()
            found["recovery.restart_s"] = _until_it_works(conninfo, survivor)
    return found


def _kill_one(session: Session, conninfo: str, survivor: WorkerProcess) -> float:
    """Seconds from the kill until everything that the killed worker held runs elsewhere."""
    with one_worker(conninfo) as victim, awa.Client(conninfo) as client:
        wait_until_up(session, [survivor, victim])
        began_s = time.monotonic()
        while len(victim.started_s) < _HELD_MIN:
            known = len(victim.started_s) + len(survivor.started_s)
            first = time.time_ns()
            client.insert_many([HeldJob(first + number) for number in range(_JOBS)])
            while len(victim.started_s) + len(survivor.started_s) < known + _JOBS:
                _read(began_s, [survivor, victim], "a start of all jobs")
        victim.process.kill()
        killed_s = time.monotonic()
        held = set(victim.started_s)
        while not held <= survivor.started_s.keys():
            _read(killed_s, [survivor], "the jobs of a killed worker")
    return max(survivor.started_s[number] for number in held) - killed_s


def _until_it_works(conninfo: str, survivor: WorkerProcess) -> float:
    """Seconds until a job that is stored now, in a server that has just come back, runs."""
    began_s = time.monotonic()
    with awa.Client(conninfo) as client:
        number = time.time_ns()
        client.insert(HeldJob(number))
    while number not in survivor.started_s:
        _read(began_s, [survivor], "a job after a restart of the server")
    return survivor.started_s[number] - began_s


def _read(since_s: float, workers: list[WorkerProcess], what: str) -> None:
    for worker in workers:
        worker.require_running()
    if time.monotonic() - since_s > _TIMEOUT_S:
        raise InternalError(f"{what} did not run within {_TIMEOUT_S:g} s:\n{workers[0].said()}")
    read_reports(workers, timeout_s=0.1)
