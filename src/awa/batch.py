"""What the handler of a batch gets: its jobs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from awa.handler import Job, Place

if TYPE_CHECKING:
    import trio

    from awa._core.entries import Body
    from awa._core.transacting import Desk

ArgsT = TypeVar("ArgsT")


class JobBatch(Sequence[Job[ArgsT]], Generic[ArgsT]):
    """The jobs of one kind that one call of a handler runs, in the order of their claim.

    A sequence of jobs, each of which is made when it is first looked at; `args` alone costs less.
    """

    __slots__ = ("_bodies", "_cancelled", "_desk", "_jobs", "_places", "_scope", "args")

    args: Sequence[ArgsT]
    """The arguments of each job, in the same order."""

    def __init__(
        self,
        places: Sequence[Place],
        bodies: "Sequence[Body]",
        args: Sequence[ArgsT],
        scope: "trio.CancelScope | None" = None,
        desk: "Desk | None" = None,
    ) -> None:
        self._places = places
        self._bodies = bodies
        self._jobs: dict[int, Job[ArgsT]] = {}
        self._scope = scope
        self._desk = desk
        self._cancelled = False
        self.args = args

    def __len__(self) -> int:
        return len(self._bodies)

    @overload
    def __getitem__(self, place: int) -> Job[ArgsT]: ...

    @overload
    def __getitem__(self, place: slice) -> list[Job[ArgsT]]: ...

    def __getitem__(self, place: int | slice) -> Job[ArgsT] | list[Job[ArgsT]]:
        places = range(len(self._bodies))[place]
        if isinstance(places, range):
            return [self._job(each) for each in places]
        return self._job(places)

    def __iter__(self) -> Iterator[Job[ArgsT]]:
        return map(self._job, range(len(self._bodies)))

    def _job(self, place: int) -> Job[ArgsT]:
        job = self._jobs.get(place)
        if job is None:
            # Who looks at one mostly looks at all, and then it is cheaper to make them together.
            if not isinstance(self._bodies, list):
                self._bodies = list(self._bodies)
            job = Job(
                self._bodies[place], self.args[place], self._places[place], self._scope, self._desk
            )
            self._jobs[place] = job
            job._cancelled = self._cancelled  # noqa: SLF001  # two sides of one thing
        return job

    def _own(self) -> list[tuple[int, Job[ArgsT]]]:
        """The jobs that had transactions of their own, and their places."""
        return [made for made in self._jobs.items() if made[1]._own is not None]  # noqa: SLF001  # two sides of one thing

    def _mark(self, place: int) -> None:
        """Raise the flag of one job."""
        self._job(place)._cancelled = True  # noqa: SLF001  # two sides of one thing

    def _tell(self) -> None:
        """Raise the flag of every job."""
        self._cancelled = True
        for job in self._jobs.values():
            job._cancelled = True  # noqa: SLF001  # two sides of one thing

    def __repr__(self) -> str:
        kind = repr(self._bodies[0].kind) if self._bodies else "nothing"
        return f"<JobBatch of {len(self._bodies)} times {kind}>"
