"""Which databases are for tests: those that `Databases` made, and those that their owner marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, LiteralString

from awa._client.steps import ask
from awa._storage import codec
from awa._storage.calls import Call
from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from awa._client.steps import Steps

MARKING: Final[LiteralString] = (
    "create schema awa_testing;"
    " create table awa_testing.clock as select 0::double precision as passed_s"
)
"""What makes a database one for tests, whose owner runs it."""

_MARKED: Final = "select to_regclass('awa_testing.clock') is not null"


def require_for_tests(what: str) -> Steps[None]:
    """Raise ConfigurationError in any other database; `what` is done in those for tests alone."""
    marked = Call(action="marked", sql=_MARKED, params=(), decode=codec.scalar(bool))
    if not (yield from ask(marked)):
        raise ConfigurationError(
            f"{what} in databases for tests alone; if this is one, run there: {MARKING}"
        )
