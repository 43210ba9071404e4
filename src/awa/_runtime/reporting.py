"""What is said of attempts that did not simply complete, and what becomes of them."""

import logging
from typing import Any, Final, assert_never

import trio

from awa._core.entries import Body
from awa._core.failures import DEADLINE_EXCEEDED, Failure, cut_text, failure_of, handlers_part
from awa._core.outcomes import Cancel, Completed, Outcome, RetryAfter, Snooze
from awa._core.retrying import RetryPolicy
from awa._core.transacting import OwnCompletion, OwnEnd
from awa._runtime.alike import Alike, Span
from awa._runtime.handlers import encode_result
from awa._runtime.ledger import Held
from awa._runtime.outbox import Detail
from awa._runtime.settling import Settler
from awa._runtime.statistics import Statistics
from awa._runtime.unknown import unknown_delay_s

_log: Final = logging.getLogger("awa.worker")


class Reporter:
    """Logs with job id and attempt, and hands the attempt to the settler."""

    def __init__(self, settler: Settler, statistics: Statistics) -> None:
        self._settler = settler
        self._statistics = statistics
        self._alike = Alike()

    def said(self, held: Held, body: Body, outcome: Outcome) -> None:
        """The handler answered an outcome. Raises InvalidInput for a result without JSON form."""
        match outcome:
            case Completed(result=None):
                self._settler.complete(held, body.seq)
            case Completed(result=result):
                self._settler.complete_with(held, body.seq, encode_result(result))
            case RetryAfter(reason=reason):
                self._retry_after(held, body, outcome.delay_s, reason)
            case Snooze():
                self._settler.snooze(held, body.seq, outcome.delay_s)
                if _log.isEnabledFor(logging.DEBUG):
                    _say(logging.DEBUG, held, body, f"snoozes for {outcome.delay_s:g} s")
            case Cancel(reason=reason):
                said = None if reason is None else cut_text(reason)
                self._settler.cancel(held, body.seq, said)
                _say(logging.INFO, held, body, f"cancels its job: {said or 'no reason given'}")
            case unreachable:
                assert_never(unreachable)

    def failed(self, held: Held, body: Body, error: BaseException, policy: RetryPolicy) -> None:
        """The handler raised, or its result cannot be stored."""
        failure = failure_of(error)
        self._statistics.failures += 1
        if policy.is_final(error):
            self._settler.fail(held, _detail(body, failure))
            if level := self._level(logging.ERROR, held, body, failure):
                _say(level, held, body, f"failed: {failure}; {_FOR_GOOD}", error)
            return
        delay_s = _delay_s(held, body, error, policy)
        self._settler.retry(held, _detail(body, failure, delay_s))
        if level := self._level(logging.ERROR, held, body, failure):
            _say(level, held, body, f"failed: {failure}; {_next(body, delay_s)}", error)

    def bad_args(self, held: Held, body: Body, error: BaseException) -> None:
        """The stored arguments do not fit the handler's type: another attempt changes nothing."""
        failure = failure_of(error)
        self._statistics.failures += 1
        self._settler.unread(held, body)
        self._settler.fail(held, _detail(body, failure))
        if level := self._level(logging.ERROR, held, body, failure):
            what = f"has arguments its handler cannot take: {failure}; {_FOR_GOOD}"
            _say(level, held, body, what)

    def deadline_passed(self, held: Held, body: Body, policy: RetryPolicy) -> None:
        """The attempt took too long and was cancelled. The database would end it the same way."""
        self._statistics.failures += 1
        delay_s = _delay_s(held, body, TimeoutError(DEADLINE_EXCEEDED.message), policy)
        self._settler.retry(held, _detail(body, DEADLINE_EXCEEDED, delay_s))
        if level := self._level(logging.ERROR, held, body, DEADLINE_EXCEEDED):
            _say(level, held, body, f"was cancelled at its deadline; {_next(body, delay_s)}")

    def no_handler(self, held: Held, body: Body) -> None:
        """No handler for this kind: another worker may have one, so the job waits for it."""
        delay_s = unknown_delay_s(run_lease=body.run_lease, attempt=body.attempt)
        self._settler.snooze(held, body.seq, delay_s)
        jobs = self._statistics.unknown.met(held.queue, body.kind, trio.current_time())
        _log.log(
            logging.WARNING if jobs else logging.DEBUG,
            "no capable worker: kind %r in queue %r has no handler here; job %d is offered again"
            " after %g s%s",
            body.kind,
            held.queue,
            body.job_id,
            delay_s,
            f", one of {jobs} since it was last told" if jobs > 1 else "",
            extra=fields_of(held, body),
        )

    def own_end(
        self, held: Held, body: Body, own: OwnCompletion | None, said: object = None
    ) -> bool:
        """Whether the attempt ended in a transaction of its handler's; `said`: what it said after.

        What the handler says then changes nothing.
        """
        if own is None or own.end not in {OwnEnd.DONE, OwnEnd.STALE}:
            return False
        if own.end is OwnEnd.STALE:
            self.was_ended(held, body, "stale")
            return True
        self._settler.completed_itself(held, body.seq)
        if isinstance(said, BaseException):
            _say(logging.ERROR, held, body, "raised after it had completed its job", said)
        elif said is not None and not isinstance(said, Completed):
            what = "returned something after it had completed its job, which changes nothing"
            _say(logging.WARNING, held, body, what)
        return True

    def cancelled_with(self, held: Held, body: Body, others: BaseException | None) -> None:
        """The attempt was cancelled, and some of its own tasks raised something else."""
        if others is not None:
            _say(logging.WARNING, held, body, "raised while it was cancelled", others)

    def interrupted(self, held: Held, body: Body) -> None:
        """The worker ends the attempt for its own reasons: it is given back at once."""
        self._settler.give_back(held, body.seq)
        _say(logging.WARNING, held, body, "was interrupted and is given back")

    def was_ended(self, held: Held, body: Body, why: str) -> None:
        """Somebody else ended the attempt, and it does not run here any more."""
        self._settler.was_ended(held, body, why)
        _say(logging.WARNING, held, body, f"was cancelled here: it had been ended as {why}")

    def left_behind(self, held: Held, body: Body) -> None:
        """The handler was cancelled and runs on: its job goes on without it."""
        _say(logging.ERROR, held, body, "does not end: its handler is left behind, still running")

    def ended_late(self, held: Held, body: Body, error: BaseException | None = None) -> None:
        """A handler ended whose attempt had been ended before: nothing is settled for it."""
        _say(logging.WARNING, held, body, "came to an end too late, which changes nothing", error)

    def _retry_after(self, held: Held, body: Body, delay_s: float, reason: str | None) -> None:
        message = f"asked for another attempt in {delay_s:g} s" if reason is None else reason
        failure = Failure(type="RetryAfter", message=cut_text(message))
        self._statistics.failures += 1
        self._settler.retry(held, _detail(body, failure, delay_s))
        if level := self._level(logging.INFO, held, body, failure):
            _say(level, held, body, f"failed: {failure}; {_next(body, delay_s)}")

    # The log -------------------------------------------------------------------------------------

    def look(self, now_s: float) -> None:
        """Say how many failures had no record of their own, where their span is over."""
        for span in self._alike.ended(now_s):
            _sum_up(span)

    def close(self, now_s: float) -> None:
        """The same for all: no attempt fails any more."""
        for span in self._alike.all(now_s):
            _sum_up(span)

    def _level(self, level: int, held: Held, body: Body, failure: Failure) -> int | None:
        """How to log this failure; None for not at all. All but the first few alike are details."""
        if not self._alike.tells(level, held, body, failure):
            level = logging.DEBUG
        return level if _log.isEnabledFor(level) else None


