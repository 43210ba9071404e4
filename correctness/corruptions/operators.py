"""Operators that corrupt a recording: each answers every recording that differs in one such way."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from correctness.corruptions.fields import NAMES, Place, fields_of, others, value_at
from correctness.traces import Recorded

STRANGER: Final = -900
"""A transaction of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One thing that is made wrong."""

    operator: str
    action: str
    """Of the event that it is about."""
    where: int
    """The place of that event in the recording, from 0."""
    key: str
    """Which part of the event; none when it is about the whole."""
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption(Wrong):
    """A recording with one thing wrong."""

    recorded: tuple[Recorded, ...]


Story = Sequence[Recorded]


def left_out(story: Story) -> Iterator[Corruption]:
    """An event is missing."""
    for at, one in enumerate(story):
        yield _corruption("an event left out", one, at, "", [*story[:at], *story[at + 1 :]])


def twice(story: Story) -> Iterator[Corruption]:
    """An event is there twice, one after the other."""
    for at, one in enumerate(story):
        again = replace(one, transaction=STRANGER)
        told = [*story[: at + 1], again, *story[at + 1 :]]
        yield _corruption("an event twice", one, at, "", told)


def swapped(story: Story) -> Iterator[Corruption]:
    """Two neighbours change places; the census is no event of its own time."""
    for at in range(len(story) - 1):
        one, other = story[at], story[at + 1]
        if "census" not in {one.event["a"], other.event["a"]}:
            told = [*story[:at], other, one, *story[at + 2 :]]
            yield _corruption("neighbours swapped", one, at, f"with {other.event['a']}", told)


def late_completion(story: Story) -> Iterator[Corruption]:
    """An attempt that has ended completes once more: at once, and at the end of everything."""
    last = next((at for at, one in enumerate(story) if one.event["a"] == "census"), len(story))
    for at, one in enumerate(story):
        for item in one.event.get("items", ()):
            if item["settled"] == "{}":
                continue
            nothing = {"already": "{}", "stale": "{}"}
            late = {**item, **nothing, "asked": item["settled"]}
            event = {"a": "complete", "settle": 999_999, "worker": 1, "items": [late]}
            forged = Recorded(transaction=STRANGER, event=event)
            for place in sorted({at + 1, last}):
                told = [*story[:place], forged, *story[place:]]
                yield _corruption("a late completion", one, at, f"at {place}", told)


def rows_changed(story: Story) -> Iterator[Corruption]:
    """A list of an event lacks a row, or has one twice."""
    for at, one in enumerate(story):
        for key, rows in one.event.items():
            if not isinstance(rows, list):
                continue
            for place in range(len(rows)):
                less = {**one.event, key: [*rows[:place], *rows[place + 1 :]]}
                more = {**one.event, key: [*rows, rows[place]]}
                for operator, event in (("a row left out", less), ("a row twice", more)):
                    told = _with(story, at, event)
                    yield _corruption(operator, one, at, f"{key}[{place}]", told, key=key)


def fields_changed(story: Story) -> Iterator[Corruption]:
    """A field says something else."""
    known = _known(story)
    for at, one in enumerate(story):
        for name, place in fields_of(one.event):
            said = value_at(one.event, place)
            for other in others(name, said, known.get(name, ())):
                what = f"{'.'.join(map(str, place))}: {said} became {other}"
                told = _with(story, at, _set(one.event, place, other))
                yield _corruption(f"another {name}", one, at, what, told, key=str(place[0]))


def _known(story: Story) -> dict[str, list[int]]:
    found: dict[str, set[int]] = {}
    for one in story:
        for name, place in fields_of(one.event):
            said = value_at(one.event, place)
            if name in NAMES and said is not None:
                found.setdefault(name, set()).add(said)
    return {name: sorted(values) for name, values in found.items()}


def _set(event: Any, place: Place, value: object) -> dict[str, Any]:
    changed: Any = copy.deepcopy(dict(event))
    holder = value_at(changed, place[:-1])
    holder[place[-1]] = value
    return dict(changed)


def _with(story: Story, at: int, event: dict[str, Any]) -> list[Recorded]:
    return [*story[:at], replace(story[at], event=event), *story[at + 1 :]]


def _corruption(
    operator: str, one: Recorded, at: int, what: str, told: Sequence[Recorded], *, key: str = ""
) -> Corruption:
    return Corruption(
        operator=operator,
        action=one.event["a"],
        where=at,
        key=key,
        what=what,
        recorded=tuple(told),
    )


OPERATORS: Final[tuple[Callable[[Story], Iterator[Corruption]], ...]] = (
    left_out,
    twice,
    swapped,
    late_completion,
    rows_changed,
    fields_changed,
)


def corruptions(story: Story) -> Iterator[Corruption]:
    """Answer every corruption of a recording, operator by operator."""
    for operator in OPERATORS:
        yield from operator(story)
