"""Record what the SQL functions of one database did: logical decoding gives it in commit order.

The slot is created before the database's sessions open, because creating one waits for every
transaction that is running with an xid in the whole cluster.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import psycopg
from psycopg import sql

from correctness.traces import Recorded

_PREFIX: Final = "message: transactional: 1 prefix: "
_CONTENT: Final = "content:"


class Recording:
    """A logical slot on one database: everything that commits there is kept until it is read."""

    def __init__(self, conninfo: str, *, schema: str = "awa") -> None:
        """Switch the database's events on and create the slot."""
        self._conninfo: Final = conninfo
        self._schema: Final = schema
        self._slot: Final = f"awa_trace_{uuid4().hex[:16]}"
        with _session(conninfo) as session:
            name = sql.Identifier(session.info.dbname)
            session.execute(sql.SQL("alter database {} set awa.trace = 'on'").format(name))
            session.execute(
                "select pg_create_logical_replication_slot(%s, 'test_decoding')", [self._slot]
            )

    def finish(self) -> list[Recorded]:
        """Answer all events in commit order, a census of each lane last, and drop the slot."""
        with _session(self._conninfo) as session:
            recorded = self.take(session)
            session.execute("select pg_drop_replication_slot(%s)", [self._slot])
        return recorded

    def take(self, session: psycopg.Connection[tuple[Any, ...]]) -> list[Recorded]:
        """Answer what was recorded since the last time, a census of each lane last, and go on.

        The session is one that is not recorded itself.
        """
        return self.events(session) + self._census(session)

    def events(self, session: psycopg.Connection[tuple[Any, ...]]) -> list[Recorded]:
        """Answer the events since the last time, and go on."""
        rows = session.execute(
            "select xid::text::bigint, data from pg_logical_slot_get_changes(%s, null, null)"
            " where data like %s",
            [self._slot, _PREFIX + self._schema + ",%"],
        )
        return [
            Recorded(
                transaction=xid, event=json.loads(data[data.index(_CONTENT) + len(_CONTENT) :])
            )
            for xid, data in rows
        ]

    def _census(self, session: psycopg.Connection[tuple[Any, ...]]) -> list[Recorded]:
        schema = sql.Identifier(self._schema)
        found = session.execute(
            sql.SQL("select to_regprocedure(%s) is not null"), [f'"{self._schema}".census(int)']
        ).fetchone()
        if found != (True,):
            return []  # the test removed the schema
        rows = session.execute(
            sql.SQL("select {0}.census(lane) from {0}.lanes order by lane").format(schema)
        )
        return [Recorded(transaction=-number, event=row[0]) for number, row in enumerate(rows, 1)]


@contextmanager
def _session(conninfo: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(conninfo, autocommit=True) as session:
        # The recorder is no part of what it records.
        session.execute("set awa.trace = 'off'")
        yield session
