"""The ways to end attempts: receipts in parallel arrays, and an answer for each number.

Repeated with the same settle id, each answers `already` for what its first execution ended. At
most SETTLE_ITEMS_MAX items a call (LimitExceeded).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from awa._core import entries, limits
from awa._core.transacting import CommitAnswer
from awa._storage import arrays, codec
from awa._storage.calling import Calling, within
from awa._storage.calls import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awa._core.progress import Note, NoteAnswer

Settled: TypeAlias = Call[tuple[entries.Settlement, ...]]

_SETTLED: Final = "item, answer, numbers::text"
_WHO: Final = "%s::bigint, %s::bigint"
_ITEMS: Final = (
    "%s::text::smallint[], %s::text::bigint[], %s::text::smallint[], %s::text::int8multirange[]"
)
# The texts go in binary: escaping each quote in them takes longer than the rest of the call.
_VALUES: Final = "%s::text::int[], %s::text::bigint[], %b::text[]::jsonb[]"
_NOTES: Final = "%s::int[], %b::text[]::jsonb[]"
_DELAYS: Final = "%s::double precision[]"


class Settles(Calling):
    """What ends an attempt."""

    def complete(
        self,
        worker: int,
        settle_id: int,
        items: Sequence[entries.SettleItem],
        results: Sequence[entries.Result] = (),
        *,
        waits: bool = False,
    ) -> Settled:
        """Close entries with success. `waits`: in a handler's own transaction, never busy."""
        values = (
            arrays.integers(result.item for result in results),
            arrays.integers(result.seq for result in results),
            [result.value.decode() for result in results],
            waits,
        )
        places = f"{_VALUES}, %s::boolean"
        return self._settle("complete", worker, settle_id, items, *values, places=places)

    def note_progress(self, worker: int, notes: Sequence[Note]) -> Call[tuple[NoteAnswer, ...]]:
        """Keep what attempts say of their progress; one answer for each, in their order."""
        columns = (
            [note.token for note in notes],
            [note.part for note in notes],
            [note.seq for note in notes],
            [note.number for note in notes],
            [note.text.decode() for note in notes],
        )
        return self._call(
            "note_progress",
            f"%s::bigint, %s::bigint[], %s::smallint[], %s::bigint[], {_NOTES}",
            (worker, *columns),
            codec.note_answers,
            columns="item, answer",
        )

    def settled_by(self, settle_id: int, *, token: int, part: int, seq: int) -> Call[CommitAnswer]:
        """Whether this attempt was ended under this settle id; asked, and nothing is repeated."""
        return self._call(
            "settled_by",
            "%s::bigint, %s::bigint, %s::smallint, %s::bigint",
            (settle_id, token, part, seq),
            codec.enum_of(CommitAnswer),
        )

    def release(self, worker: int, settle_id: int, items: Sequence[entries.SettleItem]) -> Settled:
        """Close entries unused: their jobs are available again, the attempt does not count."""
        return self._settle("release", worker, settle_id, items)

    def retry(
        self,
        worker: int,
        settle_id: int,
        items: Sequence[entries.SettleItem],
        faults: Sequence[entries.Fault] = (),
    ) -> Settled:
        """Close entries whose handlers failed: again after a delay, or the end of their attempts.

        A number without a fault, or a fault without a delay, waits for the back-off.
        """
        delays = [None if fault.delay_s is None else float(fault.delay_s) for fault in faults]
        more = (*_fault_columns(faults), delays)
        places = f"{_VALUES}, {_DELAYS}"
        return self._settle("retry", worker, settle_id, items, *more, places=places)

    def snooze(
        self,
        worker: int,
        settle_id: int,
        items: Sequence[entries.SettleItem],
        delays_s: Sequence[float],
    ) -> Settled:
        """Close entries that are wanted later: one delay for each item. The attempt is kept."""
        assert len(items) == len(delays_s), "one delay for each item"
        delays = [float(delay) for delay in delays_s]
        return self._settle("snooze", worker, settle_id, items, delays, places=_DELAYS)

    def fail(
        self,
        worker: int,
        settle_id: int,
        items: Sequence[entries.SettleItem],
        faults: Sequence[entries.Fault] = (),
    ) -> Settled:
        """Close entries, and their jobs with them: no attempt can succeed."""
        columns = _fault_columns(faults)
        return self._settle("fail", worker, settle_id, items, *columns, places=_VALUES)

    def cancel_running(
        self,
        worker: int | None,
        settle_id: int,
        items: Sequence[entries.SettleItem],
        *,
        reason: str | None = None,
    ) -> Settled:
        """Close entries, and cancel their jobs. An operator has no worker, and is told as None."""
        return self._settle("cancel_running", worker, settle_id, items, reason, places="%s::text")

    def _settle(
        self,
        action: str,
        worker: int | None,
        settle_id: int,
        items: Sequence[entries.SettleItem],
        *more: object,
        places: str = "",
    ) -> Settled:
        within("items", len(items), limits.SETTLE_ITEMS_MAX)
        return self._call(
            action,
            f"{_WHO}, {_ITEMS}, {places}" if places else f"{_WHO}, {_ITEMS}",
            (worker, settle_id, *_item_columns(items), *more),
            codec.settlements,
            columns=_SETTLED,
        )


def _item_columns(items: Sequence[entries.SettleItem]) -> tuple[str, str, str, str]:
    return (
        arrays.integers(item.slot for item in items),
        arrays.integers(item.token for item in items),
        arrays.integers(item.part for item in items),
        arrays.multiranges(item.seqs for item in items),
    )


def _fault_columns(
    faults: Sequence[entries.Fault],
) -> tuple[str, str, list[str | None]]:
    return (
        arrays.integers(fault.item for fault in faults),
        arrays.integers(fault.seq for fault in faults),
        [None if fault.error is None else fault.error.decode() for fault in faults],
    )
