"""Reads of how the work goes: what waits how long, who leads, when something was last claimed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from awa._core.capability import UnknownKind
from awa._storage.calls import Call
from awa._storage.names import SCHEMA_DEFAULT, quoted

if TYPE_CHECKING:
    from awa._storage.calls import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Lags:
    """What every role may know."""

    promote_lag_s: float
    """For how long the deferred job that is due longest has been due; 0 when none is."""
    may_look: bool
    """Whether this role may read the tables themselves: the owner may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """What shows in the tables, in seconds; None where there is nothing to show."""

    last_claim_s: float | None
    last_settle_s: float | None
    """In the ring's current slot."""
    oldest_available_s: float | None
    """Since the job was stored that waits longest to be claimed."""
    leader_s: float | None
    """Since the leader's session began."""


_UNKNOWN: Final = Ages(
    last_claim_s=None, last_settle_s=None, oldest_available_s=None, leader_s=None
)

_LAGS: Final = """
select coalesce((select extract(epoch from now() - min(j.run_at)) from {0}.jobs j
                 where j.run_at <= now()), 0)::float8,
       has_table_privilege(to_regclass('{1}.claims'), 'select')
"""

# Newest first by an index in each lane; closures have none by time, so one slot's are looked at.
_AGES: Final = """
select (select extract(epoch from clock_timestamp() - max(c.claimed_at))::float8
        from {0}.lanes l cross join lateral (
            select k.claimed_at from {0}.claims k where k.lane = l.lane and k.no > l.floor_no
            order by k.no desc limit 1) c),
       (select extract(epoch from clock_timestamp() - max(x.closed_at))::float8
        from {0}.closures x where x.slot = (select {0}.current_slot()) and x.token is not null),
       (select extract(epoch from clock_timestamp() - min(r.enqueued_at))::float8
        from {0}.lane_now n cross join lateral (
            select e.enqueued_at from {0}.ready e
            where e.lane = n.lane and e.seq >= n.next
              and not exists (select from {0}.closures x where x.token is null and x.lane = e.lane
                              and upper(x.seqs) > e.seq and x.seqs @> e.seq)
            order by e.seq limit 1) r),
       (select extract(epoch from clock_timestamp() - min(a.backend_start))::float8
        from pg_locks l join pg_stat_activity a using (pid)
        where l.locktype = 'advisory' and l.granted and l.objsubid = 2
          and l.classid = {0}.lk_leader()::oid
          and l.database = (select d.oid from pg_database d
                            where d.datname = current_database()))
"""


def lags(*, schema: str = SCHEMA_DEFAULT) -> Call[Lags]:
    """What every role may know of how the work goes."""
    named = quoted(schema).replace("%", "%%")
    sql = _LAGS.format(named, named.replace("'", "''"))
    return Call(action="lags", sql=sql, params=(), decode=_lags, schema=schema)


def ages(*, schema: str = SCHEMA_DEFAULT) -> Call[Ages]:
    """What shows in the tables themselves."""
    sql = _AGES.format(quoted(schema).replace("%", "%%"))
    return Call(action="ages", sql=sql, params=(), decode=_ages, schema=schema)


def unknown_kinds(*, schema: str = SCHEMA_DEFAULT) -> Call[tuple[UnknownKind, ...]]:
    """Kinds that workers meet and none of them has a handler for."""
    sql = (
        f"select queue, kind, workers, times from {quoted(schema).replace('%', '%%')}"
        ".unknown_kinds() order by queue, kind"
    )
    return Call(action="unknown_kinds", sql=sql, params=(), decode=_unknown, schema=schema)


def no_ages() -> Ages:
    """For a role that may not look."""
    return _UNKNOWN


def _lags(rows: Rows) -> Lags:
    ((lag_s, may_look),) = rows
    return Lags(promote_lag_s=lag_s, may_look=bool(may_look))


def _unknown(rows: Rows) -> tuple[UnknownKind, ...]:
    return tuple(
        UnknownKind(queue=queue, kind=kind, workers=workers, times=times)
        for queue, kind, workers, times in rows
    )


def _ages(rows: Rows) -> Ages:
    names: dict[str, Any] = dict(zip(Ages.__dataclass_fields__, rows[0], strict=True))
    return Ages(**names)