_FOR_GOOD: Final = "it cannot succeed"


def _detail(body: Body, failure: Failure, delay_s: float | None = None) -> Detail:
    return Detail(body.seq, failure.document(), delay_s, body.job_id)


def _delay_s(held: Held, body: Body, error: BaseException, policy: RetryPolicy) -> float | None:
    try:
        return policy.delay_s(body.attempt, error)
    except Exception as failure:  # noqa: BLE001  # the user's function may raise anything
        what = "has a back-off function that failed; the usual delay is taken"
        _say(logging.ERROR, held, body, what, failure)
        return None


def _next(body: Body, delay_s: float | None) -> str:
    if body.attempt >= body.max_attempts:
        return "it was the last attempt"
    return "it is tried again" if delay_s is None else f"it is tried again after {delay_s:g} s"


def _say(level: int, held: Held, body: Body, what: str, error: BaseException | None = None) -> None:
    _log.log(
        level,
        "job %d attempt %d %s",
        body.job_id,
        body.attempt,
        what,
        exc_info=error and (type(error), error, handlers_part(error.__traceback__)),
        extra=fields_of(held, body),
    )


def _sum_up(span: Span) -> None:
    body, failure = span.body, span.failure
    _log.log(
        span.level,
        "%d more attempts at jobs of kind %r failed like this within %.0f s; the last was attempt"
        " %d at job %d: %s",
        span.untold,
        body.kind,
        span.seconds,
        body.attempt,
        body.job_id,
        failure,
        extra={"event": "failures", "failures": span.untold, **fields_of(span.held, body)},
    )


def fields_of(held: Held, body: Body) -> dict[str, Any]:
    """The fields a log record carries for a job."""
    return {
        "job_id": body.job_id,
        "attempt": body.attempt,
        "kind": body.kind,
        "queue": held.queue,
    }
