"""What is wrong with a configuration, collected, so that one error tells all of it."""

from collections.abc import Callable
from typing import TypeVar

from awa.errors import InvalidInput

T = TypeVar("T")


class Problems:
    """Checks go through `check`, and `tell` raises at the end."""

    def __init__(self) -> None:
        self._found: list[InvalidInput] = []

    def check(self, check: Callable[[], T], otherwise: T, *, queue: str | None = None) -> T:
        """What the check answers; or, when it raises InvalidInput, the other value."""
        try:
            return check()
        except InvalidInput as error:
            self.add(error.field, error.problem, queue=queue)
            return otherwise

    def add(self, field: str, problem: str, *, queue: str | None = None) -> None:
        """This is wrong, too."""
        of_queue = "" if queue is None else f"(queue {queue!r}) "
        self._found.append(InvalidInput(field, of_queue + problem))

    def tell(self) -> None:
        """Raise InvalidInput when anything was wrong."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            listed = "".join(f"\n  - {error}" for error in self._found)
            raise InvalidInput("worker", f"{len(self._found)} things are wrong:{listed}")
