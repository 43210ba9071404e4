"""What attempts say of their progress while they run."""

from collections.abc import Collection
from dataclasses import replace

from correctness.model.effects import Guards, refusal
from correctness.model.facts import Facts, facts
from correctness.model.state import Lane, Note, Refused, Scope, Spoken


def _note(seen: Facts, item: Spoken) -> Note:
    entry = seen.entry_of(item.seq)
    return Note(entry.job, entry.lease, item.note, item.said)


def note_progress(lane: Lane, scope: Scope, items: Collection[Spoken]) -> Lane | Refused:
    """Open attempts are heard; what is older than the attempt's last note changes nothing."""
    seen = facts(lane)

    def hears(item: Spoken) -> bool:
        return item.seq in seen.open(item.token, item.part)

    def newer(note: Note) -> bool:
        before = (m for m in lane.notes if (m.job, m.lease) == (note.job, note.lease))
        return scope.loose("newer") or all(note.note > m.note for m in before)

    guards: Guards = {
        "speaks": lambda: all(hears(item) for item in items if item.answer == "noted"),
        "heard": lambda: not any(hears(item) for item in items if item.answer == "stale"),
        "once": lambda: len({item[:3] for item in items}) == len(items),
    }
    refused = refusal(scope, guards)
    if refused is not None:
        return refused
    told = (_note(seen, item) for item in items if item.answer == "noted")
    fresh = frozenset(filter(newer, told))
    jobs = {note.job for note in fresh}
    return replace(lane, notes=frozenset(m for m in lane.notes if m.job not in jobs) | fresh)
