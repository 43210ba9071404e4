"""Operators that corrupt what workers told: each answers every telling with one such thing wrong.

What the database recorded stays as it was. So a worker is caught by its own rules, or by what its
database knows of it.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from correctness.corruptions.fields import Place, value_at
from correctness.corruptions.operators import Wrong

Event = dict[str, Any]
Telling = Sequence[Event]

_HOWS: Final = ("complete", "retry", "snooze", "fail", "cancel_running", "release")
_ANSWERS: Final = ("settled", "already", "failed", "dead_lettered", "stale", "ended")
_ROWS: Final[dict[str, tuple[str, ...]]] = {
    "taken": ("part", "number", "job", "run_lease", "queue"),
    "attempts": ("token", "part", "number"),
    "answers": ("token", "part", "number", "answer"),
    "permits": ("queue", "permits"),
}
_KNOWN: Final = frozenset({"worker", "token", "settle", "queue", "call"})
"""Names: a wrong one is another thing's, where the recording knows one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongTelling(Wrong):
    """What workers told, with one thing wrong."""

    told: tuple[Event, ...]


def left_out(told: Telling) -> Iterator[WrongTelling]:
    """An event is missing."""
    for at, event in enumerate(told):
        yield _wrong("an event left out", event, at, "", [*told[:at], *told[at + 1 :]])


def twice(told: Telling) -> Iterator[WrongTelling]:
    """An event is there twice, one after the other."""
    for at, event in enumerate(told):
        yield _wrong("an event twice", event, at, "", [*told[: at + 1], *told[at:]])


def swapped(told: Telling) -> Iterator[WrongTelling]:
    """Two neighbours of one worker change places."""
    for at, event in enumerate(told):
        later = range(at + 1, len(told))
        to = next((n for n in later if told[n]["worker"] == event["worker"]), None)
        if to is not None:
            changed = [*told[:at], told[to], *told[at + 1 : to], event, *told[to + 1 :]]
            yield _wrong("neighbours swapped", event, at, f"with {told[to]['a']}", changed)


def rows_changed(told: Telling) -> Iterator[WrongTelling]:
    """A list of an event lacks a row, or has one twice."""
    for at, event in enumerate(told):
        for key, rows in event.items():
            if not isinstance(rows, list) or key == "attempt":
                continue
            for place in range(len(rows)):
                less = {**event, key: [*rows[:place], *rows[place + 1 :]]}
                more = {**event, key: [*rows, rows[place]]}
                for operator, now in (("a row left out", less), ("a row twice", more)):
                    changed = [*told[:at], now, *told[at + 1 :]]
                    yield _wrong(operator, event, at, f"{key}[{place}]", changed, key=key)


def fields_changed(told: Telling) -> Iterator[WrongTelling]:
    """A field says something else."""
    known = _known(told)
    for at, event in enumerate(told):
        for name, place in _fields(event):
            said = value_at(event, place)
            other = _other(name, said, known.get(name, ()))
            what = f"{'.'.join(map(str, place))}: {said} became {other}"
            changed = [*told[:at], _set(event, place, other), *told[at + 1 :]]
            yield _wrong(f"another {name}", event, at, what, changed, key=str(place[0]))


def _fields(event: Event) -> Iterator[tuple[str, Place]]:
    for key, found in event.items():
        if key in {"a", "by"} or found is None:
            continue
        if key == "attempt":
            yield from ((name, (key, at)) for at, name in enumerate(_ROWS["attempts"]))
        elif key in _ROWS and isinstance(found, list):
            for at, row in enumerate(found):
                yield from (
                    (name, (key, at, inner)) for inner, name in enumerate(_ROWS[key][: len(row)])
                )
        elif key == "named":
            yield from (("call", (key, at)) for at in range(len(found)))
        else:
            yield key, (key,)


def _other(name: str, said: Any, known: Sequence[Any]) -> Any:
    if isinstance(said, bool):
        return not said
    if name in {"how", "answer"}:
        words = _HOWS if name == "how" else _ANSWERS
        return words[(words.index(said) + 1) % len(words)]
    if name in _KNOWN and len(known) > 1:
        return known[(known.index(said) + 1) % len(known)]
    return f"{said} too" if isinstance(said, str) else said + 1


def _known(told: Telling) -> Mapping[str, list[Any]]:
    found: dict[str, set[Any]] = {}
    for event in told:
        for name, place in _fields(event):
            found.setdefault(name, set()).add(value_at(event, place))
    return {name: sorted(values) for name, values in found.items() if name in _KNOWN}


def _set(event: Event, place: Place, value: object) -> Event:
    changed: Any = copy.deepcopy(event)
    value_at(changed, place[:-1])[place[-1]] = value
    return dict(changed)


def _wrong(
    operator: str, event: Event, at: int, what: str, told: Sequence[Event], *, key: str = ""
) -> WrongTelling:
    return WrongTelling(
        operator=operator, action=event["a"], where=at, key=key, what=what, told=tuple(told)
    )


OPERATORS: Final[tuple[Callable[[Telling], Iterator[WrongTelling]], ...]] = (
    left_out,
    twice,
    swapped,
    rows_changed,
    fields_changed,
)


def wrong_tellings(told: Telling) -> Iterator[WrongTelling]:
    """Answer everything that may be wrong with what workers told, operator by operator."""
    for operator in OPERATORS:
        yield from operator(told)
