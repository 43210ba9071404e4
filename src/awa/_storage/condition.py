"""Reads of the condition of a server: what it allows, and whether it takes writes.

No actions, so they have no place among the methods of `Storage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from awa._storage import codec
from awa._storage.calls import Call

if TYPE_CHECKING:
    from awa._storage.calls import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How many connections this session's role may have at once; `limit` is None for no limit."""

    what: str
    """Whose limit it is, in words."""
    limit: int | None


def takes_writes() -> Call[int]:
    """Have the server begin to write, and write nothing. Raises what it refuses writes with."""
    return Call(
        action="takes_writes",
        sql="select txid_current()",
        params=(),
        decode=codec.scalar(int),
    )


# Superusers are bound by max_connections alone. What is reserved is counted out for all others:
# whoever may use some of it should not have to.
_ALLOWANCES: Final = """
select 'connection limit of role ' || quote_ident(r.rolname),
       case when r.rolsuper or r.rolconnlimit < 0 then null else r.rolconnlimit end
from pg_roles r where r.rolname = session_user
union all
select 'connection limit of database ' || quote_ident(d.datname),
       case when r.rolsuper or d.datconnlimit < 0 then null else d.datconnlimit end
from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = session_user
union all
select 'max_connections less what is reserved',
       current_setting('max_connections')::int
       - case when r.rolsuper then 0
              else current_setting('superuser_reserved_connections')::int
                   + coalesce(current_setting('reserved_connections', true), '0')::int end
from pg_roles r where r.rolname = session_user
"""


def allowances() -> Call[tuple[Allowance, ...]]:
    """Every limit on the connections of this session's role."""
    return Call(action="allowances", sql=_ALLOWANCES, params=(), decode=_allowances)


def _allowances(rows: Rows) -> tuple[Allowance, ...]:
    return tuple(Allowance(what=what, limit=limit) for what, limit in rows)
