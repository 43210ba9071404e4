"""The methods of Storage that settle, act and maintain: what each sends arrives, and is read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from awa._core.entries import (
    ActAnswer,
    Answer,
    Ask,
    EvacuateAnswer,
    Fault,
    Observed,
    PruneAnswer,
    RescueAnswer,
    RotateAnswer,
    SettleItem,
    WorkerInfo,
)
from awa._core.ranges import Ranges
from awa._core.rescues import RescuedAttempt
from awa._storage.calls import Call
from awa._storage.executors import run_sync
from awa._storage.functions import Storage
from awa.errors import LimitExceeded, WrongTransaction
from tests.fix_database import Session
from tests.fix_sql import enqueue, job_states

T = TypeVar("T")
STORAGE = Storage("awa")
WORKER = 7
INFO = WorkerInfo(name="w", host="h", pid=1, queues=("default",), version="0")
ITEMS = [SettleItem(slot=0, token=1, part=1, seqs=Ranges())] * 501


@pytest.fixture
def do(one: Session) -> Callable[[Call[T]], T]:
    """Return `do(call)`, which runs a call on the test's session."""

    def run(call: Call[T]) -> T:
        return run_sync(one, call)

    return run


def claimed(one: Session, token: int, limit: int) -> SettleItem:
    """Return what a worker that is started when it is missing claims."""
    run_sync(one, STORAGE.worker_start(WORKER, INFO))
    call = STORAGE.claim(WORKER, call=token, token=token, asks=[Ask(queue="default", limit=limit)])
    (row,) = run_sync(one, call).rows
    return SettleItem(slot=row.slot, token=token, part=row.part, seqs=row.seqs)


def answers(settled: Any) -> list[tuple[Answer, list[int]]]:
    """Return who was answered what."""
    return sorted((one.answer, list(one.seqs)) for one in settled)


def test_each_way_to_settle_ends_its_numbers(one: Session, do: Any) -> None:
    """Guards the settle family: errors and delays reach their numbers, repeats say so."""
    for most in (1, 25, 25, 25, 25):
        enqueue(one, max_attempts=most)
    item = claimed(one, 1, 2)
    faults = [
        Fault(item=1, seq=1, error=b'{"error": "a", "type": "E"}'),
        Fault(item=1, seq=2, delay_s=60),
    ]
    found = do(STORAGE.retry(WORKER, 1, [item], faults))
    assert [(Answer.FAILED, [1]), (Answer.SETTLED, [2])] == answers(found)
    again = do(STORAGE.retry(WORKER, 1, [item], faults))
    assert {Answer.ALREADY} == {answer for answer, _ in answers(again)}
    snoozed = do(STORAGE.snooze(WORKER, 2, [claimed(one, 2, 1)], [60]))
    assert [(Answer.SETTLED, [3])] == answers(snoozed)
    fault = Fault(item=1, seq=4, error=b'{"error": "b"}')
    assert [(Answer.SETTLED, [4])] == answers(
        do(STORAGE.fail(WORKER, 3, [claimed(one, 3, 1)], [fault]))
    )
    cancelled = do(STORAGE.cancel_running(None, 4, [claimed(one, 4, 1)], reason="no"))
    assert [(Answer.SETTLED, [5])] == answers(cancelled)
    states = ["failed", "retryable", "scheduled", "failed", "cancelled"]
    assert list(enumerate(states, 1)) == job_states(one)
    errors = one.execute(
        "select extra -> 'errors' -> 0 ->> 'error' from awa.finals order by job_id"
    )
    assert [("a",), ("b",), (None,)] == errors.fetchall()


def test_each_act_answers_for_each_job_in_its_order(one: Session, do: Any) -> None:
    """Guards acts: the n-th answer is of the n-th job, whatever they were."""
    jobs = [enqueue(one), enqueue(one, delay_s=60)]
    found = do(STORAGE.cancel_pending(1, [99, *jobs], reason="no"))
    assert [1, 2, 3] == [act.item for act in found]
    assert [ActAnswer.UNKNOWN, ActAnswer.SETTLED, ActAnswer.SETTLED] == [a.answer for a in found]
    assert [None, "cancelled", "cancelled"] == [act.state for act in found]
    assert {ActAnswer.ALREADY} == {a.answer for a in do(STORAGE.cancel_pending(1, jobs))}
    assert [ActAnswer.SETTLED] == [a.answer for a in do(STORAGE.dlq_move(2, jobs[:1]))]
    retried = do(STORAGE.dlq_retry(3, jobs, queue="other", priority=1, delay_s=5))
    assert [("settled", "scheduled"), ("stale", "cancelled")] == [
        (act.answer, act.state) for act in retried
    ]
    assert ["settled"] == [a.answer for a in do(STORAGE.dlq_move(4, jobs[1:]))]
    assert ["settled"] == [a.answer for a in do(STORAGE.dlq_purge(5, jobs[1:]))]


