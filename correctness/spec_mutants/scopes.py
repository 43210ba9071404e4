"""The bounded models in which mutants of Storage are hunted, and which for which operators.

They are those of the Python twin, the smallest ones that reach every action, and a few others where
a key meets what those have apart. Here every property is looked at.
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

_MISTAKE: Final = "forgotten"
"""Without this guard a claim passes over an entry. That is how prune comes to find one."""
_IN_SPITE_OF_IT: Final = (
    *("EntryClaimedOnce", "OneLivePlacePerJob", "NumbersOnce", "BodyKept"),
    *("RunLeaseGrows", "NoJobLost", "FinalForGood", "KeyKept"),
)
"""What holds in spite of such a mistake."""

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
    "RescueDeadline": "Waits",
    "RescueDeadlineG": "Waits",
    "Promote": "Waits Letters",
    "PromoteG": "Waits Letters",
    "CancelPending": "Waits",
    "DlqMove": "Letters",
    "DlqMoveG": "Letters",
    "DlqRetry": "Letters witness/KeyOfOldLife",
    "DlqRetryG": "Letters",
    "DlqPurge": "Letters",
    "DlqPurgeG": "Letters",
    "Retire": "Letters",
    "RetireG": "Letters",
    "Rotate": "Ring",
    "RotateG": "Ring",
    "Prune": "Ring",
    "PruneG": "Ring",
    "FloorG": "Ring",
    "Evacuate": "Ring",
    "EvacuateG": "Ring",
}
_LARGER: Final = {"witness/KeyOfOldLife"}
_OTHERS: Final = "Holes"
_DEAR: Final = {"Prune: wants stays", "Prune: wants emptied"}
"""For these a mistake must have happened, which takes a large model."""
_NOWHERE: Final = {"EnvArrive", "EnvArriveG"}
"""Steps of another lane: no bounded model has them, a recorded trace has one."""


def scopes(mutant: Mutant) -> list[Path]:
    """The configurations whose constants to try, one after the other."""
    if mutant.operator in _NOWHERE:
        return []
    names = _OF.get(mutant.operator, _OTHERS).split()
    return [SPEC / (f"{name}.cfg" if name in _LARGER else f"twin/{name}.cfg") for name in names]


def constants(file: Path) -> str:
    """With all guards on, but for a mistake: what is dropped is dropped from the text."""
    text = file.read_text()
    off = f'{{"{_MISTAKE}"}}' if _mistaken(file) else "{}"
    return re.sub(r"Off = {.*}", f"Off = {off}", text[: text.index("SPECIFICATION")])


def checked(file: Path) -> tuple[str, ...]:
    """What the specification keeps there."""
    return _IN_SPITE_OF_IT if _mistaken(file) else CHECKED


def _mistaken(file: Path) -> bool:
    text = file.read_text()
    return re.search(rf'Off = {{.*"{_MISTAKE}"', text) is not None and '"ring"' in text


def witnesses(mutant: Mutant) -> list[Path]:
    """Larger models: the configurations of Storage that go without just this guard."""
    if mutant.name in _DEAR:
        return [SPEC / "witness" / "MendedWithoutKey.cfg"]
    if len(mutant.loose) != 1:
        return []
    return [entry.file for entry in CONFIGURATIONS if _goes_without(entry, mutant.loose[0])]


def _goes_without(entry: Configuration, guard: str) -> bool:
    return (
        entry.module == "Storage"
        and entry.breaks is not None
        and f'Off = {{"{guard}"}}' in entry.file.read_text()
    )
