from psycopg.types.json import Jsonb

from tests.fix_database import Session
from tests.fix_sql import (
    claim,
    complete,
    enqueue,
    enqueue_many,
    refused,
    release,
    row,
    start_worker,
)


def test_bodies_are_what_the_claim_took(one: Session) -> None:
    """Guards BodyKept: every column as it was enqueued."""
    start_worker(one)
    args = {"text": "größe 🐦 \\ ' \"", "null": None, "deep": [[1.5, {"x": True}]], "big": 10**30}
    opts = {"max_attempts": 3, "tags": ["a", "b"], "metadata": {"k": "v"}, "deadline_s": 1.5}
    one.execute("select awa.enqueue('kind ß', %s, %s)", [Jsonb(args), Jsonb(opts)])
    claim(one, token=-7, call=1)
    found = row(
        one,
        "select slot, part, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind,"
        " args, extra, enqueued_at <= clock_timestamp() from awa.bodies(-7)",
    )
    extra = {"tags": ["a", "b"], "metadata": {"k": "v"}, "deadline_s": 1.5}
    assert (0, 1, 1, 1, 1, 1, 1, 3, 0, "kind ß", args, extra, True) == found


def test_only_what_is_still_open_has_a_body(one: Session) -> None:
    """Guards a repeat after a settle: completed and released numbers are not run again."""
    start_worker(one)
    enqueue_many(one, 5)
    found = claim(one, token=1).row
    complete(one, found, seqs=[2], settle_id=1)
    release(one, found, seqs=[4], settle_id=2)
    bodies = one.execute("select seq, args from awa.bodies(1) order by seq").fetchall()
    assert [(1, {"n": 1}), (3, {"n": 3}), (5, {"n": 5})] == bodies
    complete(one, found, settle_id=3)
    assert [] == one.execute("select * from awa.bodies(1)").fetchall()


def test_an_unknown_token_has_no_bodies(one: Session) -> None:
    """Guards the token: available entries and others' claims are not shown by it."""
    start_worker(one)
    enqueue(one)
    for token in (1, None):
        assert [] == one.execute("select * from awa.bodies(%s)", [token]).fetchall()


def test_bodies_of_several_rows_name_slot_part_and_lane(one: Session) -> None:
    """Guards receipts: each body says which claims row it belongs to."""
    start_worker(one)
    for slot, priority in ((2, 1), (11, 1), (11, 4)):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        enqueue(one, priority=priority)
    found = claim(one, token=1)
    bodies = one.execute("select slot, part, lane, seq from awa.bodies(1) order by part").fetchall()
    assert [(r.slot, r.part, r.lane, r.seqs[0]) for r in found.rows] == bodies
    assert [(2, 1, 1, 1), (11, 2, 1, 2), (11, 3, 2, 1)] == bodies


def test_a_guess_finds_what_is_in_its_slots_and_no_more(one: Session) -> None:
    """Guards the short way to bodies: a wrong guess shows less, and never something else."""
    start_worker(one)
    for slot in (2, 11):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        enqueue(one)
    claim(one, token=1)
    guessed = "select slot, seq from awa.bodies(1, %s) order by seq"
    for guess, found in (([11, 2, 2], [(2, 1), (11, 2)]), ([11], [(11, 2)]), ([5], []), ([], [])):
        assert found == one.execute(guessed, [guess]).fetchall()


def test_a_guess_that_names_no_slot_is_refused(one: Session) -> None:
    """Guards the contract: a wrong guess is the caller's fault, and says so."""
    for guess in ([16], [-1], [None]):
        with refused("AW001", "guess"):
            one.execute("select * from awa.bodies(1, %s)", [guess])


def test_large_bodies_survive_and_are_copied_by_a_release(one: Session) -> None:
    """Guards BodyKept: a megabyte of incompressible arguments."""
    start_worker(one)
    one.execute(
        "select awa.enqueue('k', jsonb_build_object('x', (select string_agg(md5(i::text), '')"
        " from generate_series(1, 30000) i)))"
    )
    sum_of = "select md5(args::text) from awa.bodies(%s)"
    first = claim(one, token=1).row
    before = row(one, sum_of, [1])
    release(one, first)
    claim(one, token=2)
    assert before == row(one, sum_of, [2])
