"""One method per SQL function, each of the same name, each making a Call and doing nothing.

Values travel as text wherever drivers disagree on a type (multiranges, JSON), with the casts
written out: so the same Call runs on psycopg, asyncpg and SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from awa._storage import codec
from awa._storage.acts import Acts
from awa._storage.claims import Claims
from awa._storage.producers import Producers
from awa._storage.schedules import Schedules
from awa._storage.sessions import Sessions
from awa._storage.settles import Settles
from awa._storage.upkeep import Upkeep

if TYPE_CHECKING:
    from awa._core import entries
    from awa._storage.calls import Call


class Storage(Producers, Claims, Settles, Acts, Upkeep, Schedules, Sessions):
    """The SQL contract of one schema. Immutable, cheap, shared by every task and thread."""

    def check(self) -> Call[tuple[entries.Violation, ...]]:
        """Every property that does not hold in the database as it is; empty when all is well."""
        return self._call("check", "", (), codec.violations, columns="property, detail")

    def census(self, lane: int) -> Call[str]:
        """All that the database knows about one lane, as the JSON text that replay compares."""
        return self._call("census", "%s::int", (lane,), codec.scalar(str), columns="census::text")

    def schema_version(self) -> Call[int]:
        """The version of the installed schema. The executor raises SchemaMissing without one."""
        return self._call("schema_version", "", (), codec.scalar(int))