def test_what_the_leader_calls_is_read(one: Session, do: Any) -> None:
    """Guards maintenance: counts and times arrive as values, in a quiet database."""
    job = enqueue(one, delay_s=60)
    assert do(STORAGE.arm_timer())
    waiting = do(STORAGE.promote())
    assert 0 == waiting.promoted
    assert datetime.now(UTC) < waiting.next_at < datetime.now(UTC) + timedelta(seconds=61)
    do(STORAGE.set_timer(waiting.next_at))
    do(STORAGE.set_timer(None))
    now = do(STORAGE.promote(max_jobs=5, since=datetime.now(UTC), job_ids=[job]))
    assert (1, None) == (now.promoted, now.next_at)
    assert do(STORAGE.lead())
    assert do(STORAGE.rescue_deadline(since=datetime.now(UTC))).next_at is None
    retired = do(STORAGE.retire(max_jobs=5, keep_s=0, dlq_keep_s=0))
    assert (0, 0) == (retired.finals, retired.dead_letters)
    turned = do(STORAGE.rotate(max_age_s=0))
    assert (RotateAnswer.TURNED, 1) == (turned.answer, turned.slot)
    assert EvacuateAnswer.MOVED is do(STORAGE.evacuate(0)).answer
    pruned = do(STORAGE.prune(0, keep_s=0))
    assert (PruneAnswer.PRUNED, 0) == (pruned.answer, pruned.reappended)
    assert pruned.freed_bytes > 0
    assert PruneAnswer.CURRENT is do(STORAGE.prune(1)).answer


def test_workers_are_observed_and_rescued(one: Session, do: Any) -> None:
    """Guards liveness: counters, locks and strays are read; what was ended elsewhere is told."""
    job = enqueue(one)
    item = claimed(one, 5, 1)
    assert (Observed(worker=WORKER, beat=0, alive=False, beaten=False),) == do(STORAGE.observe())
    assert () == do(STORAGE.strays())
    assert RescueAnswer.ALIVE is do(STORAGE.rescue_worker(WORKER, beat=3)).answer
    gone = do(STORAGE.rescue_worker(WORKER, beat=0, max_claims=9, kinds=["k", "other"]))
    assert (RescueAnswer.GONE, 1, 0, 0) == (gone.answer, gone.released, gone.ended, gone.busy)
    assert (RescuedAttempt(job, "k", "default", 1, 1, b"{}"),) == gone.rescued
    assert (WORKER,) == do(STORAGE.strays())
    (ended,) = do(STORAGE.ended_elsewhere(WORKER, calls=Ranges([(1, 9)])))
    assert (5, 1, "lost") == (ended.token, ended.part, ended.outcome)
    assert item.seqs == ended.seqs


def test_too_much_in_one_call_is_refused_before_it_is_sent() -> None:
    """Guards locks that are held to the end of a call: items and jobs are bounded."""
    with pytest.raises(LimitExceeded, match="501 items"):
        STORAGE.retry(WORKER, 1, ITEMS)
    with pytest.raises(LimitExceeded, match="501 jobs"):
        STORAGE.dlq_purge(1, range(501))


def test_an_act_inside_a_larger_transaction_is_told_so(one: Session, do: Any) -> None:
    """Guards AW007: the caller's fault, with what to do."""
    job = enqueue(one)
    one.execute("begin")
    one.execute("select txid_current()")
    with pytest.raises(WrongTransaction):
        do(STORAGE.cancel_pending(1, [job]))
    one.execute("rollback")


def test_names_of_any_letters_are_asked_for(one: Session) -> None:
    """Guards queues' names: what an array's literal uses for itself is theirs to use, too."""
    names = ["q", 'a"b', "c\\d", "{e,f}", "null", "größe 🐦", " "]
    for name in names:
        one.execute("select awa.enqueue('k', '{}', jsonb_build_object('queue', %s::text))", [name])
    run_sync(one, STORAGE.worker_start(WORKER, INFO))
    asks = [Ask(queue=name, limit=1) for name in names]
    answer = run_sync(one, STORAGE.claim(WORKER, call=1, token=1, asks=asks))
    assert sorted(names) == sorted(row.queue for row in answer.rows)
