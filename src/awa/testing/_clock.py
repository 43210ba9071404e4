"""Time in tests: nobody waits; what waits for a time is moved to now.

How much time was passed stands in a table that only databases for tests have, and that only their
owner can make: so nobody moves the due times of production by mistake.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, overload

from awa._client.steps import Steps, ask
from awa._core.cron import next_due
from awa._core.firing import fire_at_after
from awa._core.limits import PROMOTE_JOBS_MAX
from awa._storage import codec
from awa._storage.calls import Call
from awa._storage.names import quoted
from awa._storage.schedules import list_schedules
from awa.errors import ConfigurationError, InvalidInput
from awa.testing._marking import require_for_tests
from awa.testing._pointing import checked_client

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from awa._core.schedules import Schedule
    from awa.client import AsyncClient
    from awa.sync import Client

FIRES_MAX: Final = 1000

# All that waits for a time, or is kept for one. What runs is left alone.
_MOVED: Final = """
with deferred_moved as (update {0}.deferred set run_at = run_at - make_interval(secs => %s)),
     keys_moved as (update {0}.unique_keys set until = until - make_interval(secs => %s)
                    where until is not null),
     finals_moved as (update {0}.finals set finished_at = finished_at - make_interval(secs => %s)),
     letters_moved as (update {0}.dlq set finished_at = finished_at - make_interval(secs => %s),
                              dead_at = dead_at - make_interval(secs => %s))
update awa_testing.clock set passed_s = passed_s + %s
returning clock_timestamp() + make_interval(secs => passed_s)
"""
_PASSED: Final = "select passed_s from awa_testing.clock"
# As a leader would leave it by then; of one that is paused, as its resumption would.
_DEALT_WITH: Final = """
update {0}.cron_schedules set upto = %s::timestamptz, version = nextval('{0}.schedule_version_seq'),
       next_at = coalesce(%s, 'infinity'::timestamptz)
where namespace = %s and name = %s returning true
"""


@overload
def advance(client: Client, by: timedelta | None = None, /, **parts: float) -> int: ...


@overload
def advance(
    client: AsyncClient, by: timedelta | None = None, /, **parts: float
) -> Awaitable[int]: ...


def advance(client: AsyncClient | Client, by: timedelta | None = None, /, **parts: float) -> Any:
    """Let so much time pass, and answer how many jobs became available by it.

    By a timedelta, or by its keywords: `advance(client, hours=1, minutes=30)`. Due times in the
    database move back by as much, so scheduled, retried and snoozed jobs come due; so do the ends
    of unique windows and of retention. What is due is promoted by the function that production
    calls. Each schedule stores a job for each of its instants that passed since it was made or
    resumed, those that this client declares included. Only in a database of `Databases`, or one
    that its owner made one for tests. Raises ConfigurationError elsewhere, and InvalidInput.
    """
    passed = _checked_passed(by, parts)
    return checked_client(client)._follow(_advance(client, passed.total_seconds()))  # noqa: SLF001  # a friend


def _checked_passed(by: timedelta | None, parts: dict[str, float]) -> timedelta:
    if by is not None and not isinstance(by, timedelta):
        raise InvalidInput("by", f"must be a timedelta, or say hours=..., not {by!r}")
    try:
        passed = (by or timedelta()) + timedelta(**parts)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput("by", f"must be the parts of a timedelta: {error}") from error
    if passed < timedelta():
        raise InvalidInput("by", f"is {passed}, and time passes in one direction")
    return passed


def _advance(client: AsyncClient | Client, seconds: float) -> Steps[int]:
    yield from require_for_tests("time is passed")
    if not client._declarations.is_empty():  # noqa: SLF001  # a friend
        yield from ask(client._declaring())  # noqa: SLF001  # a friend
    schedules = yield from ask(list_schedules(schema=client.schema))
    before_s = yield from ask(_call(client, _PASSED, (), codec.scalar(float)))
    now = yield from ask(
        _call(client, _MOVED, (seconds,) * _MOVED.count("%s"), codec.scalar(datetime))
    )
    available = yield from promote_due(client)
    for schedule in schedules:
        # One that was made since the last time knows only the clock of the database.
        made_at = schedule.created_at + timedelta(seconds=before_s)
        if schedule.paused_at is None:
            since = max(schedule.upto, made_at)
            available += yield from _fired(client, schedule, since, now)
        next_at = fire_at_after(schedule.timing, now)
        params = (now, next_at, schedule.namespace, schedule.name)
        yield from ask(_call(client, _DEALT_WITH, params, codec.scalar(bool)))
    return available


def promote_due(client: AsyncClient | Client) -> Steps[int]:
    """Make available what is due, as a leader would; answers how many jobs."""
    available = 0
    while True:
        last = yield from ask(client._storage.promote())  # noqa: SLF001  # a friend
        available += last.promoted
        if last.promoted < PROMOTE_JOBS_MAX:
            return available


def _fired(
    client: AsyncClient | Client, schedule: Schedule, since: datetime, now: datetime
) -> Steps[int]:
    """One job for each instant up to now, unless its overlap forbids it."""
    stored = 0
    while (due := next_due(schedule.timing.rule, since)) is not None and due <= now:
        if stored >= FIRES_MAX:
            raise ConfigurationError(
                f"schedule {schedule.name!r} has more than {FIRES_MAX} instants in that time:"
                " pass it in smaller steps"
            )
        storage = client._storage  # noqa: SLF001  # a friend
        done = yield from ask(storage.trigger_schedule(schedule.namespace, schedule.name))
        stored += done.job_id is not None
        since = due
    return stored


def _call(
    client: AsyncClient | Client, sql: str, params: tuple[object, ...], decode: Any
) -> Call[Any]:
    named = quoted(client.schema).replace("%", "%%")
    return Call(
        action="passed",
        sql=sql.format(named),
        params=params,
        decode=decode,
        schema=client.schema,
    )
