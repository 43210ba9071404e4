"""What a mutant of the specification is: its text with one thing dropped or changed."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["guard", "guards", "effect", "change"]
"""A guard dropped, or a part of one; all guards of one operator dropped in one place; a variable
that stays as it was; a variable that gets something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mutant, as an edit of the module's text."""

    name: str
    kind: Kind
    operator: str
    """The operator whose text is changed."""
    begin: int
    end: int
    new: str
    loose: tuple[str, ...] = ()
    """Guards whose wrong arguments are tried: what is dropped must have something to refuse."""

    def applied(self, text: str) -> str:
        """The module with this mutant in it."""
        return text[: self.begin] + self.new + text[self.end :]
