"""Schedules at run time: look, change, pause, trigger. Twins: asynchronous and synchronous."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Unpack

from awa._client.administering import Administering, AsyncAdministering
from awa._client.periodic import Periodic
from awa._client.schedule_options import ScheduleOptions, job_parts, schedule_parts
from awa._client.steps import PAUSES_S, Pause, ask
from awa._core.firing import next_fires
from awa._core.limits import NEXT_FIRES_MAX
from awa._core.options import checked_int, checked_name, checked_text
from awa._core.schedules import Declared, PutAnswer, Schedule, TriggerAnswer, Triggered
from awa._storage.schedules import list_schedules
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from awa._client.steps import Steps
    from awa._storage.calls import Call

_NEXT_DEFAULT = 5


class _Naming(Periodic):
    """Which schedule is meant, and what is asked of the database for it."""

    def _of(self, namespace: str | None) -> str:
        return self.namespace if namespace is None else checked_name("namespace", namespace)

    def _found(self, name: str, namespace: str | None) -> Call[tuple[Schedule, ...]]:
        place = self._of(namespace)
        return list_schedules(
            namespace=place, name=checked_name("name", name), schema=self._storage.schema
        )

    def _listed(self, namespace: str | None) -> Call[tuple[Schedule, ...]]:
        chosen = None if namespace is None else checked_name("namespace", namespace)
        return list_schedules(namespace=chosen, schema=self._storage.schema)

    def _put(
        self,
        name: str,
        cron: str | None,
        args: object,
        namespace: str | None,
        options: ScheduleOptions,
    ) -> Call[PutAnswer]:
        said = {**schedule_parts(cron, options), **job_parts(self._for_jobs(), args, options)}
        return self._storage.put_schedule(self._of(namespace), checked_name("name", name), said)

    def _pause(self, name: str, namespace: str | None, by: str | None) -> Call[bool]:
        return self._storage.pause_schedule(
            self._of(namespace), checked_name("name", name), by=_checked_by("paused_by", by)
        )

    def _resume(self, name: str, namespace: str | None) -> Call[bool]:
        return self._storage.resume_schedule(self._of(namespace), checked_name("name", name))

    def _delete(self, name: str, namespace: str | None) -> Call[bool]:
        return self._storage.delete_schedule(self._of(namespace), checked_name("name", name))

    def _trigger(self, name: str, namespace: str | None, by: str | None) -> Steps[Triggered]:
        return _insist(
            self._storage.trigger_schedule(
                self._of(namespace), checked_name("name", name), by=_checked_by("by", by)
            )
        )

    def _next(
        self,
        name: str,
        count: int,
        after: datetime | None,
        namespace: str | None,
        found: tuple[Schedule, ...],
    ) -> tuple[datetime, ...]:
        if not found:
            raise no_such_schedule(name, self._of(namespace))
        since = datetime.now(UTC) if after is None else _checked_after(after)
        checked_int("count", count, low=1, high=NEXT_FIRES_MAX)
        return next_fires(found[0].timing, after=since, count=count)


def _checked_after(after: object) -> datetime:
    if isinstance(after, datetime) and after.utcoffset() is not None:
        return after.astimezone(UTC)
    raise InvalidInput("after", f"must be a datetime with a time zone, not {after!r}")


class AsyncSchedules(_Naming, AsyncAdministering):
    """What the asynchronous client does with schedules; `namespace` defaults to the client's."""

    async def declare_schedules(self) -> tuple[Declared, ...]:
        """Store what this client declares with `periodic`, as the start of its worker does.

        For programs that run no worker, or a step of a deployment.
        """
        return await self._run(self._declaring())

    async def list_schedules(self, *, namespace: str | None = None) -> tuple[Schedule, ...]:
        """Schedules by namespace and name; without a namespace all."""
        return await self._run(self._listed(namespace))

    async def get_schedule(self, name: str, *, namespace: str | None = None) -> Schedule | None:
        """One schedule, or None when there is none of this name."""
        found = await self._run(self._found(name, namespace))
        return found[0] if found else None

    async def put_schedule(
        self,
        name: str,
        cron: str | None = None,
        args: object = None,
        *,
        namespace: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> PutAnswer:
        """Make a schedule, or have it be so; parts as in `periodic`.

        No start of a worker removes it; one that a program declares under this name is as declared
        again when its worker starts. Raises InvalidInput.
        """
        return await self._run(self._put(name, cron, args, namespace, options))

    async def delete_schedule(self, name: str, *, namespace: str | None = None) -> bool:
        """Remove a schedule, whoever declared it; whether it was there. Its jobs go on."""
        return await self._run(self._delete(name, namespace))

    async def pause_schedule(
        self, name: str, *, namespace: str | None = None, paused_by: str | None = None
    ) -> bool:
        """Let it not fire; whether that is new. Raises InvalidInput when there is none."""
        return await self._run(self._pause(name, namespace, paused_by))

    async def resume_schedule(self, name: str, *, namespace: str | None = None) -> bool:
        """Let it fire again from now on; whether it was paused. What came meanwhile is let go."""
        return await self._run(self._resume(name, namespace))

    async def trigger_schedule(
        self, name: str, *, namespace: str | None = None, by: str | None = None
    ) -> Triggered:
        """Store a job of it now, also while it is paused; its overlap counts here too."""
        return await self._follow(self._trigger(name, namespace, by))

    async def next_fires(
        self,
        name: str,
        *,
        count: int = _NEXT_DEFAULT,
        after: datetime | None = None,
        namespace: str | None = None,
    ) -> tuple[datetime, ...]:
        """The next instants at which it is due, in UTC, as if it were not paused."""
        return self._next(
            name, count, after, namespace, await self._run(self._found(name, namespace))
        )


class Schedules(_Naming, Administering):
    """What the synchronous client does with schedules; each as its twin in `AsyncClient`."""

    def declare_schedules(self) -> tuple[Declared, ...]:
        """As `AsyncClient.declare_schedules`."""
        return self._run(self._declaring())

    def list_schedules(self, *, namespace: str | None = None) -> tuple[Schedule, ...]:
        """As `AsyncClient.list_schedules`."""
        return self._run(self._listed(namespace))

    def get_schedule(self, name: str, *, namespace: str | None = None) -> Schedule | None:
        """As `AsyncClient.get_schedule`."""
        found = self._run(self._found(name, namespace))
        return found[0] if found else None

    def put_schedule(
        self,
        name: str,
        cron: str | None = None,
        args: object = None,
        *,
        namespace: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> PutAnswer:
        """As `AsyncClient.put_schedule`."""
        return self._run(self._put(name, cron, args, namespace, options))

    def delete_schedule(self, name: str, *, namespace: str | None = None) -> bool:
        """As `AsyncClient.delete_schedule`."""
        return self._run(self._delete(name, namespace))

    def pause_schedule(
        self, name: str, *, namespace: str | None = None, paused_by: str | None = None
    ) -> bool:
        """As `AsyncClient.pause_schedule`."""
        return self._run(self._pause(name, namespace, paused_by))

    def resume_schedule(self, name: str, *, namespace: str | None = None) -> bool:
        """As `AsyncClient.resume_schedule`."""
        return self._run(self._resume(name, namespace))

    def trigger_schedule(
        self, name: str, *, namespace: str | None = None, by: str | None = None
    ) -> Triggered:
        """As `AsyncClient.trigger_schedule`."""
        return self._follow(self._trigger(name, namespace, by))

    def next_fires(
        self,
        name: str,
        *,
        count: int = _NEXT_DEFAULT,
        after: datetime | None = None,
        namespace: str | None = None,
    ) -> tuple[datetime, ...]:
        """As `AsyncClient.next_fires`."""
        return self._next(name, count, after, namespace, self._run(self._found(name, namespace)))


def _insist(call: Call[Triggered]) -> Steps[Triggered]:
    """Ask again while the job that is to be replaced is being settled."""
    for pause_s in PAUSES_S:
        done = yield from ask(call)
        if done.answer is not TriggerAnswer.BUSY:
            return done
        yield Pause(seconds=pause_s)
    return (yield from ask(call))


def no_such_schedule(name: str, namespace: str) -> InvalidInput:
    """As the database says it; for acts that find it out by a look."""
    return InvalidInput("name", f"there is no schedule {name!r} in the namespace {namespace!r}")


def _checked_by(field: str, by: str | None) -> str | None:
    return None if by is None else checked_text(field, by)[:200]
