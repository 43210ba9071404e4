"""`python -m correctness.lock_plans`: write spec/LockPlans.tla, the locks our functions wait for.

Nothing is read from the SQL's text. Each call of lock_calls runs on a real server while another
session holds one lock that is in its way. When it waits, pg_locks says for what, in which mode, and
what it holds by then: so an order that changes, or a try that becomes a wait, changes the file.

Only what can make somebody wait is kept: advisory locks, the tables of a slot (of which prune takes
SHARE and ACCESS EXCLUSIVE), and rows. All other tables are locked in modes that get along.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from awa._storage.install import migrate_sync
from awa.embedded import Cluster
from correctness.configurations import SPEC
from correctness.lock_calls import CALLS, TIMED, Session, set_the_scene

PLANS: Final = SPEC / "LockPlans.tla"
WAIT_S_MAX: Final = 20.0
LOOK_S: Final = 0.002

TABLES: Final = tuple(
    f"{table}_{slot}"
    for slot in (0, 1, 2)
    for table in ("ready", "claims", "closures", "results", "leases")
)
LANES: Final = 2
ROWS: Final = (
    *("unique_keys", "workers", "deferred", "queue_settings", "ring_slots", "lanes", "dlq"),
    "cron_schedules",
)

ORDER: Final = (
    *(
        "rows cron_schedules",
        "rows workers",
        "rows dlq",
        "declare",
        "rows queue_settings",
        "rows unique_keys",
    ),
    *("claim", "lane 1", "lane 2", "rows deferred"),
    *("deferring", "inflight 1", "inflight 2", "inflight new", *TABLES),
)
"""The one order in which whoever waits for several locks comes to them. What is only tried has no
place: who tries does not wait."""

# A lock that is in the way of one mode and of no weaker one.
_AGAINST: Final[dict[str, LiteralString]] = {
    "AccessShare": "access exclusive",
    "RowExclusive": "share",
    "Share": "row exclusive",
    "AccessExclusive": "access share",
}


@dataclass(frozen=True, slots=True, order=True)
class Lock:
    """A lock in a mode: of an advisory class (with its objects), of a slot's table, or of rows."""

    on: str
    mode: str
    objects: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Wait:
    """A call waits for a lock, holding others."""

    call: str
    wants: Lock
    holds: tuple[Lock, ...]


_LOOK: Final[LiteralString] = """
    select coalesce(c.name, k.relname, ''), l.objid::bigint, c.class::bigint,
           replace(l.mode, 'Lock', ''), l.granted
    from pg_locks l
    left join awa.lock_classes c on l.locktype = 'advisory' and c.class::oid = l.classid
    left join pg_class k on l.locktype = 'relation' and k.oid = l.relation
    where l.pid = %s and (l.locktype in ('advisory', 'relation')
                          or l.locktype in ('transactionid', 'tuple') and not l.granted)
"""


def _lock(name: str, number: int, of_class: int | None, mode: str) -> Lock | None:
    """The lock that a row of pg_locks means, if it can make anybody wait."""
    if of_class is not None:
        # pg_locks shows an object without its sign; lanes made by the call itself are all alike
        signed = (number + 2**31) % 2**32 - 2**31
        lane = f" {number}" if number <= LANES else " new"
        on = name + lane if name in {"lane", "inflight"} else name
        return Lock(on, mode, (of_class, signed))
    if name in ROWS and mode in {"RowShare", "RowExclusive"}:
        # Row locks do not show. Who locks rows of a table has it locked in one of these modes.
        return Lock(f"rows {name}", "Exclusive")
    return Lock(name, mode) if name in TABLES else None


def _seen(watcher: Session, pid: int) -> tuple[tuple[Lock, ...], list[Lock | None]]:
    """What a backend holds, and what it waits for: a lock, or (None) somebody's row."""
    held, waiting = set(), []
    for name, number, of_class, mode, granted in watcher.execute(_LOOK, [pid]).fetchall():
        lock = _lock(name, number, of_class, mode)
        if not granted:
            waiting.append(lock)
        elif lock is not None:
            held.add(lock)
    return tuple(sorted(held)), waiting


