"""What a mutant is: the SQL with one thing wrong, and who should notice."""

from dataclasses import dataclass
from typing import Literal

from correctness.edits import Edit

Kind = Literal["guard", "lock", "order", "effect"]
"""A guard dropped, a lock dropped or changed, an order swapped, an effect dropped or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mutant of the SQL, as data."""

    name: str
    kind: Kind
    actions: tuple[str, ...]
    """The actions whose doing it is part of."""
    edits: tuple[Edit, ...]
    hunters: tuple[str, ...]
    """Tests below tests/, in the order in which they are asked."""
    attack: str = ""
    """The failure of an earlier design that it brings back, if it is one."""
    beside: tuple[str, ...] = ()
    """Files of tests that are asked as well, where no ordinary test is named."""


def mutant(
    name: str,
    kind: Kind,
    actions: str,
    change: tuple[str, str, str],
    *hunters: str,
    attack: str = "",
) -> Mutant:
    """Return a mutant with one change: file, text, and what takes its place."""
    file, old, new = change
    return Mutant(
        name=name,
        kind=kind,
        actions=tuple(actions.split()),
        edits=(Edit(file=file, old=old, new=new),),
        hunters=hunters,
        attack=attack,
    )
