"""The events that the SQL functions emit, read from a logical slot in the order of commits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

if TYPE_CHECKING:
    import psycopg

BATCH_CHANGES: Final = 10_000
PREFIX: Final = "message: transactional: 1 prefix: "
CONTENT: Final = "content:"


class TraceSlot:
    """A logical slot on the database of a connection in autocommit (its user needs REPLICATION).

    While it exists the server keeps everything that was not read from it: drop it.
    """

    def __init__(self, conn: psycopg.Connection[Any], *, slot: str, schema: str) -> None:
        self._conn = conn
        self._slot = slot
        self._schema = schema

    def create(self) -> None:
        """Create the slot, and let every new session of the database emit events."""
        self._conn.execute(
            "select pg_create_logical_replication_slot(%s, 'test_decoding')", [self._slot]
        )
        try:
            self._switch("set awa.trace = 'on'")
        except BaseException:
            self._drop_slot()
            raise

    def drop(self) -> None:
        """Drop the slot, and let new sessions emit no events."""
        self._switch("reset awa.trace")
        self._drop_slot()

    def read(self) -> tuple[list[str], bool]:
        """Take committed events, as lines of JSON; and whether there may be more of them now."""
        rows = self._conn.execute(
            "select xid::text::bigint, case when data like %s then data end"
            " from pg_logical_slot_get_changes(%s, null, %s)",
            [f"{PREFIX}{self._schema},%", self._slot, BATCH_CHANGES],
        ).fetchall()
        lines = [event_line(xid, data) for xid, data in rows if data is not None]
        return lines, len(rows) >= BATCH_CHANGES

    def census(self) -> list[str]:
        """What is in each lane now: the end of a trace that is to be replayed."""
        rows = self._conn.execute(
            sql.SQL("select {0}.census(lane)::text from {0}.lanes order by lane").format(
                sql.Identifier(self._schema)
            )
        )
        return [json.dumps(json.loads(text)) for (text,) in rows]

    def _drop_slot(self) -> None:
        self._conn.execute("select pg_drop_replication_slot(%s)", [self._slot])

    def _switch(self, how: str) -> None:
        database = sql.Identifier(self._conn.info.dbname)
        self._conn.execute(sql.SQL("alter database {} ").format(database) + sql.SQL(how))


def event_line(transaction: int, data: str) -> str:
    """One event with its transaction, as test_decoding prints it, as a line of JSON."""
    event = json.loads(data[data.index(CONTENT) + len(CONTENT) :])
    return json.dumps({"tx": transaction, **event})
