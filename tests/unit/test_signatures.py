"""Functions that cannot be called as they will be."""

from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any

import pytest

import awa
from awa._core.signatures import require_takes

CLIENT = awa.AsyncClient("postgresql://nowhere")


def two(_job: object, _database: object) -> None:
    """Take one too many."""


def none() -> None:
    """Take one too few."""


def named(_job: object, *, database: object) -> None:
    """Take what nobody gives."""
    assert database


def yielding(job: object) -> Iterator[object]:
    """Answer nothing until somebody iterates."""
    yield job


async def alone(_job: object) -> None:
    """Leave no room for what is inside."""


class Counts:
    """An object that is called."""

    def __call__(self, job: object) -> None:
        """Take a job."""


@wraps(two)
def given(job: object) -> None:
    """Look like what it wraps, which takes more."""
    two(job, None)


HANDLER = CLIENT.task(dict, kind="one")
BATCH = CLIENT.batch_task(dict, kind="many")
HOOK = CLIENT.on_event("one")


@pytest.mark.parametrize(
    ("register", "function", "problem"),
    [
        (HANDLER, two, r"handler: is called as two\(job\); two\(.*missing .*'_database'"),
        (HANDLER, none, r"handler: is called as none\(job\); none\(\).*too many"),
        (HANDLER, named, r"handler: .*missing .*'database'"),
        (HANDLER, yielding, r"handler: must return"),
        (BATCH, none, r"handler: is called as none\(jobs\)"),
        (HOOK, two, r"hook: is called as two\(event\)"),
        (CLIENT.middleware, alone, r"middleware: is called as alone\(job, call_next\)"),
        (CLIENT.state, two, r"state: is called as two\(\)"),
        (lambda f: CLIENT.task(dict, kind="x", backoff=f), none, r"none\(attempt, error\)"),
    ],
)
def test_a_function_of_other_parameters_is_refused_when_it_is_registered(
    register: Callable[[Any], Any], function: Any, problem: str
) -> None:
    """Guards the first job: the mistake is told with the call that is wanted, before any runs."""
    with pytest.raises(awa.InvalidInput, match=problem):
        register(function)


@pytest.mark.parametrize("function", [given, Counts(), partial(two, _database=1), print, dict])
def test_what_can_be_called_is_taken_whatever_it_is(function: Any) -> None:
    """Guards decorators that give a handler more than its job, and objects that are called."""
    require_takes("handler", function, "job")
