"""Rows to values. A row that does not fit is our own defect: InternalError, never a guess."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from awa._core import entries, rescues
from awa._core.bodies import Bodies, Columns
from awa._core.copying import CopyAnswer
from awa._core.progress import NoteAnswer
from awa._core.ranges import Ranges
from awa.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from awa._core.capability import UnknownKind
    from awa._core.options import NewJob
    from awa._storage.calls import Rows

T = TypeVar("T")


def nothing(_rows: Rows) -> None:
    """For functions that return void."""


def scalar(kind: type[T]) -> Callable[[Rows], T]:
    """For functions that return one value of this type."""
    return partial(_scalar, kind)


def _scalar(kind: type[T], rows: Rows) -> T:
    if len(rows) != 1 or not isinstance(rows[0][0], kind):
        raise InternalError(f"expected one {kind.__name__}, got {rows!r:.200}")
    return rows[0][0]


def enum_of(kind: type[T]) -> Callable[[Rows], T]:
    """For functions that return one word of a vocabulary."""

    def read(rows: Rows) -> T:
        return _word(kind, _scalar(str, rows))

    return read


def _word(kind: Callable[[str], T], word: str) -> T:
    try:
        return kind(word)
    except ValueError as error:
        raise InternalError(f"the database answered an unknown word: {error}") from error


def json_value(text: bytes | str) -> Any:
    """A stored value. jsonb holds longer numbers than Python reads: those become a Decimal."""
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError:
        return json.loads(text, parse_int=Decimal)


def names(rows: Rows) -> frozenset[str]:
    """For functions that return one array of names."""
    return frozenset(_scalar(list, rows))


# Nearly all rows of `enqueued` hold the same few words, and there may be thousands.
_STATES: dict[str | None, entries.JobState | None] = {
    None: None,
    **{state.value: state for state in entries.JobState},
}
_ANSWERS = {answer.value: answer for answer in entries.EnqueueAnswer}


def enqueued(rows: Rows) -> tuple[entries.Enqueued, ...]:
    """Rows (id, state, duplicate, answer), in the order of the jobs."""
    return tuple(
        entries.Enqueued(
            id=job_id or 0,
            state=_STATES[state],
            duplicate=duplicate,
            answer=_ANSWERS[answer],
        )
        for job_id, state, duplicate, answer in rows
    )


def enqueued_one(rows: Rows) -> entries.Enqueued:
    """The one row of `enqueue`."""
    (answer,) = enqueued(rows)
    return answer


def copy_answer(rows: Rows) -> CopyAnswer:
    """One row with a count for each EnqueueAnswer, in their order."""
    ((inserted, existing, replaced, skipped),) = rows
    return CopyAnswer(inserted=inserted, existing=existing, replaced=replaced, skipped=skipped)


def claim_answer(rows: Rows) -> entries.ClaimAnswer:
    """Rows (queue, answer, slot, part, lane, seqs as text, deadline, bodies as JSON or null)."""
    got: list[entries.ClaimRow] = []
    without: dict[str, set[str]] = {"empty": set(), "busy": set()}
    for queue, answer, slot, part, lane, seqs, deadline, text in rows:
        if answer == "got":
            got.append(
                entries.ClaimRow(
                    queue=queue,
                    slot=slot,
                    part=part,
                    lane=lane,
                    seqs=Ranges.parse(seqs),
                    deadline=deadline,
                    bodies=None if text is None else small_bodies(slot, part, lane, text),
                )
            )
        elif answer in without:
            without[answer].add(queue)
        else:
            raise InternalError(f"claim answered {answer!r} for queue {queue!r}")
    return entries.ClaimAnswer(
        rows=tuple(got), empty=frozenset(without["empty"]), busy=frozenset(without["busy"])
    )


def bodies(rows: Rows) -> tuple[Bodies, ...]:
    """Rows of some entries each, with a column for each field of Body; on the hot path.

    JSON texts are separated by line feeds, of which they have none.
    """
    found: dict[tuple[int, int, int], list[list[Any]]] = {}
    for slot, part, lane, *lists, args, extras, enqueued_s in rows:
        columns = [*lists, args.split(b"\n"), extras.split(b"\n"), enqueued_s]
        before = found.setdefault((slot, part, lane), columns)
        if before is not columns:
            for column, more in zip(before, columns, strict=True):
                column.extend(more)
    return tuple(_bodies_of(*of, columns) for of, columns in found.items())


def _bodies_of(slot: int, part: int, lane: int, columns: Sequence[list[Any]]) -> Bodies:
    if len({len(column) for column in columns}) != 1:
        raise InternalError(f"bodies answered columns of several lengths: {columns!r:.200}")
    return Bodies(slot=slot, part=part, lane=lane, columns=Columns._make(columns))


_small_bodies = msgspec.json.Decoder(
    list[tuple[int, int, int, int, int, int, str, msgspec.Raw, msgspec.Raw, float]]
)


def small_bodies(slot: int, part: int, lane: int, text: bytes) -> Bodies:
    """The bodies that came with a claims row: arrays of Body's fields from `seq` on."""
    *lists, args, extras, enqueued_s = zip(*_small_bodies.decode(text), strict=True)
    columns = [*lists, map(bytes, args), map(bytes, extras), enqueued_s]
    return _bodies_of(slot, part, lane, [list(column) for column in columns])


