from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fix_database import Session
from tests.fix_sql import claim, enqueue_many, everything, refused, start_worker, value

MANY = "select * from awa.enqueue_many(%s::jsonb)"


def test_the_answer_and_the_numbers_follow_the_document(one: Session) -> None:
    """Guards the order: ids as in the document, and within a lane the numbers too."""
    start_worker(one)
    jobs = [
        {"kind": "k", "args": n, "opts": {"queue": "ab"[n % 2], "priority": 1 + n % 3}}
        for n in range(60)
    ]
    found = one.execute(MANY, [Jsonb(jobs)]).fetchall()
    assert [(n, "available", False, "inserted") for n in range(1, 61)] == found
    entries = one.execute(
        "select l.queue, l.priority, array_agg(r.args::int order by r.seq)"
        " from awa.ready r join awa.lanes l using (lane) group by 1, 2 order by 1, 2"
    ).fetchall()
    assert [
        (queue, priority, [n for n in range(60) if (n % 2, n % 3) == (index, priority - 1)])
        for index, queue in enumerate("ab")
        for priority in (1, 2, 3)
    ] == entries
    assert 60 == len(claim(one, 60, queues=["a", "b"], limits=[60, 60]).seqs)


def test_an_empty_document_is_nothing(one: Session) -> None:
    """Guards the edge: no jobs, no answer, no lane."""
    before = everything(one)
    assert [] == one.execute(MANY, [Jsonb([])]).fetchall()
    assert before == everything(one)


def test_options_that_are_missing_or_null_are_the_defaults(one: Session) -> None:
    """Guards opts: left out, null and empty mean the same."""
    job = {"kind": "k", "args": 1}
    one.execute(MANY, [Jsonb([job, job | {"opts": None}, job | {"opts": {}}])])
    found = one.execute("select distinct queue, priority, max_attempts, extra from awa.jobs")
    assert [("default", 2, 25, {})] == found.fetchall()


def test_a_document_keeps_each_jobs_own_options(one: Session) -> None:
    """Guards against sharing: options are read once per set, and given to the right jobs."""
    jobs = [
        {"kind": f"k{n}", "args": n, "opts": {"max_attempts": 1 + n % 2, "tags": [str(n % 3)]}}
        for n in range(12)
    ]
    one.execute(MANY, [Jsonb(jobs)])
    found = one.execute("select kind, max_attempts, extra from awa.jobs order by id").fetchall()
    assert [(f"k{n}", 1 + n % 2, {"tags": [str(n % 3)]}) for n in range(12)] == found


def test_bad_documents_are_refused_and_nothing_is_written(one: Session) -> None:
    """Guards AW001: the place of the bad job is named, from 0; the good ones go with it."""
    enqueue_many(one, 1)
    before = everything(one)
    good = {"kind": "k", "args": {}, "opts": {"queue": "new"}}
    documents: list[Any] = [None, {}, "x"]
    for document in documents:
        with refused("AW001", "jobs"):
            one.execute(MANY, [None if document is None else Jsonb(document)])
    bad_jobs: list[Any] = [
        5,
        None,
        [good],
        {"args": {}},
        {"kind": None, "args": {}},
        {"kind": "", "args": {}},
        {"kind": "k" * 201, "args": {}},
        {"kind": 5, "args": {}},
        {"kind": {"k": 1}, "args": {}},
        {"kind": "k"},
        {"kind": "k", "args": None},
        {"kind": "k", "args": {}, "optoins": {"queue": "typo"}},
        {},
    ]
    for bad in bad_jobs:
        with refused("AW001", "jobs[1]"):
            one.execute(MANY, [Jsonb([good, bad, {"kind": ""}])])
    assert before == everything(one)


def test_documents_of_alike_jobs_refuse_a_bad_one_as_others_do(one: Session) -> None:
    """Guards the short way that most documents take: it is stored as it is read, and all goes."""
    enqueue_many(one, 1)
    before = everything(one)
    good = {"kind": "k", "args": 1}
    bad_jobs: list[Any] = [5, None, [], {}, {"kind": "k"}, {"kind": 5, "args": 1}]
    bad_jobs += [good | {"kind": "k" * 201}, good | {"args": None}, good | {"optoins": {}}]
    for bad in bad_jobs:
        with refused("AW001", "jobs[2]"):
            one.execute(MANY, [Jsonb([good, good | {"opts": {}}, bad, bad])])
    with refused("AW001", "jobs[0]"):
        one.execute(MANY, [Jsonb(["k", good])])
    for opts in ({"priority": 5}, ["unique"], "unique", 7):
        with refused("AW001", "priority" if isinstance(opts, dict) else "opts"):
            one.execute(MANY, [Jsonb([good | {"opts": opts}] * 2)])
    assert before == everything(one)


def test_jobs_of_one_document_need_not_be_alike(one: Session) -> None:
    """Guards the choice of the way: what differs, waits, or has shards is stored as it says."""
    good = {"kind": "k", "args": 1}
    later = good | {"opts": {"delay_s": 60}}
    for document in ([good, later], [later, later], [later, good]):
        found = one.execute(MANY, [Jsonb(document)]).fetchall()
        assert [{True: "scheduled", False: "available"}[job is later] for job in document] == [
            state for _, state, _, _ in found
        ]
    one.execute("""select awa.configure_queue('default', '{"enqueue_shards": 2}')""")
    one.execute(MANY, [Jsonb([good] * 10)])
    assert 2 == value(one, "select count(distinct lane) from awa.ready")


@pytest.mark.bulk
def test_five_thousand_jobs_go_in_one_document(one: Session) -> None:
    """Guards the bulk path: contiguous numbers, one lane, one transaction."""
    ids = enqueue_many(one, 5000)
    assert list(range(1, 5001)) == ids
    assert (1, 5000) == one.execute("select min(seq), max(seq) from awa.ready").fetchone()
    assert 1 == value(one, "select count(distinct xmin::text) from awa.ready")
