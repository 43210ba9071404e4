"""A stage: a server, worker processes, producers, and the books that the audit reads."""

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import trio

import awa
from awa.embedded import Cluster
from correctness.chaos.audience import Audience
from correctness.chaos.effects import Effects
from correctness.chaos.jobs import QUICK, Errand, Mix, Wish
from correctness.chaos.preparing import DATABASE, SETTINGS, of_hand, open_session, prepare
from correctness.chaos.processes import WorkerProcess
from correctness.chaos.producing import PAUSE_S, Books, Producer, book

LOOK_INTERVAL_S: Final = 0.05
WAIT_S_MAX: Final = 180.0
"""A fact that did not come true by then will not."""
WAITING: Final = """
    select n
    from (select coalesce(nullif((args ->> 'n')::bigint, 0), -job_id) from awa.deferred) d (n)
    where n = any (%s)"""
"""Of these jobs, by `number_of`, those that wait for a time of their own."""
MEMORY: Final = Path("/dev/shm")  # noqa: S108  # each cluster makes a private directory there
MEMORY_BYTES_MIN: Final = 4 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that was injected."""

    kind: str
    at_s: float
    detail: str = ""


class TookTooLong(Exception):
    """What a scenario waited for did not happen."""


@dataclass(slots=True)
class Stage:
    """What a scenario plays on. Made by `open_stage`.

    `conninfo` is what workers and producers are given when they start, of a role without special
    rights; a scenario may set it to a proxy, or to several hosts. `admin` is the superuser's own
    way, for faults and for the audit; it has to be set anew when another server is the primary.
    """

    cluster: Cluster
    folder: Path
    """Of effects and logs."""
    minutes: float
    dice: random.Random
    nursery: trio.Nursery
    conninfo: str
    admin: str
    effects: Effects
    books: Books = field(default_factory=Books)
    workers: list[WorkerProcess] = field(default_factory=list)
    """All that were ever started."""
    producers: list[Producer] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    """Whatever a scenario measures beside, for the report."""
    problems: list[str] = field(default_factory=list)
    """What a scenario found wrong beside the audit."""
    began_s: float = field(default_factory=time.monotonic)
    worker_options: dict[str, Any] = field(default_factory=dict)
    """Of every worker that is started without other ones."""
    clients_max: int = 1
    """Sessions of clients beside the producers': of the one that makes probes, at least."""
    audience: Audience = field(init=False)
    _names: Counter[str] = field(default_factory=Counter)
    _session: tuple[str, psycopg.Connection[Any]] | None = None
    """The audience's, with the connection string that it was made by."""

    def __post_init__(self) -> None:
        self.audience = Audience(lambda: self.admin, self.workers)

    # Workers -------------------------------------------------------------------------------------

    async def start_worker(
        self, *, conninfo: str | None = None, wait: bool = True, **options: Any
    ) -> WorkerProcess:
        """Start a worker process, and return when the database knows it.

        `options`: `name`, and those of WorkerProcess; the defaults are Awa's.
        """
        options = {**self.worker_options, **options}
        name = options.pop("name", "w")
        self._names[name] += 1
        worker = WorkerProcess(
            self.folder, conninfo or self.conninfo, f"{name}{self._names[name]}", **options
        )
        self.workers.append(worker)
        if wait:
            await self.until(worker.has_started, f"the start of {worker.name}")
        return worker

    async def start_workers(self, number: int) -> None:
        """Start so many alike, all at once."""
        for _ in range(number):
            await self.start_worker(wait=False)
        for worker in self.workers[-number:]:
            await self.until(worker.has_started, f"the start of {worker.name}")

    def living(self) -> list[WorkerProcess]:
        """Return the workers that run, frozen ones left out."""
        return [each for each in self.workers if each.is_alive() and not each.frozen]

    def leader(self) -> WorkerProcess | None:
        """Return the worker that leads now."""
        rows = self.query(
            "select a.application_name from pg_locks l join pg_stat_activity a using (pid)"
            " where l.locktype = 'advisory' and l.classid = awa.lk_leader()::oid and l.granted"
        )
        names = {str(name).removeprefix("awa worker ") for (name,) in rows}
        return next((each for each in self.workers if each.name in names), None)

    # Producers -----------------------------------------------------------------------------------

    def start_producers(
        self, number: int = 2, *, rate: float = 8.0, mix: Mix | None = None
    ) -> None:
        """Have so many producers make jobs, each so many transactions a second."""
        for _ in range(number):
            producer = Producer(
                conninfo=lambda: self.conninfo,
                books=self.books,
                mix=mix or Mix(),
                rate=rate,
                dice=random.Random(self.dice.getrandbits(64)),  # noqa: S311  # no secret
            )
            self.producers.append(producer)
            self.nursery.start_soon(producer.run)

    def stop_producers(self) -> None:
        """Have them make no more."""
        for producer in self.producers:
            producer.stopped.set()

    async def make_one(self, *, priority: int | None = None) -> int:
        """Make a quick job, again and again until the database takes it; return its number."""
        with trio.fail_after(WAIT_S_MAX):
            while True:
                errand = Errand(n=self.books.next_number())
                wish = self.books.wish(Wish(kind=QUICK, errand=errand, priority=priority))
                async with awa.AsyncClient(self.conninfo, pool_size=1) as client:
                    if await book(self.books, client, [wish]):
                        return errand.n
                await trio.sleep(PAUSE_S)

    # Faults and recoveries -----------------------------------------------------------------------

    def fault(self, kind: str, detail: str = "") -> float:
        """Write down that a fault was injected; return when."""
        at_s = time.monotonic()
        self.faults.append(Fault(kind=kind, at_s=at_s, detail=detail))
        return at_s

    def seconds_since(self, at_s: float) -> float:
        """Return how long ago a moment was."""
        return time.monotonic() - at_s

    def must_bite(self, what: str, count: float, least: float = 1) -> None:
        """Hold that a fault did what it is there for: otherwise nothing was shown."""
        self.figures[what] = count
        if count < least:
            self.problems.append(f"the fault did nothing: {count:g} {what}, and {least:g} expected")

    def recovered(self, seconds: float) -> None:
        """Write down how long a recovery took."""
        self.recoveries_s.append(seconds)

    async def probe(self, since_s: float | None = None, *, priority: int | None = 1) -> float:
        """Make a job that ends at once, and wait until it has run; write down how long that took.

        `since_s`: from when on it counts, by `time.monotonic`; now, unless told otherwise. It goes
        before the others, so that a backlog is not taken for an outage, unless told otherwise.
        """
        began_s = time.monotonic() if since_s is None else since_s
        n = await self.make_one(priority=priority)
        await self.until(lambda: n in self.look().done, "the run of a probe")
        took_s = self.effects.done[n][0].at_s - began_s
        self.recovered(took_s)
        return took_s

    def running_in(self, worker: str) -> set[int]:
        """Return the jobs that this worker has begun, that nobody has done, and that do not wait.

        One that failed waits for its time, whether its worker lives or not.
        """
        begun = self.look().open_in(worker)
        return begun - {n for (n,) in self.query(WAITING, [list(begun)])}

    async def rerun(self, numbers: set[int], at_s: float) -> float:
        """Wait until these jobs of a worker that died have begun again; write down how long.

        `at_s`: when it died. Those that have ended by then need not: it had settled them.
        """
        latest_s = at_s
        waiting = set(numbers)

        def all_again() -> bool:
            nonlocal latest_s
            effects = self.look()
            for n in sorted(waiting):
                if (again_s := effects.begun_after(n, at_s)) is not None:
                    latest_s = max(latest_s, again_s)
                    waiting.discard(n)
            waiting.difference_update(self.ended(waiting))
            return not waiting

        await self.until(all_again, f"the rerun of jobs {sorted(waiting)[:5]} of a dead worker")
        self.recovered(latest_s - at_s)
        return latest_s - at_s

    def close(self) -> None:
        """End the audience's session."""
        if self._session is not None:
            self._session[1].close()

    # Looking -------------------------------------------------------------------------------------

    def look(self) -> Effects:
        """Read the effects so far."""
        self.effects.look()
        return self.effects

    def ended(self, numbers: set[int]) -> set[int]:
        """Return which of these jobs have ended."""
        rows = self.query("select n from chaos.ends where n = any (%s)", [list(numbers)])
        return {n for (n,) in rows}

    def query(self, statement: str, params: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Ask the server as the superuser, in a session that is made anew when it has ended."""
        kept = self._session is not None and self._session[0] == self.admin
        if not kept or self._session is None or self._session[1].closed:
            self.close()
            self._session = self.admin, open_session(self.admin)
            kept = False
        session = self._session[1]
        try:
            cursor = session.execute(statement.encode(), params)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            if not (kept and session.closed):
                raise
            return self.query(statement, params)

    async def until(
        self,
        fact: Callable[[], bool],
        what: str,
        *,
        limit_s: float = WAIT_S_MAX,
        interval_s: float = LOOK_INTERVAL_S,
    ) -> None:
        """Return once `fact()` is true. Raises TookTooLong. A server that is away says nothing."""
        deadline_s = time.monotonic() + limit_s
        while True:
            try:
                if fact():
                    return
            except psycopg.OperationalError:
                pass
            if time.monotonic() > deadline_s:
                raise TookTooLong(f"{what} did not happen within {limit_s:.0f} s")
            await trio.sleep(interval_s)


@asynccontextmanager
async def open_stage(
    *,
    settings: Mapping[str, str] | None = None,
    tcp: bool = False,
    minutes: float = 1.0,
    seed: int = 0,
    bindir: Path | None = None,
) -> AsyncIterator[Stage]:
    """Start a server with the schema; everything is ended and deleted with the block."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="awa-chaos-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = stack.enter_context(
            Cluster(
                bindir=bindir, settings={**SETTINGS, **(settings or {})}, tcp=tcp, below=_memory()
            )
        )
        await trio.to_thread.run_sync(prepare, cluster)
        conninfo = cluster.conninfo(DATABASE, tcp=tcp)
        async with trio.open_nursery() as nursery:
            stage = Stage(
                cluster=cluster,
                folder=folder,
                minutes=minutes,
                dice=random.Random(seed),  # noqa: S311  # no secret
                nursery=nursery,
                conninfo=of_hand(conninfo),
                admin=conninfo,
                effects=Effects(folder),
            )
            nursery.start_soon(stage.audience.run)
            try:
                yield stage
            finally:
                for worker in stage.workers:
                    worker.kill()
                stage.close()
                nursery.cancel_scope.cancel()


def _memory() -> Path | None:
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
    return MEMORY if roomy else None
