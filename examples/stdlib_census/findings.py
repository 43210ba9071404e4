"""What the database says when the work is done, and whether it is true.

The clock is the database's throughout.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import class_row

from examples.stdlib_census.census import FileCount, count_file
from examples.stdlib_census.plan import Plan

T = TypeVar("T")
Session = psycopg.Connection[tuple[Any, ...]]

_RESULTS: Final = """
    select args ->> 'path', result ->> 'blake3', (result ->> 'lines')::int
    from awa.jobs where kind = 'count_file' and state = 'completed'"""
_LETTERS: Final = "select args ->> 'path' from awa.dead_letters order by 1"
_ATTEMPTS: Final = """
    select count(*) as made,
           count(*) filter (where outcome = 'completed') as completed,
           count(*) filter (where outcome = 'released') as given_back,
           count(*) filter (where outcome = 'retried') as retried,
           count(*) filter (where outcome = 'lost') as lost,
           count(*) filter (where outcome = 'failed') as failed
    from awa.attempts where kind = 'count_file'"""
# An attempt that was lost, and the job's next one.
_RESCUES: Final = """
    select count(*) as jobs,
           coalesce(min(extract(epoch from n.claimed_at - %(killed_at)s)), 0)::float8 as first_s,
           coalesce(max(extract(epoch from n.claimed_at - %(killed_at)s)), 0)::float8 as last_s
    from awa.attempts l join awa.attempts n on n.job_id = l.job_id and n.run_lease = l.run_lease + 1
    where l.outcome = 'lost'"""
_SPEED: Final = """
    select count(*) / greatest(extract(epoch from %(killed_at)s - min(claimed_at)), 0.001)::float8
    from awa.attempts
    where kind = 'count_file' and outcome = 'completed' and closed_at < %(killed_at)s"""
_LATE: Final = """
    select coalesce(extract(epoch from min(a.claimed_at) - %(run_at)s) * 1000, -1)::float8
    from awa.attempts a join awa.jobs j on j.id = a.job_id where j.args ->> 'path' = %(path)s"""
_CHANGED: Final = "select sum(n_tup_upd + n_tup_del)::bigint from pg_stat_user_tables"
_WAL: Final = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How the attempts at all jobs ended."""

    made: int
    completed: int
    given_back: int
    """Claimed ahead, and returned before they began."""
    retried: int
    """The handler raised, and the job was tried again."""
    lost: int
    """Their worker was killed."""
    failed: int
    """The handler raised TerminalError."""

    @property
    def ended(self) -> int:
        """Those of which an end is known."""
        return self.completed + self.given_back + self.retried + self.lost + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescues:
    """Jobs whose worker was killed, and when they were claimed again, from the kill on."""

    jobs: int
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The census, counted and checked."""

    files: int
    completed: int
    failing: int
    """Files whose first attempt was to fail."""
    attempts: Attempts
    rescues: Rescues
    late_ms: float
    """How long after its time the scheduled job was claimed."""
    letters: tuple[str, ...]
    letters_expected: tuple[str, ...]
    mismatches: tuple[str, ...]
    """Files whose stored result differs from a direct computation, or is not there."""
    lines: int
    jobs_per_s: float
    """Until the kill."""
    wal_bytes: int
    changed_rows: int
    violations: tuple[str, ...]

    @property
    def lost(self) -> int:
        """Files whose job did not complete."""
        return self.files - self.completed

    @property
    def duplicates(self) -> int:
        """Completions beyond the one that each job has."""
        return self.attempts.completed - self.completed

    def problems(self) -> list[str]:
        """What is not as it has to be; empty when all is well."""
        expected = {
            "nothing was to be done": self.files > 0,
            "files are not counted": self.lost == 0,
            "jobs completed more than once": self.duplicates == 0,
            "attempts did not end": self.attempts.made == self.attempts.ended,
            "results are wrong": not self.mismatches,
            "not every job that was to fail at first did": self.attempts.retried == self.failing,
            "nothing was rescued": self.rescues.jobs > 0,
            "jobs of the killed worker did not run again": self.rescues.jobs == self.attempts.lost,
            "the scheduled job ran too early, or never": self.late_ms >= 0,
            "the dead letters are others": self.letters == self.letters_expected,
            "properties are broken": not self.violations,
        }
        return [problem for problem, is_right in expected.items() if not is_right]


def look(
    session: Session, plan: Plan, *, run_at: datetime, killed_at: datetime, wal_bytes: int
) -> Findings:
    """Read everything from the database, and compute every result once more."""
    rows = session.execute(_RESULTS).fetchall()
    stored = {path: FileCount(blake3=digest, lines=lines) for path, digest, lines in rows}
    violations = session.execute('select property, detail from awa."check"()').fetchall()
    return Findings(
        files=len(plan.files),
        completed=len(rows),
        failing=plan.failing,
        attempts=_record(session, Attempts, _ATTEMPTS),
        rescues=_record(session, Rescues, _RESCUES, killed_at=killed_at),
        late_ms=_one(session, _LATE, run_at=run_at, path=plan.later.path),
        letters=tuple(path for (path,) in session.execute(_LETTERS)),
        letters_expected=tuple(plan.letters),
        mismatches=mismatches(plan.files, stored),
        lines=sum(count.lines for count in stored.values()),
        jobs_per_s=_one(session, _SPEED, killed_at=killed_at),
        wal_bytes=wal_bytes,
        changed_rows=_one(session, _CHANGED),
        violations=tuple(f"{name}: {detail}" for name, detail in violations),
    )


def mismatches(files: Sequence[str], stored: Mapping[str, FileCount]) -> tuple[str, ...]:
    """Return the files whose stored count is not what we count ourselves."""
    return tuple(path for path in files if stored.get(path) != count_file(path))


def wal_position(session: Session) -> int:
    """Return how many bytes of WAL the server has written so far."""
    return int(_one(session, _WAL))


def _one(session: Session, query: str, **params: object) -> Any:
    row = session.execute(query.encode(), params).fetchone()
    assert row is not None
    return row[0]


def _record(session: Session, kind: type[T], query: str, **params: object) -> T:
    with session.cursor(row_factory=class_row(kind)) as cursor:
        row = cursor.execute(query.encode(), params).fetchone()
    assert row is not None
    return row
