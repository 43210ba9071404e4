"""Kinds that no worker can run, as workers tell them and as operators see them."""

import json

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.types.json import Jsonb

from awa.cli import main
from tests.fix_database import Session

TELL = "select awa.tell_unknown(%s, %s)"
KINDS = "select queue, kind, workers, times from awa.unknown_kinds() order by 1, 2"


def start(session: Session, worker: int, *kinds: str, queue: str = "default") -> None:
    """Start a worker with handlers for these kinds."""
    info = {"name": f"w{worker}", "host": "h", "pid": 1, "queues": [queue], "kinds": kinds}
    session.execute("select awa.worker_start(%s, %s)", [worker, Jsonb(info)])


def tell(session: Session, worker: int, *met: tuple[str, str, int]) -> None:
    """Tell what a worker meets."""
    kinds = [{"queue": queue, "kind": kind, "times": times} for queue, kind, times in met]
    session.execute(TELL, [worker, Jsonb(kinds)])


def awa(database: str, *words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["--database-url", database, *words])


def test_what_workers_tell_is_what_none_of_the_queue_can_run(one: Session) -> None:
    """Guards "no capable worker": sums over workers, gone with the first one that can, or told."""
    start(one, 1)
    start(one, 2, "mine")
    tell(one, 1, ("default", "a", 3), ("default", "b", 1), ("default", "mine", 1))
    tell(one, 2, ("default", "a", 2))
    assert [("default", "a", 2, 5), ("default", "b", 1, 1)] == one.execute(KINDS).fetchall()
    start(one, 3, "a", queue="another")
    assert 2 == len(one.execute(KINDS).fetchall()), "a worker of another queue does not help"
    start(one, 4, "a")
    assert [("default", "b", 1, 1)] == one.execute(KINDS).fetchall()
    tell(one, 1)
    assert [] == one.execute(KINDS).fetchall()
    tell(one, 99, ("default", "a", 1))
    assert [] == one.execute(KINDS).fetchall(), "who is not known says nothing"


@pytest.mark.parametrize("kinds", ["{}", "null", None])
def test_what_is_no_list_of_kinds_is_refused(one: Session, kinds: str | None) -> None:
    """Guards the view: it reads what workers of any language wrote."""
    with pytest.raises(psycopg.Error, match="must be an array"):
        one.execute(TELL, [1, kinds])


def test_operators_see_them_in_stats_and_health(one: Session, database: str) -> None:
    """Guards the alarm: a line, JSON, and the exit code of `awa health`."""
    one.execute("select awa.enqueue('lost', '{}')")
    start(one, 1)
    tell(one, 1, ("default", "lost", 7))
    line = "no capable worker: kind 'lost' in queue 'default'"
    assert line in awa(database, "queue", "stats").output
    (queue,) = json.loads(awa(database, "queue", "stats", "--json").stdout)
    assert ["lost"] == queue["unknown_kinds"]
    health = awa(database, "health")
    assert 1 == health.exit_code
    assert line in health.output
