"""What handlers share in one worker: resources by the functions that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")


class Resource(Generic[T]):
    """Something that each worker opens once; `job.state[resource]` is what was opened.

    Made by `client.state`.
    """

    __slots__ = ("_open", "_runs_in", "name")

    def __init__(self, name: str, open_it: Callable[[], Any], runs_in: str = "trio") -> None:
        self.name: Final = name
        self._open = open_it
        self._runs_in = runs_in

    def __repr__(self) -> str:
        return f"<Resource {self.name}>"


class State:
    """The resources of a worker, by what `client.state` returned."""

    __slots__ = ("_opened", "_why_empty")

    def __init__(
        self, opened: Mapping[Resource[Any], Any] | None = None, *, why_empty: str = ""
    ) -> None:
        self._opened = dict(opened or {})
        self._why_empty = why_empty

    def __getitem__(self, resource: Resource[T]) -> T:
        """What the worker opened. Raises ConfigurationError when it did not."""
        try:
            found: T = self._opened[resource]
        except KeyError:
            why = self._why_empty or "it belongs to another client, or no worker opened it"
            raise ConfigurationError(f"there is no {resource!r} here: {why}") from None
        return found

    def __contains__(self, resource: object) -> bool:
        return resource in self._opened

    def __iter__(self) -> Iterator[Resource[Any]]:
        return iter(self._opened)

    def __len__(self) -> int:
        return len(self._opened)

    def __repr__(self) -> str:
        return f"<State {', '.join(resource.name for resource in self._opened) or 'empty'}>"


NOTHING: Final = State()
IN_A_CHILD: Final = State(why_empty="a child process has none of its worker's resources")
