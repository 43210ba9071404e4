"""What asynchronous and synchronous clients share about enqueuing: all of it but the I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from awa._core.arguments import kind_of_args
from awa._core.entries import EnqueueAnswer, Enqueued, JobState
from awa._core.limits import PRIORITY_DEFAULT, QUEUE_DEFAULT
from awa._core.options import JobOptions, NewJob, checked_name, checked_options, new_job
from awa._runtime.handlers import Handlers
from awa._storage.calls import Call
from awa._storage.functions import Storage
from awa.errors import InvalidInput

Lane = tuple[str, int]
"""Queue and priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandle:
    """A job that was inserted. `duplicate`: an older job stands for it, whose id this is."""

    id: int
    """0 when `on_conflict` said to skip it: nothing was stored."""
    state: JobState | None
    """None when it was skipped."""
    duplicate: bool
    answer: EnqueueAnswer
    """inserted, existing, replaced or skipped."""

    def __getitem__(self, name: str) -> Any:
        """The same by name, for callers who expect a mapping."""
        if name not in self.__slots__:
            raise KeyError(name)
        return getattr(self, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A checked job, and the lane it will go to."""

    job: NewJob
    lane: Lane


class Batch:
    """Checks jobs that share their options: those are read once per class of arguments."""

    def __init__(self, handlers: Handlers, options: Mapping[str, object]) -> None:
        self.lanes: Final[set[Lane]] = set()
        """Where the jobs so far will go."""
        self._handlers = handlers
        self._options = {name: value for name, value in options.items() if value is not None}
        self._by_type: dict[type, JobOptions] = {}

    def prepare(self, args: object) -> NewJob:
        """Check one job. Raises InvalidInput."""
        options = self._by_type.get(type(args))
        if options is None:
            options = self._by_type[type(args)] = self._read_options(args)
        return new_job(args, options)

    def prepare_all(self, jobs: Iterable[object]) -> Iterator[NewJob]:
        """Check one after the other. Raises InvalidInput, which says whose arguments are wrong."""
        for place, args in enumerate(checked_jobs(jobs)):
            try:
                yield self.prepare(args)
            except InvalidInput as error:
                if not error.field.startswith("args"):
                    raise  # what they share
                raise InvalidInput(f"jobs[{place}].{error.field}", error.problem) from error

    def _read_options(self, args: object) -> JobOptions:
        chosen = dict(self._options)
        handler = self._handlers.of_job(chosen.get("kind"), type(args))
        if handler is not None:
            chosen = {"kind": handler.kind, **handler.defaults, **chosen}
        options = checked_options(chosen)
        if options.kind is None:  # one kind for each class, so it is looked up once as well
            options = replace(options, kind=checked_name("kind", kind_of_args(args)))
        # Both were checked just now.
        queue, priority = chosen.get("queue", QUEUE_DEFAULT), chosen.get("priority")
        assert isinstance(queue, str)
        assert priority is None or isinstance(priority, int)
        self.lanes.add((queue, PRIORITY_DEFAULT if priority is None else priority))
        return options


@dataclass(slots=True)
class Producing:
    """Checks jobs, and knows which lanes exist.

    Lanes are made in a short transaction of their own before their first use: a business
    transaction that made one would let the lane's other producers wait for its end.
    """

    storage: Storage
    handlers: Handlers
    _known: set[Lane] = field(default_factory=set)

    def prepare(self, args: object, options: Mapping[str, object]) -> Prepared:
        """Check one job; kind, queue and more default to its handler's. Raises InvalidInput."""
        batch = self.batch(options)
        job = batch.prepare(args)
        return Prepared(job=job, lane=next(iter(batch.lanes)))

    def batch(self, options: Mapping[str, object]) -> Batch:
        """For many jobs with the same options."""
        return Batch(self.handlers, options)

    def missing_lanes(self, lanes: Iterable[Lane]) -> list[tuple[Lane, Call[int]]]:
        """Of these lanes, those to make before jobs are stored in them."""
        new = set(lanes) - self._known
        return [(lane, self.storage.ensure_lane(lane[0], priority=lane[1])) for lane in sorted(new)]

    def made(self, lane: Lane) -> None:
        """This lane exists."""
        self._known.add(lane)


def checked_jobs(jobs: object) -> Iterable[object]:
    """What many jobs are made of. Raises InvalidInput."""
    if not isinstance(jobs, Iterable) or isinstance(jobs, str | bytes | Mapping):
        raise InvalidInput("jobs", f"must be a list of arguments, not {jobs!r:.100}")
    return jobs


def handle_of(answer: Enqueued) -> JobHandle:
    """The database's answer as users see it."""
    return JobHandle(
        id=answer.id, state=answer.state, duplicate=answer.duplicate, answer=answer.answer
    )
