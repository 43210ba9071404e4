"""A transaction of the client's: losing the answer to its COMMIT has a name, whatever carries it.

The trio driver knows this by itself; psycopg's own connections raise the same error for it as for
a statement that failed, which says that nothing was written.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg

from awa.errors import OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LOST: Final = "the connection broke during COMMIT: the transaction may or may not have happened"


@asynccontextmanager
async def in_transaction(conn: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    """A transaction around the block. Raises OutcomeUnknown when COMMIT was not answered."""
    ended_well = False
    try:
        async with conn.transaction():
            yield
            ended_well = True
    except psycopg.OperationalError as error:
        if ended_well and conn.closed:
            raise OutcomeUnknown(LOST) from error
        raise


@contextmanager
def in_transaction_sync(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """The same on a synchronous connection."""
    ended_well = False
    try:
        with conn.transaction():
            yield
            ended_well = True
    except psycopg.OperationalError as error:
        if ended_well and conn.closed:
            raise OutcomeUnknown(LOST) from error
        raise
