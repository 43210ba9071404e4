"""Log records as text: what is kept of tracebacks must not change what they say."""

import logging
from collections.abc import Callable
from operator import attrgetter
from typing import NoReturn

import pytest

from awa._core.failures import handlers_part
from awa.cli.logs import TextFormatter


def fails(depth: int) -> NoReturn:
    """Raise from so many calls down."""
    if depth:
        fails(depth - 1)
    raise ValueError("two\nlines")


def fails_for_another() -> NoReturn:
    """Raise an error with a cause."""
    try:
        fails(1)
    except ValueError as error:
        raise KeyError("id") from error


def fails_in_a_group() -> NoReturn:
    """Raise two errors at once."""
    raise ExceptionGroup("both", [ValueError("a"), KeyError("b")])


def error_of(call: Callable[[], object]) -> BaseException:
    """Return what the call raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever it is
        call()
    return caught.value


@pytest.mark.parametrize(
    "call",
    [
        lambda: fails(0),
        lambda: fails(3),
        lambda: fails(50),
        lambda: {"a": 1}["b"],
        lambda: attrgetter("nothing")(1),
        lambda: compile("1 +", "text", "eval"),
        fails_for_another,
        fails_in_a_group,
    ],
)
def test_a_traceback_reads_as_python_prints_it_each_time(call: Callable[[], object]) -> None:
    """Guards what people read: frames are kept, and never another error's."""
    for _ in range(3):
        error = error_of(call)
        found = (type(error), error, error.__traceback__)
        assert logging.Formatter().formatException(found) == TextFormatter().formatException(found)


def test_a_traceback_begins_in_the_handler() -> None:
    """Guards the log: what called the handler says nothing about its error."""
    trace = error_of(lambda: fails(1)).__traceback__
    assert trace is handlers_part(trace)
    assert None is handlers_part(None)
