"""The fields of events by name and place, and how each is made to say something else."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from correctness.naming import Event

Place = tuple[str | int, ...]
"""The way to a value in an event: keys, and places in lists."""

_WAITS: Final = ("lane", "job", "run_lease", "attempt", "losses", "from")
_LISTS: Final[dict[str, tuple[str, ...]]] = {
    "entries": ("lane", "slot", "number", "job", "run_lease", "attempt", "from"),
    "deferred": _WAITS,
    "finals": (*_WAITS, "state"),
    "dead": _WAITS,
    "replaced": ("lane", "job", "from"),
    "withdrawn": ("lane", "slot", "number", "job"),
    "undeferred": ("lane", "job"),
    "jobs": ("lane", "job"),
    "moved": ("lane", "number"),
    "floors": ("lane", "no", "next", "holes"),
    "rows": ("lane", "token", "part", "seqs"),
    "told": ("lane", "job", "told", "state"),
    "notes": ("lane", "token", "part", "number", "note", "said", "heard"),
    "said": ("lane", "job", "said"),
}
_ENDED: Final = ("job", "state", "run_lease", "attempt", "losses")
_CENSUS: Final[dict[str, tuple[str, ...]]] = {
    "entries": ("slot", "number", "job", "run_lease", "attempt", "losses"),
    "claims": ("slot", "token", "part", "seqs"),
    "closures": ("slot", "token", "part", "seqs", "outcome"),
    "deferred": _ENDED,
    "finals": _ENDED,
    "dead": _ENDED,
    "withdrawn": ("slot", "seqs"),
    "bounds": ("job", "max_attempts"),
    "unique": ("job", "key", "states"),
    "progress": ("job", "said"),
}
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "answer": ("started", "already", "stopped", "gone", "alive", "turned", "pruned", "needed"),
    "heard": ("noted", "stale"),
    "told": ("existing", "skipped", "stale", "duplicate", "already"),
    "state": ("failed", "cancelled", "scheduled", "retryable"),
    "outcome": ("completed", "released", "retried", "snoozed", "failed", "cancelled", "lost"),
}
NAMES: Final = frozenset({"job", "token", "worker", "settle"})
"""Names of things: a wrong one is that of another thing, where the recording knows one."""
_SPAN: Final = re.compile(r"\[(\d+),(\d+)\)")
SLOTS: Final = 16


def fields_of(event: Event) -> Iterator[tuple[str, Place]]:
    """Answer every field of an event that holds a value, by its name and place."""
    census = event["a"] == "census"
    for key, found in event.items():
        if key in {"a", "tx", "queue", "impossible"}:
            continue
        if not isinstance(found, list):
            yield key, (key,)
            continue
        named = (_CENSUS if census else _LISTS).get(key, ())
        for at, row in enumerate(found):
            for name, inner in _fields_of_row(row, named):
                yield name, (key, at, inner)


def _fields_of_row(row: Any, named: Sequence[str]) -> Iterator[tuple[str, str | int]]:
    if isinstance(row, Mapping):
        yield from ((key, key) for key in row)
    else:
        yield from ((name, at) for at, name in enumerate(named) if at < len(row))


def value_at(event: Event, place: Place) -> Any:
    """Answer the value in a place."""
    found: Any = event
    for step in place:
        found = found[step]
    return found


def others(name: str, said: Any, known: Sequence[int]) -> Iterator[Any]:
    """Answer what a field might say instead; `known` are the things of that name."""
    if isinstance(said, bool):
        yield not said
    elif said is None:
        yield 1
    elif isinstance(said, int):
        yield _another(name, said, known)
    elif isinstance(said, str) and name in _WORDS:
        words = _WORDS[name]
        yield words[(words.index(said) + 1) % len(words)] if said in words else words[0]
    elif name == "said":
        yield said[::-1]
    elif isinstance(said, str) and (said == "{}" or _SPAN.search(said)):
        yield from _other_numbers(said)


def _another(name: str, said: int, known: Sequence[int]) -> int:
    if name in NAMES and len(known) > 1:
        return known[(known.index(said) + 1) % len(known)]
    if name == "slot":
        return (said + 1) % SLOTS
    return said + 1


def _other_numbers(said: str) -> Iterator[str]:
    """One number less, and one more."""
    spans = [(int(low), int(high)) for low, high in _SPAN.findall(said)]
    if spans:
        (low, high), *rest = spans
        kept = [(low + 1, high)] if high > low + 1 else []
        yield _text([*kept, *rest])
        yield _text([*spans[:-1], (spans[-1][0], spans[-1][1] + 1)])
    else:
        yield _text([(1, 2)])


def _text(spans: Sequence[tuple[int, int]]) -> str:
    return "{" + ",".join(f"[{low},{high})" for low, high in spans) + "}"