def settlements(rows: Rows) -> tuple[entries.Settlement, ...]:
    """Rows (item, answer, seqs as text)."""
    return tuple(
        entries.Settlement(item=item, answer=_word(entries.Answer, answer), seqs=Ranges.parse(seqs))
        for item, answer, seqs in rows
    )


def beat(rows: Rows) -> entries.Beat:
    """The one row (answer, released, busy, time) of `heartbeat`."""
    ((answer, released, busy, at_s),) = rows
    word = _word(entries.BeatAnswer, answer)
    return entries.Beat(answer=word, released=released, busy=busy, at_s=at_s)


def ended_elsewhere(rows: Rows) -> tuple[entries.EndedElsewhere, ...]:
    """Rows (token, part, seqs as text, outcome)."""
    return tuple(
        entries.EndedElsewhere(token=token, part=part, seqs=Ranges.parse(seqs), outcome=outcome)
        for token, part, seqs, outcome in rows
    )


def note_answers(rows: Rows) -> tuple[NoteAnswer, ...]:
    """Rows (item, answer), in whatever order; the words in that of the items."""
    return tuple(_word(NoteAnswer, answer) for _, answer in sorted(rows, key=itemgetter(0)))


def acts(rows: Rows) -> tuple[entries.Act, ...]:
    """Rows (item, answer, state), in whatever order; the values in that of the items."""
    return tuple(
        entries.Act(item=item, answer=_word(entries.ActAnswer, answer), state=state)
        for item, answer, state in sorted(rows, key=itemgetter(0))
    )


def integers(rows: Rows) -> tuple[int, ...]:
    """For functions that return a set of numbers."""
    return tuple(number for (number,) in rows)


def observed(rows: Rows) -> tuple[entries.Observed, ...]:
    """Rows (worker, beat, alive, beaten)."""
    return tuple(
        entries.Observed(worker=worker, beat=beat, alive=alive, beaten=beaten)
        for worker, beat, alive, beaten in rows
    )


def looked_on(rows: Rows) -> tuple[tuple[entries.Observed, ...], bool]:
    """Rows (worker, beat, alive, beaten, led); without any worker one with nulls."""
    seen = observed([row[:4] for row in rows if row[0] is not None])
    return seen, bool(rows[0][4])


def promotion(rows: Rows) -> entries.Promotion:
    """The one row (promoted, next_at) of `promote`."""
    ((promoted, next_at),) = rows
    return entries.Promotion(promoted=promoted, next_at=next_at)


def rescue(rows: Rows) -> rescues.Rescue:
    """The one row (answer, released, ended, busy, rescued) of `rescue_worker`."""
    ((answer, released, ended, busy, rescued),) = rows
    return rescues.Rescue(
        answer=_word(entries.RescueAnswer, answer),
        released=released,
        ended=ended,
        busy=busy,
        rescued=_rescued(rescued),
    )


