"""What handlers may say, and what is kept of their errors."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

import awa
from awa._core.failures import Failure, cut_text, failure_of, leaves_of
from awa._runtime.handlers import encode_result


def test_delays_are_seconds_or_timedeltas() -> None:
    """Guards both spellings: what is stored is seconds."""
    assert 1.5 == awa.RetryAfter(1.5).delay_s
    assert 60 == awa.RetryAfter(timedelta(minutes=1), "rate limit").delay_s
    assert 0 == awa.Snooze(0).delay_s
    assert 90 == awa.Snooze(delay=timedelta(seconds=90)).delay_s


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), "1", None, True, 1e12])
def test_a_delay_that_means_nothing_is_refused_where_it_is_made(delay: Any) -> None:
    """Guards the handler's author: the error is in the handler's line and names the field."""
    for outcome in (awa.RetryAfter, awa.Snooze):
        with pytest.raises(awa.InvalidInput, match="delay"):
            outcome(delay)


def test_a_reason_is_text() -> None:
    """Guards the row: a reason is shown to people."""
    assert "gone" == awa.Cancel("gone").reason
    assert None is awa.Cancel().reason
    for outcome in (lambda: awa.Cancel(3), lambda: awa.RetryAfter(1, b"x")):  # type: ignore[arg-type]
        with pytest.raises(awa.InvalidInput, match="reason"):
            outcome()


def fail(error: Exception) -> None:
    """Raise the error."""
    raise error


def raised(error: Exception) -> Exception:
    """Return the error with a traceback through `fail`."""
    with pytest.raises(type(error)) as caught:
        fail(error)
    return caught.value


def test_an_error_is_kept_as_type_message_and_place() -> None:
    """Guards operators: the history of a job says what went wrong and where."""
    failure = failure_of(raised(ValueError("bad moment")))
    assert ("ValueError", "bad moment") == (failure.type, failure.message)
    outer, inner = failure.frames
    assert outer.startswith("test_outcomes.py:")
    assert inner.endswith(" in fail")
    stored = msgspec.json.decode(failure.document())
    trace = f"{outer}\n{inner}"
    assert {"error": "bad moment", "type": "ValueError", "trace": trace} == stored
    assert "ValueError: bad moment" == str(failure)


@pytest.mark.parametrize("outcome", [awa.Snooze(5), awa.RetryAfter(5), awa.Cancel(), awa.Snooze])
def test_an_outcome_that_is_raised_is_told_how_to_be_returned(outcome: Any) -> None:
    """Guards the handler's author: Python's own words stay, and what to write instead follows."""
    with pytest.raises(TypeError) as caught:
        raise outcome
    failure = failure_of(ExceptionGroup("nursery", [caught.value]))
    assert "TypeError" == failure.type
    assert failure.message.startswith("exceptions must derive from BaseException; if it was an")
    assert "`return awa.Snooze(...)`" in failure.message
    assert "another" == failure_of(TypeError("another")).message


@pytest.mark.parametrize("outcome", [awa.Completed, awa.RetryAfter, awa.Snooze, awa.Cancel])
def test_the_class_of_an_outcome_is_no_outcome(outcome: type) -> None:
    """Guards `return awa.Cancel`: the error says whose fault it is and what to write."""
    with pytest.raises(awa.InvalidInput, match=rf"write awa\.{outcome.__name__}\(\.\.\.\)"):
        encode_result(outcome)
    with pytest.raises(awa.InvalidInput, match=r"is the class Mute, not an instance of it$"):
        encode_result(Mute)


def test_what_postgresql_cannot_store_is_replaced_and_long_text_is_cut() -> None:
    """Guards the batch: an error's text never has its company refused."""
    failure = failure_of(ValueError("a\0b\ud800" + "x" * 5000))
    assert failure.message.startswith("a�b?xxx")
    assert 2000 == len(failure.message)
    assert failure.message.endswith("…")
    assert "abc" == cut_text("abc", 3)


class Mute(Exception):
    """An error that cannot even say what it is."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no words")


def test_an_error_that_cannot_be_shown_still_has_a_type() -> None:
    """Guards the worker: reporting runs the handler's code."""
    assert "Mute: (its text failed with RuntimeError)" == str(failure_of(Mute()))
    assert "KeyError" == str(Failure(type="KeyError", message=""))


def test_a_nursery_with_one_error_is_that_error() -> None:
    """Guards the history: nobody wants to read about groups of one."""
    alone = ExceptionGroup("nursery", [ExceptionGroup("inner", [raised(OSError("disk"))])])
    assert "OSError: disk" == str(failure_of(alone))
    several = ExceptionGroup("nursery", [ValueError(str(n)) for n in range(7)])
    failure = failure_of(several)
    assert "ExceptionGroup" == failure.type
    assert failure.message.startswith("ValueError: 0; ValueError: 1; ")
    assert failure.message.endswith("; and 2 more")
    assert 7 == len(leaves_of(several))
