from psycopg.types.json import Jsonb

from tests.fix_database import Session
from tests.fix_sql import (
    beat,
    claim,
    complete,
    enqueue,
    enqueue_many,
    release,
    start_worker,
    value,
)

CENSUS = "select awa.census(%s)"


def test_a_new_lane_is_empty(one: Session) -> None:
    """Guards the edges: no claim yet, and a lane that is not there."""
    one.execute("select awa.ensure_lane('q')")
    assert {
        "a": "census",
        "lane": 1,
        "no": 0,
        "next": 1,
        "holes": "{}",
        "entries": [],
        "claims": [],
        "closures": [],
        "withdrawn": [],
        "deferred": [],
        "finals": [],
        "dead": [],
        "progress": [],
        "bounds": [],
        "unique": [],
    } == value(one, CENSUS, [1])
    assert value(one, CENSUS, [2]) is None


def test_everything_known_of_a_lane_is_told(one: Session, other: Session) -> None:
    """Guards the last event of a trace: entries, claims, closures and both groups of holes."""
    start_worker(one)
    enqueue(one, queue="other")
    enqueue_many(one, 2)  # 1, 2
    row = claim(one, token=11).row
    complete(one, row, seqs=[1], settle_id=1)
    release(one, row, seqs=[2], settle_id=2)  # 3
    with other.transaction():
        enqueue(other)  # 4
        one.execute("select setval('awa.ring_seq', 6)")
        enqueue(one)  # 5
        assert [3, 5] == claim(one, 5, token=12).seqs
        enqueue(other)  # 6
        enqueue(one)  # 7
        assert [7] == claim(one, 5, token=13).seqs
        beat(one, 1, 13, [11, 12])
        told = value(one, CENSUS, [2])
    assert (3, 8, "{[4,5),[6,7)}") == (told["no"], told["next"], told["holes"])
    assert [[0, 1, 2, 1, 1, 0], [0, 2, 3, 1, 1, 0], [0, 3, 3, 2, 1, 0]] == told["entries"][:3]
    assert [[6, 5, 1, 1, 0], [6, 7, 1, 1, 0], [6, 8, 2, 1, 1]] == [
        [e[0], e[1], *e[3:]] for e in told["entries"][3:]
    ]
    assert [
        [0, 11, 1, "{[1,3)}"],
        [0, 12, 1, "{[3,4)}"],
        [6, 12, 2, "{[5,6)}"],
        [6, 13, 1, "{[7,8)}"],
    ] == told["claims"]
    assert [
        [0, 11, 1, "{[1,2)}", "completed"],
        [0, 11, 1, "{[2,3)}", "released"],
        [6, 13, 1, "{[7,8)}", "lost"],
    ] == told["closures"]


def test_jobs_outside_the_ring_are_told(one: Session) -> None:
    """Guards the last event of a trace: what was withdrawn, waits, ended or is a dead letter."""
    one.execute("select awa.ensure_lane('default')")
    for delay_s, most in ((0, 3), (60, 4), (60, 5), (0, 6)):
        options = Jsonb({"delay_s": delay_s, "max_attempts": most})
        one.execute("select * from awa.enqueue('k', '1', %s)", [options])
    one.execute("select * from awa.cancel_pending(1, '{1,3,4}')")
    one.execute("select * from awa.dlq_move(2, '{4}')")
    told = value(one, CENSUS, [1])
    assert [[0, "{[1,3)}"]] == told["withdrawn"]
    assert [[2, "scheduled", 0, 1, 0]] == told["deferred"]
    assert [[1, "cancelled", 1, 1, 0], [3, "cancelled", 0, 1, 0]] == told["finals"]
    assert [[4, "cancelled", 1, 1, 0]] == told["dead"]
    assert [[1, 3], [2, 4], [3, 5], [4, 6]] == told["bounds"]


def test_unique_keys_are_told(one: Session) -> None:
    """Guards UniqueHeldOnce in a replay: which job asks for which key, in which states."""
    one.execute("select awa.ensure_lane('default')")
    for key, until in (("00" * 16, "started"), ("11" * 16, "window")):
        unique = {"key": key, "until": until, "period_s": 60}
        one.execute("select * from awa.enqueue('k', '1', %s)", [Jsonb({"unique": unique})])
    assert [[1, "00" * 16, ["started"]]] == value(one, CENSUS, [1])["unique"]


def test_the_schema_says_its_version(one: Session) -> None:
    """Guards the version: what a program asks before anything else."""
    assert 1 == value(one, "select awa.schema_version()")
