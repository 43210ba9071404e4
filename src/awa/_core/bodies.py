"""The entries of one claims row, as columns.

Much of what a worker does with a claim it does with all of it, and a column at a time is a fraction
of the cost. A Body is made of each entry when somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, cast, overload

from awa._core.entries import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

_body = cast("Callable[[tuple[object, ...]], Body]", partial(tuple.__new__, Body))
"""Half the cost of `Body._make`, which checks the length of every row again."""


class Columns(NamedTuple):
    """What differs from entry to entry, as Body has it; all of one length."""

    seqs: list[int]
    job_ids: list[int]
    run_leases: list[int]
    attempts: list[int]
    max_attempts: list[int]
    losses: list[int]
    kinds: list[str]
    args: list[bytes]
    extras: list[bytes]
    enqueued_s: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies(Sequence[Body]):
    """Entries of one claims row that lie in one slot."""

    slot: int
    part: int
    lane: int
    columns: Columns

    def __len__(self) -> int:
        return len(self.columns.seqs)

    @overload
    def __getitem__(self, place: int) -> Body: ...

    @overload
    def __getitem__(self, place: slice) -> Bodies: ...

    def __getitem__(self, place: int | slice) -> Body | Bodies:
        if isinstance(place, slice):
            return self._with(column[place] for column in self.columns)
        return _body((self.slot, self.part, self.lane, *[each[place] for each in self.columns]))

    def __iter__(self) -> Iterator[Body]:
        same = repeat(self.slot), repeat(self.part), repeat(self.lane)
        return map(_body, zip(*same, *self.columns, strict=False))

    def without(self, places: Collection[int]) -> Bodies:
        """Those at other places than these."""
        kept = [at not in places for at in range(len(self))]
        return self._with(list(compress(column, kept)) for column in self.columns)

    def _with(self, columns: Iterable[Any]) -> Bodies:
        kept = Columns._make(columns)
        return Bodies(slot=self.slot, part=self.part, lane=self.lane, columns=kept)
