"""A lie: one line of an accepted story changed, or one added, and who must refuse it.

It is marked `impossible`, with the guard or the field of the specification that must refuse it.
The stories are short, so each lie is easy to see.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from correctness.configurations import SPEC
from correctness.traces import Recorded, read_ndjson

ACCEPTED: Final = SPEC.parent / "traces" / "accepted"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """One impossible line: which event of a story becomes what, and who refuses it."""

    name: str
    story: str
    action: str
    nth: int
    refused_by: str
    spoil: Callable[[Event], object]
    adds: bool = False
    """The line is a further one, after the line that it is made from."""
    folder: Path = ACCEPTED
    """Where the stories are."""

    def told(self) -> list[Recorded]:
        """Answer the story with the lie in it."""
        story = read_ndjson(self.folder / f"{self.story}.ndjson")
        place = [at for at, one in enumerate(story) if one.event["a"] == self.action][self.nth - 1]
        event = copy.deepcopy(dict(story[place].event))
        self.spoil(event)
        event["impossible"] = self.refused_by
        if self.adds:
            return [
                *story[: place + 1],
                Recorded(transaction=-900, event=event),
                *story[place + 1 :],
            ]
        line = Recorded(transaction=story[place].transaction, event=event)
        return [*story[:place], line, *story[place + 1 :]]


def item(**fields: object) -> Callable[[Event], None]:
    """Change the event's first item."""
    return lambda event: event["items"][0].update(fields)


def state(**fields: object) -> Callable[[Event], None]:
    """Change the lane's state that a claim wrote."""
    return lambda event: event["lanes"][0].update(fields)


def field(**fields: object) -> Callable[[Event], None]:
    """Change fields of the event."""
    return lambda event: event.update(fields)


def element(key: str, place: int, value: object) -> Callable[[Event], None]:
    """Change one place of the first element of a list."""
    return lambda event: event[key][0].__setitem__(place, value)


def less(key: str) -> Callable[[Event], None]:
    """Drop the last element of a list."""
    return lambda event: event[key].pop()


def more(key: str, *elements: object) -> Callable[[Event], None]:
    """Add elements to a list."""
    return lambda event: event[key].extend(elements)


def seqs(numbers: str) -> Callable[[Event], None]:
    """Change the numbers of a claim's first row."""
    return lambda event: event["rows"][0].update(seqs=numbers)


def both(*spoils: Callable[[Event], object]) -> Callable[[Event], None]:
    """Make several changes, which are one lie."""

    def spoil(event: Event) -> None:
        for each in spoils:
            each(event)

    return spoil


def lies_about(story: str, *lies: tuple[Any, ...], adds: bool = False) -> Iterator[Lie]:
    """Answer lies, each given as name, action, which of those, who refuses it, and what changes."""
    for name, action, nth, refused_by, spoil in lies:
        yield Lie(
            name=name,
            story=story,
            action=action,
            nth=nth,
            refused_by=refused_by,
            spoil=spoil,
            adds=adds,
        )
