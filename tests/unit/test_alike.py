"""Failures that are alike: few records, and no failure that is not counted."""

import logging

from awa._core.entries import Body
from awa._core.failures import Failure
from awa._runtime.alike import Alike
from awa._runtime.ledger import Held
from awa._runtime.limits import FAILURE_SORTS_MAX, FAILURES_ALIKE_S, FAILURES_TOLD

HELD = Held(
    queue="q",
    priority=2,
    call=1,
    token=7,
    slot=0,
    part=1,
    deadline_s=float("inf"),
    taken_s=0.0,
    jobs=10_000,
)


def fail(alike: Alike, failures: int, *, kind: str = "number", error: str = "ValueError") -> int:
    """Let jobs 1, 2, 3 ... of this kind fail with this error; returns how many have a record."""
    told = 0
    for job_id in range(1, failures + 1):
        body = Body(0, 1, 1, job_id, job_id, 1, 1, 25, 0, kind, b"{}", b"{}", 0.0)
        told += alike.tells(logging.ERROR, HELD, body, Failure(type=error, message=f"job {job_id}"))
    return told


def test_the_first_few_have_a_record_each_and_the_others_one_together() -> None:
    """Guards the log against a storm: what it leaves out it counts, and names the last of them."""
    alike = Alike()
    assert FAILURES_TOLD == fail(alike, 1000)
    assert [] == list(alike.ended(100.0)), "the span begins with this look"
    assert [] == list(alike.ended(100.0 + FAILURES_ALIKE_S / 2))
    (span,) = alike.ended(100.0 + FAILURES_ALIKE_S)
    assert (1000 - FAILURES_TOLD, FAILURES_ALIKE_S) == (span.untold, span.seconds)
    assert (1000, "job 1000") == (span.body.job_id, span.failure.message)
    assert logging.ERROR == span.level
    assert [] == list(alike.ended(1000.0)), "each span is answered once"


def test_a_new_span_has_records_again() -> None:
    """Guards those who read the log hours later: a storm that lasts is seen all the time."""
    alike = Alike()
    fail(alike, 1000)
    list(alike.ended(0.0))
    list(alike.ended(FAILURES_ALIKE_S))
    assert 3 == fail(alike, 3)
    list(alike.ended(2 * FAILURES_ALIKE_S))
    assert [] == list(alike.ended(9 * FAILURES_ALIKE_S)), "nothing was left out"


def test_another_kind_or_another_error_is_not_hidden() -> None:
    """Guards the one failure that matters against a thousand others."""
    alike = Alike()
    fail(alike, 1000)
    assert 1 == fail(alike, 1, kind="other")
    assert 1 == fail(alike, 1, error="OSError")


def test_sorts_are_told_apart_up_to_a_number() -> None:
    """Guards memory and log against kinds or errors that somebody makes up one by one."""
    alike = Alike()
    told = sum(fail(alike, 1, error=f"Error{n}") for n in range(FAILURE_SORTS_MAX + 1000))
    assert FAILURE_SORTS_MAX + FAILURES_TOLD == told
    (span,) = alike.all(0.0)
    assert 1000 - FAILURES_TOLD == span.untold


def test_what_was_counted_is_said_at_the_end() -> None:
    """Guards the last span of a worker that stops."""
    alike = Alike()
    fail(alike, FAILURES_TOLD + 1)
    fail(alike, 1, kind="other")
    (span,) = alike.all(5.0)
    assert 1 == span.untold
    assert [] == list(alike.all(5.0))
