"""What is said of attempts that did not complete, and what becomes of them."""

import logging
from typing import Any, Final

from awa._core.entries import Body
from awa._runtime.ledger import Held
from awa._runtime.limits import UNKNOWN_KINDS_MAX
from awa._runtime.settling import Settler
from awa._runtime.statistics import Statistics

_log: Final = logging.getLogger("awa.worker")


class Reporter:
    """Logs with job id and attempt, and hands the attempt to the settler."""

    def __init__(self, settler: Settler, statistics: Statistics) -> None:
        self._settler = settler
        self._statistics = statistics
        self.unknown_kinds: Final[set[str]] = set()
        """Kinds that were claimed and have no handler here, the first ones: no capable worker."""

    def failed(self, held: Held, body: Body, error: BaseException) -> None:
        """The handler raised, or its result cannot be stored."""
        self._pause(held, body, f"failed: {_said_by(error)}", error)

    def bad_args(self, held: Held, body: Body, error: BaseException) -> None:
        """The stored arguments do not fit the handler's type."""
        self._pause(held, body, f"has arguments its handler cannot take: {_said_by(error)}", None)

    def deadline_passed(self, held: Held, body: Body) -> None:
        """The attempt took too long and was cancelled."""
        self._pause(held, body, "was cancelled at its deadline", None)

    def no_handler(self, held: Held, body: Body) -> None:
        """No handler for this kind: another worker may have one, so the job waits and goes back."""
        paused_s = self._settler.failed(held, body)
        new = body.kind not in self.unknown_kinds and len(self.unknown_kinds) < UNKNOWN_KINDS_MAX
        level = logging.WARNING if new else logging.DEBUG
        if new:
            self.unknown_kinds.add(body.kind)
        _log.log(
            level,
            "no capable worker: kind %r in queue %r has no handler here; job %d is given back"
            " after %g s",
            body.kind,
            held.queue,
            body.job_id,
            paused_s,
            extra=fields_of(held, body),
        )

    def cancelled_with(self, held: Held, body: Body, others: BaseException | None) -> None:
        """The attempt was cancelled, and some of its own tasks raised something else."""
        if others is not None:
            _log.warning(
                "job %d attempt %d raised while it was cancelled",
                body.job_id,
                body.attempt,
                exc_info=others,
                extra=fields_of(held, body),
            )

    def interrupted(self, held: Held, body: Body) -> None:
        """The worker ends the attempt for its own reasons: it is given back at once."""
        self._settler.give_back(held, body.seq)
        _log.warning(
            "job %d attempt %d was interrupted and is given back",
            body.job_id,
            body.attempt,
            extra=fields_of(held, body),
        )

    def _pause(self, held: Held, body: Body, what: str, error: BaseException | None) -> None:
        self._statistics.failures += 1
        paused_s = self._settler.failed(held, body)
        _log.error(
            "job %d attempt %d %s; it is given back after %g s",
            body.job_id,
            body.attempt,
            what,
            paused_s,
            exc_info=error,
            extra=fields_of(held, body),
        )


def _said_by(error: BaseException) -> str:
    """The error's type and text. The text comes from the handler's code, which may fail in it."""
    try:
        text = str(error)
    except Exception as failure:  # noqa: BLE001  # whatever it raises, the worker goes on
        text = f"(its text failed with {type(failure).__name__})"
    return f"{type(error).__name__}: {text}"


def fields_of(held: Held, body: Body) -> dict[str, Any]:
    """The fields a log record carries for a job."""
    return {
        "job_id": body.job_id,
        "attempt": body.attempt,
        "kind": body.kind,
        "queue": held.queue,
    }
