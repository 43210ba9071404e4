"""Whether a failed attempt is tried again, and when: the policy of one kind of job.

The default back-off is the database's, `min(2^attempt * (1 + 0.25 u), 24 h)` with `u` drawn from
[0, 1); a policy without a back-off of its own names no delay.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from awa._core.failures import leaves_of
from awa._core.limits import ATTEMPTS_MAX
from awa._core.options import checked_duration_s
from awa._core.outcomes import TerminalError
from awa._core.signatures import require_takes
from awa.errors import InvalidInput

Delay: TypeAlias = timedelta | float
Backoff: TypeAlias = Callable[[int, BaseException], Delay | None] | Sequence[Delay]
"""A function of the attempt that failed (from 1) and its error, or the delay after each attempt;
the last one of a list holds for all that follow. None is the database's delay."""
ErrorTypes: TypeAlias = type[BaseException] | Sequence[type[BaseException]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How attempts of one kind that failed go on. `TerminalError` always ends the job."""

    backoff: Callable[[int, BaseException], Delay | None] | None = None
    delays_s: tuple[float, ...] = ()
    retry_on: tuple[type[BaseException], ...] = ()
    """When there are any, all other errors end the job."""
    fail_on: tuple[type[BaseException], ...] = ()
    """These end the job; they win over `retry_on`."""

    def is_final(self, error: BaseException) -> bool:
        """Whether this error ends the job, whatever attempts are left.

        A group is judged by what is in it: one final error is enough.
        """
        leaves = leaves_of(error)
        for candidate in (error, *leaves):
            if isinstance(candidate, (TerminalError, self.fail_on)):
                return True
        if not self.retry_on or isinstance(error, self.retry_on):
            return False
        return not all(isinstance(leaf, self.retry_on) for leaf in leaves)

    def delay_s(self, attempt: int, error: BaseException) -> float | None:
        """Seconds before the next attempt; None: as the database says.

        Raises whatever the user's function raises, and InvalidInput for what it should not answer.
        """
        if self.backoff is not None:
            delay = self.backoff(attempt, error)
            return None if delay is None else checked_duration_s("backoff", delay)
        if not self.delays_s:
            return None
        return self.delays_s[min(attempt, len(self.delays_s)) - 1]


DEFAULT_POLICY: Final = RetryPolicy()


def checked_policy(
    *, backoff: object = None, retry_on: object = None, fail_on: object = None
) -> RetryPolicy:
    """The policy that these options of a handler mean. Raises InvalidInput."""
    types_retried = _checked_types("retry_on", retry_on)
    if retry_on is not None and not types_retried:
        raise InvalidInput("retry_on", "is empty; to try nothing again say fail_on=Exception")
    types_failed = _checked_types("fail_on", fail_on)
    if backoff is None:
        return RetryPolicy(retry_on=types_retried, fail_on=types_failed)
    if callable(backoff):
        if inspect.iscoroutinefunction(backoff):
            raise InvalidInput("backoff", "must be a plain function: it decides and does not wait")
        require_takes("backoff", backoff, "attempt", "error")
        return RetryPolicy(backoff=backoff, retry_on=types_retried, fail_on=types_failed)
    delays_s = _checked_delays("backoff", backoff)
    return RetryPolicy(delays_s=delays_s, retry_on=types_retried, fail_on=types_failed)


def _checked_delays(field: str, value: object) -> tuple[float, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise InvalidInput(field, f"must be a function or a list of delays, not {value!r:.100}")
    if not 1 <= len(value) <= ATTEMPTS_MAX:
        raise InvalidInput(field, f"has {len(value)} delays; it needs 1 to {ATTEMPTS_MAX}")
    return tuple(checked_duration_s(field, delay) for delay in value)


def _checked_types(field: str, value: object) -> tuple[type[BaseException], ...]:
    if value is None:
        return ()
    given: tuple[object, ...] = (value,)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        given = tuple(value)
    checked: list[type[BaseException]] = []
    for one in given:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise InvalidInput(field, f"must be classes of errors, not {one!r:.100}")
        checked.append(one)
    return tuple(checked)
