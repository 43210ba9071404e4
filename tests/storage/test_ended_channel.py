"""The channel of attempts that others ended has one name on both sides."""

import pytest
from psycopg import sql

from awa._storage.install import migrate_sync
from awa._storage.names import ended_channel
from tests.fix_database import open_session


@pytest.mark.parametrize("schema", ["awa", "a" * 63, "\N{SNOWMAN}" * 21, "ä" * 28 + "bc"])
def test_python_and_sql_agree_on_the_channel(empty_database: str, schema: str) -> None:
    """Guards schemas with long names: both cut at a character, in bytes."""
    migrate_sync(empty_database, schema=schema)
    with open_session(empty_database) as session:
        asked = sql.SQL("select {}.ended_channel()").format(sql.Identifier(schema))
        assert (ended_channel(schema),) == session.execute(asked).fetchone()