def deadline_rescue(rows: Rows) -> rescues.DeadlineRescue:
    """The one row (released, ended, busy, next_at, rescued) of `rescue_deadline`."""
    ((released, ended, busy, next_at, rescued),) = rows
    return rescues.DeadlineRescue(
        released=released,
        ended=ended,
        busy=busy,
        next_at=next_at,
        rescued=_rescued(rescued),
    )


_read_rescued = msgspec.json.Decoder(tuple[tuple[int, str, str, int, int, msgspec.Raw], ...]).decode


def _rescued(text: str) -> tuple[rescues.RescuedAttempt, ...]:
    return tuple(
        rescues.RescuedAttempt(job_id, kind, queue, attempt, run_lease, bytes(args))
        for job_id, kind, queue, attempt, run_lease, args in _read_rescued(text)
    )


def retirement(rows: Rows) -> entries.Retirement:
    """The one row (finals, dead_letters) of `retire`."""
    ((finals, dead_letters),) = rows
    return entries.Retirement(finals=finals, dead_letters=dead_letters)


def rotation(rows: Rows) -> entries.Rotation:
    """The one row (answer, slot) of `rotate`."""
    ((answer, slot),) = rows
    return entries.Rotation(answer=_word(entries.RotateAnswer, answer), slot=slot)


def pruning(rows: Rows) -> entries.Pruning:
    """The one row (answer, freed_bytes, reappended) of `prune`."""
    ((answer, freed_bytes, reappended),) = rows
    return entries.Pruning(
        answer=_word(entries.PruneAnswer, answer),
        freed_bytes=freed_bytes or 0,
        reappended=reappended or 0,
    )


def evacuation(rows: Rows) -> entries.Evacuation:
    """The one row (answer, moved) of `evacuate`."""
    ((answer, moved),) = rows
    return entries.Evacuation(answer=_word(entries.EvacuateAnswer, answer), moved=moved or 0)


def violations(rows: Rows) -> tuple[entries.Violation, ...]:
    """Rows (property, detail)."""
    return tuple(entries.Violation(property=name, detail=detail) for name, detail in rows)


def unknown_document(kinds: Sequence[UnknownKind]) -> str:
    """The `kinds` of `tell_unknown`."""
    return msgspec.json.encode(
        [{"queue": one.queue, "kind": one.kind, "times": one.times} for one in kinds]
    ).decode()


def worker_document(info: entries.WorkerInfo) -> str:
    """The `info` of `worker_start`."""
    return msgspec.json.encode(
        {
            "name": info.name,
            "host": info.host,
            "pid": info.pid,
            "queues": info.queues,
            "version": info.version,
            "poll_only": info.poll_only,
            "role": info.role,
            "kinds": info.kinds,
        }
    ).decode()


def options_document(options: Mapping[str, object]) -> str:
    """Options as the JSON object of an `opts` argument; what is None is left out."""
    given = {name: value for name, value in options.items() if value is not None}
    return msgspec.json.encode(given).decode()


def settings_document(settings: Mapping[str, object]) -> str:
    """Settings as a JSON object; None stands for a default, so it is kept."""
    return msgspec.json.encode(settings).decode()


def jobs_document(jobs: Sequence[NewJob]) -> str:
    """The `jobs` of `enqueue_many`. Arguments are JSON already and are not parsed again."""
    return b"".join(_document_parts(jobs)).decode()


def _document_parts(jobs: Sequence[NewJob]) -> list[bytes]:
    kinds: dict[str, bytes] = {}
    parts = [b"["]
    for job in jobs:
        kind = kinds.get(job.kind)
        if kind is None:
            kind = kinds[job.kind] = msgspec.json.encode(job.kind)
        head = b'{"kind":' if len(parts) == 1 else b',{"kind":'
        parts += (head, kind, b',"args":', job.args)
        # Left out where they say nothing: reading an empty object costs the server as much as
        # the rest of a small job.
        parts += (b"}",) if job.opts == b"{}" else (b',"opts":', job.opts, b"}")
    parts.append(b"]")
    return parts