class _Run(threading.Thread):
    """A statement on its way."""

    def __init__(self, session: Session, statement: LiteralString) -> None:
        super().__init__(daemon=True)
        self._session: Final = session
        self._statement: Final = statement
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Run it."""
        try:
            self._session.execute(self._statement)
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits for it
            self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Three sessions on a scene: who calls, who is in the way, who watches."""

    caller: Session
    blocker: Session
    watcher: Session

    def held_by(self, call: str) -> tuple[Lock, ...]:
        """What a call holds at its end, when nobody is in its way."""
        with self._begun():
            self.caller.execute(CALLS[call])
            held, _ = _seen(self.watcher, self.caller.info.backend_pid)
        return held

    def wait_of(self, call: str, lock: Lock) -> Wait | None:
        """What a call waits for when somebody is in the way of this lock; None: it does not."""
        with self._begun():
            self.blocker.execute(_in_the_way(lock))
            run = _Run(self.caller, CALLS[call])
            found = self._watched(call, lock, run)
            self.blocker.rollback()
            run.join(WAIT_S_MAX)
            if run.error is not None:
                raise run.error
        return found

    def _watched(self, call: str, lock: Lock, run: _Run) -> Wait | None:
        deadline_s = time.monotonic() + WAIT_S_MAX
        while run.is_alive() and time.monotonic() < deadline_s:
            if _seen(self.watcher, self.caller.info.backend_pid)[1]:
                # pg_locks reads weak locks before waiting ones, and the call goes on meanwhile. Now
                # that it waits, it stands still.
                held, waiting = _seen(self.watcher, self.caller.info.backend_pid)
                wants = waiting[0] or lock
                return Wait(
                    call, wants, tuple(h for h in held if h.on != wants.on or not is_rows(h))
                )
            time.sleep(LOOK_S)
        return None

    @contextmanager
    def _begun(self) -> Iterator[None]:
        """A transaction of the caller's that is rolled back, and so is what was in its way."""
        try:
            yield
        finally:
            self.caller.rollback()
            self.blocker.rollback()


def is_rows(lock: Lock) -> bool:
    """Whether these are rows of a table."""
    return lock.on.startswith("rows ")


def _in_the_way(lock: Lock) -> sql.Composed:
    """A statement that takes the weakest lock against this one."""
    if is_rows(lock):
        table = sql.Identifier(lock.on.removeprefix("rows "))
        # nobody changes the name of a queue: its row is locked less than a row that goes
        weaker = sql.SQL("no key " if lock.on == "rows queue_settings" else "")
        return sql.SQL("select from awa.{} for {}update").format(table, weaker)
    if lock.objects:
        shared = "_shared" if lock.mode == "Exclusive" else ""
        function = sql.Identifier(f"pg_advisory_xact_lock{shared}")
        of_class, number = (sql.Literal(n) for n in lock.objects)
        return sql.SQL("select {}({}::int, {}::int)").format(function, of_class, number)
    mode = sql.SQL(_AGAINST[lock.mode])
    return sql.SQL("lock table awa.{} in {} mode").format(sql.Identifier(lock.on), mode)


def observe(sessions: Sessions) -> list[Wait]:
    """Every wait of every call."""
    rows = tuple(Lock(f"rows {table}", "Exclusive") for table in ROWS)
    found = {
        sessions.wait_of(call, lock)
        for call in CALLS
        for lock in dict.fromkeys(sessions.held_by(call) + rows)
    }
    return sorted(wait for wait in found if wait is not None)


def _pair(lock: Lock) -> str:
    return f'<<"{lock.on}", "{lock.mode}">>'


def _wait_text(wait: Wait) -> str:
    holds = ", ".join(_pair(lock) for lock in wait.holds)
    return f'  [call |-> "{wait.call}", wants |-> {_pair(wait.wants)},\n   holds |-> {{{holds}}}]'


def as_module(waits: Sequence[Wait]) -> str:
    """The text of LockPlans.tla."""
    order = ", ".join(f'"{on}"' for on in ORDER)
    timed = ", ".join(f'"{call}"' for call in sorted(TIMED))
    rows = ",\n".join(_wait_text(wait) for wait in waits)
    return (
        "------------------------------ MODULE LockPlans ------------------------------\n"
        "(* Which locks our functions wait for, and what they hold by then. Written   *)\n"
        "(* by `python -m correctness.lock_plans` from what a server shows: no edits. *)\n\n"
        f"Order == <<{order}>>\n\n"
        f"Timed == {{{timed}}}\n\n"
        f"Waits == {{\n{rows}\n}}\n"
        f"{'=' * 77}\n"
    )


def plans_of(conninfo: str) -> str:
    """The module's text, from a database with a fresh schema: it is filled and changed for this."""
    with (
        psycopg.connect(conninfo, autocommit=True) as watcher,
        psycopg.connect(conninfo) as caller,
        psycopg.connect(conninfo) as blocker,
    ):
        set_the_scene(watcher)
        return as_module(observe(Sessions(caller=caller, blocker=blocker, watcher=watcher)))


def main() -> None:
    """Write the module anew."""
    with Cluster() as cluster:
        migrate_sync(cluster.conninfo(), schema="awa")
        PLANS.write_text(plans_of(cluster.conninfo()))


if __name__ == "__main__":
    main()
