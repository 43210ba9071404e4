"""One program's world: its database, its workers behind their proxies, and its producers."""

import contextlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg

from correctness.processes.forked import Forked
from correctness.processes.ground import Ground
from correctness.processes.proxy import Proxy
from correctness.processes.steps import WORKERS, Clock
from correctness.processes.worker import Place
from correctness.recording import Recording
from correctness.traces import Recorded
from tests.fix_database import Session, create, drop, fresh_name, open_session

BEGIN_S_MAX: Final = 2.0
"""A worker that cannot begin so soon is left to itself: a program may keep it from beginning."""
SERVER_S_MAX: Final = 120.0
_LOOK_S: Final = 0.02
_ASKED_MAX: Final = 10
_SHUT_DOWN: Final = (
    psycopg.errors.AdminShutdown,
    psycopg.errors.CrashShutdown,
    psycopg.errors.CannotConnectNow,
)
KEY: Final = "0" * 32
"""The one unique key."""


@dataclass(slots=True, kw_only=True)
class WorkerRun:
    """One worker process of the program, and what it said."""

    process: Forked
    place: Place
    killed: bool = False
    told_to_leave: bool = False

    def is_alive(self) -> bool:
        """Whether the process is there, frozen or not."""
        return self.process.code() is None

    def signal(self, name: str) -> None:
        """Send a signal, and wait for the end when it is one."""
        self.told_to_leave = self.told_to_leave or name == "SIGTERM"
        if name == "SIGKILL":
            self.killed = self.killed or self.is_alive()
            self.process.kill()
        else:
            self.process.signal(signal.Signals[name])

    def log(self) -> str:
        """What it logged so far."""
        log = Path(self.place.log)
        return log.read_text() if log.exists() else ""

    def said(self) -> list[dict[str, Any]]:
        """What its handlers did so far."""
        return _lines(Path(self.place.said))

    def told(self) -> list[dict[str, Any]]:
        """What the worker did so far."""
        return _lines(Path(self.place.told))


@dataclass(slots=True, kw_only=True)
class Stored:
    """Arguments of jobs by what became of the transactions that stored them."""

    committed: dict[int, int] = field(default_factory=dict)
    """The ids of the jobs that are known to be there."""
    refused: set[int] = field(default_factory=set)
    """Rolled back."""
    unknown_together: list[frozenset[int]] = field(default_factory=list)
    """The connection was lost before the answer; by transaction."""

    def unknown(self) -> set[int]:
        """All that may be there or not."""
        return set[int]().union(*self.unknown_together)


