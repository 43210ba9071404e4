"""A worker that the server does not let in ends at its start, and says what to do."""

import pytest
import trio
from psycopg.conninfo import make_conninfo

import awa

SOON_S = 20.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "wrong"}, r"password.*PGPASSWORD"),
        ({"dbname": "nowhere"}, r"does not exist: create it, or correct its name"),
        ({"user": "nobody", "password": "wrong"}, r"nobody.*(PGPASSWORD|correct the user)"),
    ],
    ids=["password", "database", "role"],
)
async def test_a_worker_that_is_not_let_in_ends_at_its_start(
    database: str, wrong: dict[str, str], said: str
) -> None:
    """Guards whoever starts it: to wait in silence for what waiting does not cure helps nobody."""
    client = awa.AsyncClient(make_conninfo(database, **wrong))
    with trio.fail_after(SOON_S):
        async with client:
            with pytest.raises(awa.ServerRefused, match=said):
                await client.start([("q", 1)])


async def test_a_producer_is_told_the_same(database: str) -> None:
    """Guards the twins: the error is the same, and still one of an unreachable server."""
    nowhere = make_conninfo(database, dbname="nowhere")
    async with awa.AsyncClient(nowhere) as client:
        with pytest.raises(awa.ServerUnreachable, match="correct its name"):
            await client.queue_stats()
    with awa.Client(nowhere) as twin, pytest.raises(awa.ServerRefused, match="correct its name"):
        twin.queue_stats()
