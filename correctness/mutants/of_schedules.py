"""The mutants of tests/schedules: each takes away the protection that a witness lacks."""

from typing import Final

from correctness.mutants.mutant import Kind, Mutant
from tests.schedules.every import SCHEDULES

# What the mutant of each witness is, the actions it is part of, and the attack it brings back.
_SAID: Final[dict[str, tuple[Kind, str, str]]] = {
    "NoLaneLock": ("lock", "claim", ""),
    "NoTokenLock": ("lock", "claim", "F8"),
    "OldSnapshot": ("guard", "claim complete prune", "A3"),
    "RepeatAnswersAll": ("guard", "claim", "F8"),
    "NewestFirst": ("order", "claim", "B17"),
    "ReadThenLock": ("lock", "complete release retry snooze fail cancel_running", ""),
    "NoteThenLock": ("lock", "note_progress", ""),
    "KeyNotLocked": ("lock", "enqueue enqueue_many dlq_retry", ""),
    "ReleaseNotInflight": ("lock", "release", ""),
    "ForgetUnpicked": ("effect", "claim", "F3"),
    "NoSecondPick": ("effect", "claim", "A1"),
    "XmaxForOwnXid": ("effect", "claim", "A1"),
    "XidBeforePick": ("order", "claim", "A1"),
    "XminNewerThanLook": ("order", "claim", "F3"),
    "InflightAfterDraw": ("order", "enqueue", "A2"),
    "XidNotForced": ("effect", "enqueue enqueue_many", "A2"),
    "NoLookAgain": ("guard", "claim", "F3"),
    "NoLookAgainFifo": ("guard", "claim", "F3"),
    "ListBeforeQuiet": ("order", "claim", "F3"),
    "FloorFirst": ("order", "claim prune", "F2"),
    "FloorBeforeLock": ("order", "prune", "F2"),
    "NewestSlotFirst": ("order", "claim", "F1"),
    "SlotsByLedger": ("effect", "claim rotate", "B8"),
    "ProofByCursor": ("effect", "prune", "B7"),
    "StateAfterClaims": ("order", "prune", "F4"),
    "PruneOpen": ("guard", "prune", ""),
    "PrunePending": ("guard", "prune", ""),
    "EvacuateReadsFirst": ("order", "evacuate", "F2"),
    "EvacuateUnlockedClaims": ("lock", "evacuate", ""),
    "EvacuateBesideClaims": ("lock", "evacuate", ""),
    "CarryWithdrawn": ("guard", "evacuate", "F2"),
    "NoSearch": ("guard", "complete evacuate", "B9"),
    "KeyOfSlot": ("lock", "complete evacuate", "F7"),
}

ACTIONS_OF: Final = {witness: tuple(actions.split()) for witness, (_, actions, _) in _SAID.items()}
"""The actions that the schedule of a witness drives where its mutant is."""

_TESTS: Final[dict[str, tuple[str, ...]]] = {
    "claim": (
        *("races/test_claims.py", "races/test_forgetting.py", "races/test_repeats.py"),
        "storage/test_claim.py",
    ),
    "complete": ("races/test_settles.py", "storage/test_complete.py"),
    "enqueue": ("races/test_unique_keys.py", "races/test_claims.py"),
    "evacuate": ("races/test_ring_evacuate.py", "storage/test_evacuate.py"),
    "note_progress": ("storage/test_note_progress.py",),
    "prune": (
        *("races/test_ring_prune.py", "storage/test_prune.py"),
        "storage/test_prune_stragglers.py",
    ),
    "release": ("races/test_settles.py", "storage/test_release.py"),
    "rotate": ("storage/test_rotate.py",),
}
"""Ordinary tests of an action: of a schedule's mutant none is named, so these are asked."""


def _tests(witness: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(t for one in ACTIONS_OF[witness] for t in _TESTS.get(one, ())))


MUTANTS: Final = tuple(
    Mutant(
        name=schedule.witness,
        kind=_SAID[schedule.witness][0],
        actions=ACTIONS_OF[schedule.witness],
        edits=schedule.mutant,
        hunters=(
            f"schedules/test_schedules.py::test_the_sql_holds_in_the_schedule[{schedule.witness}]",
        ),
        attack=_SAID[schedule.witness][2],
        beside=_tests(schedule.witness),
    )
    for schedule in SCHEDULES
)
