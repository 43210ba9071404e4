"""Declaring schedules: the same for every client, and possible before it is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from awa._client.producing import Producing
from awa._client.schedule_options import ScheduleOptions, job_parts, schedule_parts
from awa._client.tasks import Tasks
from awa._core.limits import NAMESPACE_DEFAULT, SCHEDULES_MAX
from awa._core.options import checked_name
from awa.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awa._core.schedules import Declared
    from awa._storage.calls import Call
    from awa._storage.functions import Storage

ArgsT = TypeVar("ArgsT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A schedule as a program declares it."""

    args: object
    parts: Mapping[str, object]
    """When it fires, and how."""
    options: Mapping[str, Any]
    """Of its jobs; what is not said is its handler's, which may be registered later."""


@dataclass(slots=True, kw_only=True)
class Declarations:
    """What a client declares, and for which namespace."""

    namespace: str | None = None
    """None: the one that nobody owns, from which nothing is removed."""
    by_name: dict[str, Declaration] = field(default_factory=dict)

    def is_empty(self) -> bool:
        """Whether there is nothing to tell: no schedule, and none to remove."""
        return not self.by_name and self.namespace is None


class Periodic(Tasks):
    """The schedules that a client declares."""

    _storage: Storage

    def __init__(self) -> None:
        super().__init__()
        self._declarations = Declarations()

    @property
    def namespace(self) -> str:
        """Whose schedules this client declares and, where nothing else is said, administers."""
        return self._declarations.namespace or NAMESPACE_DEFAULT

    def periodic(
        self,
        name: str,
        cron: str | None = None,
        args_type: type[ArgsT] | None = None,
        args: ArgsT | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """Declare a schedule: jobs with these arguments, at these instants.

        `cron`: an expression of 5 fields, or 6 with seconds first, or a name such as @daily; or
        `every` among the options. `args` default to what `args_type` gives without any.
        `options`: see `ScheduleOptions`; queue, priority and more default to the handler's.

        It is stored when a worker of this client starts. What the client's namespace declared
        before and does not any more is removed then, if the client has a namespace.
        Raises InvalidInput, and ConfigurationError while the worker runs: `put_schedule` then.
        """
        checked_name("name", name)
        self._handlers.require_not_working("a schedule")
        declared = self._declarations.by_name
        if name in declared:
            raise InvalidInput("name", f"{name!r} is declared already")
        if len(declared) >= SCHEDULES_MAX:
            raise InvalidInput("name", f"is one too many; the limit is {SCHEDULES_MAX} schedules")
        chosen = _chosen_args(args_type, args)
        parts = schedule_parts(cron, options)
        job_parts(self._for_jobs(), chosen, options)
        declared[name] = Declaration(args=chosen, parts=parts, options=dict(options))

    def _for_jobs(self) -> Producing:
        # With the handlers as they are now: they may have come with another client.
        return Producing(self._storage, self._handlers)

    def _declaring(self) -> Call[tuple[Declared, ...]]:
        """Have the database know what is declared, and with a namespace nothing else.

        Raises InvalidInput.
        """
        producing = self._for_jobs()
        declared = [
            {"name": name, **one.parts, **job_parts(producing, one.args, one.options)}
            for name, one in self._declarations.by_name.items()
        ]
        return self._storage.declare_schedules(
            self.namespace, declared, remove=self._declarations.namespace is not None
        )


def checked_namespace(namespace: str | None) -> str | None:
    """A client's namespace, or None. Raises InvalidInput."""
    return None if namespace is None else checked_name("namespace", namespace)


def _chosen_args(args_type: type[ArgsT] | None, args: ArgsT | None) -> object:
    if args_type is not None and not isinstance(args_type, type):
        raise InvalidInput("args_type", f"must be a class, not {args_type!r}")
    if args is not None:
        if args_type is not None and not isinstance(args, args_type):
            raise InvalidInput("args", f"must be of type {args_type.__name__}, not {args!r}")
        return args
    if args_type is None:
        raise InvalidInput("args", "are needed: the arguments of the schedule's jobs")
    try:
        return args_type()
    except TypeError as error:
        problem = f"are needed: {args_type.__name__} cannot be made without any"
        raise InvalidInput("args", problem) from error
