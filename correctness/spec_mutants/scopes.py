"""The bounded models in which mutants of Storage are hunted, and which for which operators.

They are those of the Python twin, the smallest ones that reach every action, and a few others where
a key meets what those have apart. Three begin in a state, or take steps, that no other has: they
are in Beside.tla. Every property is looked at, but for those that speak of what is otherwise there.
"""

import re
from pathlib import Path
from typing import Final

from correctness.configurations import CONFIGURATIONS, SPEC, Configuration
from correctness.spec_mutants.mutant import Mutant

CHECKED: Final = tuple(
    re.sub(
        r"\b(?:INVARIANTS?|PROPERT(?:Y|IES))\b",
        "",
        (SPEC / "StorageWaits.cfg").read_text().partition("SPECIFICATION Spec")[2],
    ).split()
)
"""Every invariant and property of Storage, in the order in which they are looked at."""

HERE: Final = Path(__file__).parent
_BREAK: Final = {
    "Mend": {"HoleSafety", "RefinesJobLife"},
    "Away": {"FinalForGood", "RefinesJobLife"},
}
"""What does not hold where a number was forgotten, or where a job comes back from another lane."""
_BEGINS: Final = {
    "Mend": ("MendInit", "MendNext"),
    "Away": ("LettersInit", "AwayNext"),
    "AtOnce": ("Init", "AtOnceNext"),
}

_OF: Final = {
    "Appending": "Holes Waits Unique",
    "Placing": "Waits Letters",
    "Closing": "Holes Waits",
    "AppendG": "Holes Waits Unique",
    "FollowG": "Waits Holes",
    "CarryG": "Waits",
    "PlaceG": "Waits Letters",
    "CloseG": "Holes Waits",
    "WithdrawG": "Waits Unique",
    "EnqueueManyG": "Waits Unique Holes",
    "EnqueueMany": "Unique Letters Waits Holes",
    "Claim": "Holes Ring Waits",
    "ClaimG": "Holes Ring Waits",
    "Settling": "Waits Holes",
    "Retry": "Waits",
    "Snooze": "Waits",
    "LaterG": "Waits",
    "Losing": "Waits Holes",
    "RescueWorker": "Waits",
    "RescueWorkerG": "Waits",
    "RescueDeadline": "Waits AtOnce",
    "RescueDeadlineG": "Waits",
    "NoteProgress": "Notes",
    "NoteProgressG": "Notes",
    "Promote": "Waits Letters",
    "PromoteG": "Waits Letters",
    "CancelPending": "Waits",
    "DlqMove": "Letters",
    "DlqMoveG": "Letters",
    "DlqRetry": "Letters Away witness/KeyOfOldLife",
    "DlqRetryG": "Letters Away",
    "DlqPurge": "Letters",
    "DlqPurgeG": "Letters",
    "Retire": "Letters",
    "RetireG": "Letters",
    "Rotate": "Ring",
    "RotateG": "Ring",
    "Prune": "Ring Mend",
    "PruneG": "Ring Mend",
    "FloorG": "Ring",
    "Evacuate": "Ring",
    "EvacuateG": "Ring",
    "EnvArrive": "Away",
    "EnvArriveG": "Away",
}
_LARGER: Final = {"witness/KeyOfOldLife"}
_OTHERS: Final = "Holes"


def scopes(mutant: Mutant) -> list[Path]:
    """The configurations whose constants to try, one after the other."""
    return [_file(name) for name in _OF.get(mutant.operator, _OTHERS).split()]


def _file(name: str) -> Path:
    if name in _BEGINS:
        return HERE / f"{name}.cfg"
    return SPEC / (f"{name}.cfg" if name in _LARGER else f"twin/{name}.cfg")


def constants(file: Path) -> str:
    """With all guards on: what is dropped is dropped from the text."""
    text = file.read_text()
    return re.sub(r"Off = {.*}", "Off = {}", text[: text.index("SPECIFICATION")])


def checked(file: Path) -> tuple[str, ...]:
    """What the specification keeps there."""
    return tuple(name for name in CHECKED if name not in _BREAK.get(file.stem, ()))


def behaviour(file: Path) -> tuple[str, str]:
    """How it begins and goes on there, as names of operators."""
    return _BEGINS.get(file.stem, ("Init", "Next"))


def witnesses(mutant: Mutant) -> list[Path]:
    """Larger models: the configurations of Storage that go without just this guard."""
    if len(mutant.loose) != 1:
        return []
    return [entry.file for entry in CONFIGURATIONS if _goes_without(entry, mutant.loose[0])]


def _goes_without(entry: Configuration, guard: str) -> bool:
    return (
        entry.module == "Storage"
        and entry.breaks is not None
        and f'Off = {{"{guard}"}}' in entry.file.read_text()
    )
