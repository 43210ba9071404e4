"""Which errors are tried again, and when."""

from datetime import timedelta
from typing import Any

import pytest

import awa
from awa._core.retrying import DEFAULT_POLICY, checked_policy


class Refused(awa.TerminalError):
    """A subclass of a user's own."""


def test_without_a_policy_all_errors_but_terminal_ones_are_tried_again() -> None:
    """Guards the default: the database chooses the delay, `TerminalError` ends the job."""
    assert not DEFAULT_POLICY.is_final(ValueError())
    assert not DEFAULT_POLICY.is_final(SystemExit(1))
    assert DEFAULT_POLICY.is_final(Refused())
    assert None is DEFAULT_POLICY.delay_s(1, ValueError())


def test_a_terminal_error_in_a_nursery_is_terminal() -> None:
    """Guards handlers with nurseries: theirs come out wrapped in groups."""
    group = ExceptionGroup("nursery", [ValueError(), ExceptionGroup("", [Refused()])])
    assert DEFAULT_POLICY.is_final(group)
    assert not DEFAULT_POLICY.is_final(ExceptionGroup("nursery", [ValueError()]))


def test_fail_on_ends_the_job_and_wins() -> None:
    """Guards a choice that was made: `KeyError` is a `LookupError`, and is named as final."""
    policy = checked_policy(retry_on=LookupError, fail_on=[KeyError])
    assert policy.is_final(KeyError())
    assert not policy.is_final(IndexError())
    assert policy.is_final(ValueError()), "not among those to retry"


def test_retry_on_of_a_group_looks_at_all_its_errors() -> None:
    """Guards a group of which one error is not to be retried."""
    policy = checked_policy(retry_on=(OSError, TimeoutError))
    assert not policy.is_final(ExceptionGroup("", [OSError(), TimeoutError()]))
    assert policy.is_final(ExceptionGroup("", [OSError(), ValueError()]))


def test_a_list_of_delays_is_used_in_order_and_its_last_stays() -> None:
    """Guards attempts beyond the list."""
    policy = checked_policy(backoff=[1, timedelta(minutes=1), 90.5])
    assert [1, 60, 90.5, 90.5] == [policy.delay_s(attempt, OSError()) for attempt in (1, 2, 3, 9)]


def test_a_function_gets_attempt_and_error() -> None:
    """Guards back-offs that look at the error; None leaves the delay to the database."""

    def backoff(attempt: int, error: BaseException) -> timedelta | float | None:
        return timedelta(seconds=attempt) if isinstance(error, OSError) else None

    policy = checked_policy(backoff=backoff)
    assert 3 == policy.delay_s(3, OSError())
    assert None is policy.delay_s(3, ValueError())


def test_a_function_that_answers_nonsense_is_told() -> None:
    """Guards the worker's log: it names `backoff`; the worker then takes the default."""
    with pytest.raises(awa.InvalidInput, match="backoff"):
        checked_policy(backoff=lambda _attempt, _error: -1).delay_s(1, OSError())


async def wait(_attempt: int, _error: BaseException) -> float:
    """Answer a delay, asynchronously."""
    return 1.0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("backoff", 5),
        ("backoff", []),
        ("backoff", [-1]),
        ("backoff", "1,2"),
        ("backoff", wait),
        ("retry_on", []),
        ("retry_on", ["OSError"]),
        ("retry_on", OSError("x")),
        ("fail_on", int),
    ],
)
def test_a_wrong_policy_is_refused_at_registration(option: str, value: Any) -> None:
    """Guards deployments: a worker with a wrong policy does not start."""
    with pytest.raises(awa.InvalidInput, match=option):
        checked_policy(**{option: value})