class World:
    """A database of its own on the ground, and everything that is to be ended with it."""

    def __init__(self, ground: Ground) -> None:
        self.ground: Final = ground
        self.folder: Final = ground.new_folder()
        self.name: Final = fresh_name("program")
        self.conninfo: Final = ground.cluster.conninfo(self.name)
        with open_session(ground.cluster.conninfo()) as session:
            create(session, self.name, ground.template)
        self.recording: Final = Recording(self.conninfo)
        self.workers: Final[list[WorkerRun]] = []
        """All there ever were, also those that are gone."""
        self.stored: Final = Stored()
        self.notes: Final[list[str]] = []
        """What happened, for whoever reads about a failure."""
        self.jumps: Final[Counter[str]] = Counter()
        """Of clocks: those that came, and those that could not."""
        self._at: Final[dict[int, WorkerRun]] = {}
        self._proxies: Final[dict[int, Proxy]] = {}
        self._session: Session | None = None

    # The database --------------------------------------------------------------------------------

    @cached_property
    def producer_proxy(self) -> Proxy:
        """What the producer's transaction goes through."""
        return Proxy(self.conninfo)

    def session(self) -> Session:
        """A session that is there in any case; a lost one is made anew. Raise when none is."""
        if self._session is None or self._session.closed or self._session.broken:
            self._session = until_found(self._opened, f"a session within {SERVER_S_MAX} s")
        return self._session

    def _opened(self) -> Session | None:
        opened = _opened(self.conninfo)
        if opened is not None:
            opened.execute("set application_name = 'program'")
        return opened

    def _server(self) -> Session:
        """A session that is not of this database, once the server takes any."""
        there = self.ground.cluster.conninfo()
        found: Session = until_found(lambda: _opened(there), f"a session within {SERVER_S_MAX} s")
        return found

    def ask(self, query: LiteralString, params: Any = ()) -> list[tuple[Any, ...]]:
        """The answer to a question, which is asked again if the session is lost."""
        for _ in range(_ASKED_MAX):
            session = self.session()
            try:
                return session.execute(query, params).fetchall()
            except psycopg.OperationalError as error:
                if not (session.closed or session.broken or isinstance(error, _SHUT_DOWN)):
                    raise
                session.close()
        raise TimeoutError("the server ends one session after the other")

    def kill_backend(self, pid: int) -> None:
        """Kill a backend as the kernel does: the server ends all others and recovers."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    # Workers -------------------------------------------------------------------------------------

    def at(self, number: int) -> WorkerRun | None:
        """The worker of this number, if it is there."""
        found = self._at.get(number)
        return found if found is not None and found.is_alive() else None

    def proxy(self, number: int) -> Proxy:
        """What the connections of that worker go through, whichever process it is."""
        if number not in self._proxies:
            self._proxies[number] = Proxy(self.conninfo)
        return self._proxies[number]

    def fired(self) -> Counter[str]:
        """The traps that connections met."""
        proxies = (*self._proxies.values(), self.producer_proxy)
        return sum((proxy.fired for proxy in proxies), Counter[str]())

    def jump(self, run: WorkerRun, by_s: int) -> None:
        """Set a worker's clock so far from the machine's; without libfaketime it cannot be done."""
        there = self.ground.faketime is not None
        self.jumps["clock jumps" if there else "CLOCK JUMPS THAT DID NOTHING"] += 1
        run.process.jump(by_s)

    def start(self, number: int, clock: Clock) -> None:
        """Start a worker, and give it a moment to begin."""
        stem = self.folder / f"worker_{number}_{len(self.workers)}"
        place = Place(
            conninfo=self.proxy(number).conninfo,
            name=stem.name,
            said=f"{stem}.said",
            told=f"{stem}.told",
            log=f"{stem}.log",
            clock=f"{stem}.clock",
        )
        run = WorkerRun(process=self.ground.forge(clock).fork(place), place=place)
        self.workers.append(run)
        self._at[number] = run
        wait_for(lambda: bool(run.told()) or not run.is_alive(), BEGIN_S_MAX)

    def heal(self) -> None:
        """Let everything go on that was held up, with one worker at least."""
        for proxy in self._proxies.values():
            proxy.heal()
        for run in self._at.values():
            if run.is_alive():
                run.signal("SIGCONT")
        # Asked again if need be: a crash of the server may still be going on.
        self.ask("select awa.resume_queue(queue) from awa.queue_settings")
        if not any(run.is_alive() and not run.told_to_leave for run in self._at.values()):
            self.start(WORKERS, "wall")

    def close_down(self) -> list[Recorded]:
        """End everything; answer what the database recorded."""
        for run in self.workers:
            run.signal("SIGKILL")
        for proxy in (*self._proxies.values(), self.producer_proxy):
            proxy.close()
        if self._session is not None:
            self._session.close()
        with self._server() as session:
            # A worker that was killed may have left sessions that have not noticed.
            query = "select count(*) from pg_stat_activity where datname = %s"
            end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s"
            session.execute(end, [self.name])
            wait_for(lambda: session.execute(query, [self.name]).fetchone() == (0,), SERVER_S_MAX)
            return self.recording.finish()

    def drop(self) -> None:
        """Forget the database."""
        with self._server() as session:
            drop(session, self.name)


@contextmanager
def world(ground: Ground) -> Iterator[World]:
    """Give a world, which is ended in any case."""
    made = World(ground)
    try:
        yield made
    finally:
        for run in made.workers:
            if run.is_alive():
                run.process.kill()
        until_found(ground.cluster.is_running, "the server")
        made.drop()


def _opened(conninfo: str) -> Session | None:
    try:
        return open_session(conninfo)
    except psycopg.OperationalError:
        return None


def wait_for(fact: Callable[[], bool], most_s: float) -> bool:
    """Whether the fact came true in so much time."""
    deadline_s = time.monotonic() + most_s
    while not fact():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_LOOK_S)
    return True


def until_found(look: Callable[[], Any], what: str) -> Any:
    """The first answer that is true. Raise TimeoutError when there is none for long."""
    found: list[Any] = []

    def looked() -> bool:
        found.append(look())
        return bool(found[-1])

    if not wait_for(looked, SERVER_S_MAX):
        raise TimeoutError(f"{what} was not to be had")
    return found[-1]


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    # The last line may be half there.
    lines = path.read_bytes().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith(b"\n")]
