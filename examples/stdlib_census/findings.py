"""What the database says when the work is done, and whether it is true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from examples.stdlib_census.census import FileCount, count_file

Session = psycopg.Connection[tuple[Any, ...]]

_RESULTS: Final = """
    select args ->> 'path', result ->> 'blake3', (result ->> 'lines')::int
    from awa.jobs where kind = 'count_file' and state = 'completed'"""
# What was given back did not run to its end: a worker returns what it claimed ahead and cannot
# start soon. The clock is the database's.
_ATTEMPTS: Final = """
    select count(*), coalesce(extract(epoch from max(closed_at) - min(claimed_at)), 0)::float8
    from awa.attempts where kind = 'count_file' and outcome is distinct from 'released'"""
_CHANGED: Final = "select sum(n_tup_upd + n_tup_del)::bigint from pg_stat_user_tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The census, counted and checked."""

    files: int
    completed: int
    attempts: int
    """Attempts that were not given back."""
    mismatches: tuple[str, ...]
    """Files whose stored result differs from a direct computation, or is not there."""
    lines: int
    took_s: float
    wal_bytes: int
    changed_rows: int
    violations: tuple[str, ...]

    @property
    def lost(self) -> int:
        """Files whose job did not complete."""
        return self.files - self.completed

    @property
    def duplicates(self) -> int:
        """Attempts that ended, or never did, beyond the one that completed each job."""
        return self.attempts - self.completed

    def is_good(self) -> bool:
        """Nothing lost, nothing run twice, every result right, every property kept."""
        counted = self.lost == 0 and self.duplicates == 0 and self.files > 0
        return counted and not self.mismatches and not self.violations


def look(session: Session, files: Sequence[str], *, wal_bytes: int) -> Findings:
    """Read everything from the database, and compute every result once more."""
    rows = session.execute(_RESULTS).fetchall()
    stored = {path: FileCount(blake3=digest, lines=lines) for path, digest, lines in rows}
    attempts, took_s = _row(session, _ATTEMPTS)
    (changed_rows,) = _row(session, _CHANGED)
    violations = session.execute('select property, detail from awa."check"()').fetchall()
    return Findings(
        files=len(files),
        completed=len(rows),
        attempts=attempts,
        mismatches=mismatches(files, stored),
        lines=sum(count.lines for count in stored.values()),
        took_s=took_s,
        wal_bytes=wal_bytes,
        changed_rows=changed_rows,
        violations=tuple(f"{name}: {detail}" for name, detail in violations),
    )


def mismatches(files: Sequence[str], stored: Mapping[str, FileCount]) -> tuple[str, ...]:
    """Return the files whose stored count is not what we count ourselves."""
    return tuple(path for path in files if stored.get(path) != count_file(path))


def wal_position(session: Session) -> int:
    """Return how many bytes of WAL the server has written so far."""
    (position,) = _row(session, "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
    return int(position)


def _row(session: Session, query: str) -> tuple[Any, ...]:
    row = session.execute(query.encode()).fetchone()
    assert row is not None
    return row
