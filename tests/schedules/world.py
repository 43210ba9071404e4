"""Sessions that meet at gates, and what was observed of them.

The tables say what they hold; they cannot say what a caller was told, or which job is gone. So the
world keeps that beside them, and `broken` asks both.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, LiteralString

from correctness.gates import NAMES
from tests.facts import wait_until
from tests.fix_database import NewSession, Session, Statement
from tests.fix_sql import (
    CLAIM,
    ENQUEUE,
    Answers,
    Claimed,
    Row,
    broken,
    claim,
    claim_params,
    claimed,
    complete,
    enqueue,
    job_states,
    start_worker,
)
from tests.schedules.truth import Truth

_STANDS: Final = (
    "select exists (select from pg_locks where locktype = 'advisory' and pid = %s and not granted"
    " and objsubid = 1 and (classid::bigint << 32) + objid::bigint = %s)"
)


NOTE: Final = (
    "select answer from awa.note_progress(1, %s::bigint[], %s::smallint[], %s::bigint[], '{1}',"
    " array['{}'::jsonb])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A statement that stands at a gate."""

    keeper: Session
    statement: Statement
    stops: int
    """How many gates are left, this one included."""

    def key(self) -> int:
        """Return the lock that this gate waits for."""
        return (self.statement.pid << 8) + self.stops

    def stands(self) -> bool:
        """Whether it waits there."""
        found = self.keeper.execute(_STANDS, [self.statement.pid, self.key()]).fetchone()
        return found == (True,)

    def wait(self) -> None:
        """Wait until it stands there; fail when it ends before."""
        wait_until(
            lambda: self.stands() or not self.statement.is_running(), what="session at its gate"
        )
        assert self.statement.is_running(), f"ended before its gate: {self.statement.rows()}"

    def open(self) -> None:
        """Let it go on."""
        self.keeper.execute("select pg_advisory_unlock(%s)", [self.key()])

    def on_or_end(self) -> "Standing | None":
        """Let it go on; None when it ends without coming to its next gate."""
        self.open()
        following = Standing(keeper=self.keeper, statement=self.statement, stops=self.stops - 1)
        wait_until(
            lambda: following.stands() or not self.statement.is_running(), what="its next gate"
        )
        return following if self.statement.is_running() else None

    def end(self) -> list[tuple[Any, ...]]:
        """Let it go on to its end, and return its rows."""
        self.open()
        return self.statement.rows()


class World:
    """One worker, one lane (of the queue `default`), and any number of sessions."""

    def __init__(self, session: NewSession) -> None:
        self.session: Final = session
        self.main: Final[Session] = session()
        self.truth: Final = Truth(self.main)
        self._keeper: Final[Session] = session()
        self._settles: Final = count(1)
        start_worker(self.main)
        self.main.execute("select awa.ensure_lane('default')")

    def stop(self, session: Session, gates: str, statement: LiteralString, params: Any) -> Standing:
        """Run a statement up to the first of these gates."""
        names = gates.split(",")
        assert set(names) <= NAMES, f"no such gate in {gates!r}"
        session.execute("select set_config('gates.stop', %s, false)", [gates])
        pid = session.info.backend_pid
        for left in range(1, len(names) + 1):
            self._keeper.execute("select pg_advisory_lock(%s)", [(pid << 8) + left])
        standing = Standing(
            keeper=self._keeper, statement=Statement(session, statement, params), stops=len(names)
        )
        standing.wait()
        return standing

    def beside(self, statement: LiteralString, params: Any) -> Statement:
        """Return a statement that waits for somebody's lock, or has ended without."""
        running = Statement(self.session(), statement, params)
        waits = "select exists (select from pg_locks where pid = %s and not granted)"
        wait_until(
            lambda: (
                not running.is_running()
                or self._keeper.execute(waits, [running.pid]).fetchone() == (True,)
            ),
            what="its waiting for a lock",
        )
        return running

    @contextmanager
    def hint(self, slot: int) -> Iterator[None]:
        """Let who enqueues meanwhile write there: a producer that read the ring's hint long ago."""
        now = self.main.execute("select last_value from awa.ring_seq").fetchall()[0][0]
        self.main.execute("select setval('awa.ring_seq', %s)", [slot])
        yield
        self.main.execute("select setval('awa.ring_seq', %s)", [now])

    def enqueue(self, count: int = 1, queue: str = "default") -> list[int]:
        """Enqueue jobs, each in a transaction of its own, and return their ids."""
        return [
            self.truth.enqueued(self.truth.visible(), enqueue(self.main, queue=queue))
            for _ in range(count)
        ]

    def producer(self) -> Session:
        """Return a session with an open transaction that has enqueued one job."""
        session = self.session()
        session.execute("begin")
        self.truth.enqueued(frozenset(), enqueue(session))
        return session

    def writer(self, slot: int, session: Session | None = None) -> Standing:
        """Return a producer that has drawn its number, and is about to write it to this slot."""
        with self.hint(slot):
            return self.stop(session or self.session(), "write", ENQUEUE, ())

    def written(self, standing: Standing) -> None:
        """Let such a producer go on to its end."""
        ((job,),) = standing.end()
        self.truth.enqueued(frozenset(), job)

    def claim(
        self,
        token: int,
        limit: int = 10,
        *,
        session: Session | None = None,
        queues: Sequence[str] = ("default",),
    ) -> Claimed:
        """Claim, and note what was answered."""
        found = claim(session or self.main, limit, token=token, queues=queues)
        return self._claimed(found, token, look=session is None)

    def claiming(
        self, gates: str, token: int, limit: int = 10, queues: Sequence[str] = ("default",)
    ) -> Standing:
        """Return a claim that stands at a gate."""
        params = claim_params(limit, token=token, queues=queues)
        return self.stop(self.session(), gates, CLAIM, params)

    def claimed(self, standing: Standing, token: int) -> Claimed:
        """Let such a claim go on to its end, and note what was answered."""
        return self.answered(standing.end(), token)

    def answered(self, rows: list[tuple[Any, ...]], token: int) -> Claimed:
        """Note what such a claim was answered."""
        return self._claimed(claimed(rows, token), token, look=True)

    def complete(
        self, row: Row, seqs: Sequence[int] | None = None, session: Session | None = None
    ) -> Answers:
        """Complete numbers of a claims row, and note what was answered."""
        settler = session or self.main
        found = complete(settler, row, seqs=seqs, settle_id=next(self._settles))
        self.truth.settled(row, found, look=session is None)
        return found

    @contextmanager
    def noting(self, row: Row, number: int) -> Iterator[None]:
        """Let an attempt say how far it is, in a transaction that stays open meanwhile."""
        session = self.session()
        with session.transaction():
            found = session.execute(NOTE, [[row.token], [row.part], [number]]).fetchall()
            yield
        self.truth.noted(row, number, found[0][0])

    def drain(self) -> None:
        """Claim what is left."""
        for token in count(1000):
            if not self.claim(token, 100, queues=["default", "beside"]).rows:
                return

    def broken(self) -> set[str]:
        """Return the properties that do not hold when all have ended: the rest is claimed first."""
        self.drain()
        left = {"Drains"} if "available" in {state for _, state in job_states(self.main)} else set()
        return left | set(broken(self.main)) | self.truth.broken()

    def _claimed(self, found: Claimed, token: int, *, look: bool) -> Claimed:
        entries = {(r.lane, n) for r in found.rows for n in r.seqs}
        self.truth.claimed(token, entries)
        if look:
            self.truth.answers_are_open(token, entries)
        return found
