import json
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from awa._core.entries import Ask
from awa._storage.executors import run_sync
from awa._storage.functions import Storage
from tests.fix_database import Session
from tests.fix_sql import (
    bodies,
    claim,
    complete,
    enqueue,
    enqueue_many,
    refused,
    release,
    row,
    start_worker,
    value,
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
        " args, extra, to_timestamp(enqueued_s) <= clock_timestamp() from " + bodies("-7"),
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
    read = one.execute("select seq, args from " + bodies("1") + " order by seq").fetchall()
    assert [(1, {"n": 1}), (3, {"n": 3}), (5, {"n": 5})] == read
    complete(one, found, settle_id=3)
    assert [] == one.execute("select * from awa.bodies(1)").fetchall()


def test_many_entries_come_in_several_rows_and_none_is_lost_between_them(one: Session) -> None:
    """Guards the bound on a row, and what a worker puts together of such rows: gaps and all."""
    start_worker(one)
    enqueue_many(one, 130)
    found = claim(one, token=1, limit=130).row
    complete(one, found, seqs=[1, 50, 51, 120], settle_id=1)
    assert 50 >= value(one, "select max(cardinality(seqs)) from awa.bodies(1)")
    (read,) = run_sync(one, Storage(schema="awa").bodies(1))
    left = [seq for seq in range(1, 131) if seq not in {1, 50, 51, 120}]
    assert [(seq, seq, b'{"n": %d}' % seq) for seq in left] == [
        (body.seq, body.job_id, body.args) for body in read
    ]


def test_a_line_feed_in_a_text_separates_nothing(one: Session) -> None:
    """Guards BodyKept: between two JSON texts there is a line feed, and in none of them."""
    start_worker(one)
    nasty = {"a\nb": "c\n\r\u2028\x85\\n", "d": ["\n"]}
    for _ in range(2):
        one.execute("select awa.enqueue('k', %s, %s)", [Jsonb(nasty), Jsonb({"metadata": nasty})])
    claim(one, token=1)
    (read,) = run_sync(one, Storage(schema="awa").bodies(1))
    assert 2 * [(nasty, {"metadata": nasty})] == [
        (json.loads(body.args), json.loads(body.extra)) for body in read
    ]


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
    read = one.execute(
        "select slot, part, lane, seq from " + bodies("1") + " order by part"
    ).fetchall()
    assert [(r.slot, r.part, r.lane, r.seqs[0]) for r in found.rows] == read
    assert [(2, 1, 1, 1), (11, 2, 1, 2), (11, 3, 2, 1)] == read


def test_a_guess_finds_what_is_in_its_slots_and_no_more(one: Session) -> None:
    """Guards the short way to bodies: a wrong guess shows less, and never something else."""
    start_worker(one)
    for slot in (2, 11):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        enqueue(one)
    claim(one, token=1)
    guessed = "select slot, seq from " + bodies("1, %s") + " order by seq"
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
    sum_of = "select md5(args::text) from " + bodies("%s")
    first = claim(one, token=1).row
    before = row(one, sum_of, [1])
    release(one, first)
    claim(one, token=2)
    assert before == row(one, sum_of, [2])


BODY = (
    "select slot, part, lane, seq, job_id, run_lease, attempt, max_attempts, losses, kind, args,"
    " extra, enqueued_s from " + bodies("%s") + " order by part, seq"
)


def brought(one: Session, token: int, *, limit: int = 10, bodies_max: int = 8) -> list[Any]:
    """Claim, and return what each row brings."""
    rows = one.execute(
        "select slot, part, lane, bodies::jsonb from awa.claim(1, %s, %s, '{default}', %s, %s)"
        " where answer = 'got' order by part",
        [token, token, [limit], bodies_max],
    ).fetchall()
    return [None if came is None else (*at, came) for *at, came in rows]


def test_a_few_small_bodies_come_with_the_claim(one: Session) -> None:
    """Guards the short way: it brings what `bodies` would, from every slot and lane."""
    start_worker(one)
    args = {"text": "größe 🐦 \\ ' \"", "null": None, "deep": [[1.5, {"x": True}]], "big": 10**30}
    one.execute("select awa.enqueue('kind ß', %s, %s)", [Jsonb(args), Jsonb({"tags": ["a"]})])
    for slot, priority in ((2, 1), (11, 4)):
        one.execute("select setval('awa.ring_seq', %s)", [slot])
        enqueue_many(one, 2, priority=priority)
    found = brought(one, 1)
    read = one.execute(BODY, [1]).fetchall()
    assert 5 == len(read)
    assert read == [(slot, part, lane, *body) for slot, part, lane, came in found for body in came]


def test_both_ways_bring_equal_bodies(one: Session) -> None:
    """Guards handlers: which way a job came, nobody can tell."""
    start_worker(one)
    one.execute("select awa.enqueue('kind ß', %s, %s)", [Jsonb({"a": [1.50]}), Jsonb({})])
    storage = Storage(schema="awa")
    asks = [Ask(queue="default", limit=9)]
    answer = run_sync(one, storage.claim(1, call=1, token=1, asks=asks, bodies_max=8))
    assert run_sync(one, storage.bodies(1)) == tuple(row.bodies for row in answer.rows)


@pytest.mark.parametrize(
    ("jobs", "text", "bodies_max"),
    [(9, "", 8), (1, "", 0), (1, "x" * 5000, 8), (1, "x" * 100_000, 8), (8, "x" * 500, 8)],
)
def test_many_or_large_bodies_are_asked_for(
    one: Session, jobs: int, text: str, bodies_max: int
) -> None:
    """Guards the lane: an answer too long for the server's buffer is sent before the commit."""
    start_worker(one)
    args = Jsonb([{"kind": "k", "args": {"text": text}}] * jobs)
    one.execute("select awa.enqueue_many(%s)", [args])
    assert [None] == brought(one, 1, bodies_max=bodies_max)
    assert jobs == len(one.execute(BODY, [1]).fetchall())


def test_a_claim_asked_again_brings_no_bodies(one: Session) -> None:
    """Guards a repeat: what is still open of it is read by its token, wherever it is now."""
    start_worker(one)
    enqueue(one)
    assert [None] != brought(one, 1)
    assert [None] == brought(one, 1)


def test_a_claim_of_nothing_but_withdrawn_jobs_brings_nothing(one: Session) -> None:
    """Guards the share of each body: there may be none to share among."""
    start_worker(one)
    job = enqueue(one)
    one.execute("select * from awa.cancel_pending(1, array[%s]::bigint[])", [job])
    assert [] == brought(one, 1)


@pytest.mark.parametrize("bodies_max", [-1, 17, None])
def test_a_number_of_bodies_beyond_the_bounds_is_refused(
    one: Session, bodies_max: int | None
) -> None:
    """Guards the buffer's bound."""
    start_worker(one)
    with refused("AW001", "bodies_max"):
        brought(one, 1, bodies_max=bodies_max)  # type: ignore[arg-type]
