"""The scopes of one job whose graphs are covered, from the smallest."""

from typing import Final

from correctness.model import Scope

_ONE: Final = frozenset({1})
_TWO: Final = frozenset({1, 2})
_LIFE: Final = frozenset(
    {
        *("delay", "release", "retry", "snooze", "fail", "cancel", "beat", "rescue", "deadline"),
        *("dlq", "retire", "stop", "rollback"),
    }
)

SCOPES: Final[dict[str, Scope]] = {
    "sample": Scope(jobs=_ONE, tokens=_ONE, seq_max=1, loss_max=0, with_=_LIFE),
    "life": Scope(jobs=_ONE, tokens=_ONE, seq_max=2, with_=_LIFE),
    "holes": Scope(
        jobs=_ONE, tokens=_TWO, seq_max=3, with_=frozenset({"release", "rollback", "stop"})
    ),
    "ring": Scope(
        jobs=_ONE,
        tokens=_ONE,
        slots=frozenset({0, 1}),
        seq_max=2,
        with_=frozenset({"release", "ring", "evacuate"}),
    ),
    "notes": Scope(
        jobs=_ONE, tokens=_TWO, seq_max=2, with_=frozenset({"note", "release", "retry"})
    ),
    "lives": Scope(jobs=_ONE, tokens=_TWO, seq_max=2, with_=_LIFE),
}
"""What each tries: `life` every action but those of the ring, `lives` with two claims."""
